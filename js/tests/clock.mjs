// Time, as the tests want it: it stands still until it is told to pass. Importing this file puts
// it over the global timers and clocks; Node's own code has taken its own before.

const real = {
  setImmediate,
  now: Date.now,
  instantiate: WebAssembly.instantiate,
};

let mono = 1_000;
let wall = Date.UTC(2026, 0, 1);
let lastId = 0;
const timers = new Map();

class Timer {
  constructor(id) {
    this.id = id;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
}

// How deep the timer that is running is in timers that set timers; 0 outside any.
let nesting = 0;
let throttled = false;

globalThis.setTimeout = (callback, delay = 0, ...args) => {
  const timer = new Timer((lastId += 1));
  const depth = nesting + 1;
  let at = mono + Math.max(Number(delay) || 0, 0);
  if (throttled) at = aligned(at, depth >= 5 ? 60_000 : 1_000);
  timers.set(timer.id, { at, delay, depth, run: () => callback(...args) });
  return timer;
};

const aligned = (at, to) => Math.ceil(at / to) * to;
globalThis.clearTimeout = (timer) => {
  timers.delete(timer?.id);
};
Date.now = () => wall;
performance.now = () => mono;

// The engine compiles on another thread, and takes real time for it.
let compiling = 0;
WebAssembly.instantiate = (...args) => {
  compiling += 1;
  return real.instantiate.apply(WebAssembly, args).finally(() => (compiling -= 1));
};

// Chance is the same in each run; FIFTYTEN_SEED makes it another.
let chance = Number(process.env.FIFTYTEN_SEED ?? 1) >>> 0;
Math.random = () => {
  chance = (Math.imul(chance, 1_664_525) + 1_013_904_223) >>> 0;
  return chance / 2 ** 32;
};

// Until everything that can happen now has happened.
export async function settle() {
  const end = real.now() + 5_000;
  do {
    for (let round = 0; round < 8; round += 1) await new Promise((resolve) => real.setImmediate(resolve));
  } while (compiling > 0 && real.now() < end);
}

export const clock = {
  now: () => mono,

  // The delays of the timers that are armed.
  get armed() {
    return [...timers.values()].map(({ delay }) => delay);
  },

  // Time passes, and timers fire when they are due.
  async pass(ms) {
    await settle();
    const until = mono + ms;
    for (;;) {
      const due = [...timers].filter(([, timer]) => timer.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      timers.delete(due[0]);
      const step = Math.max(due[1].at - mono, 0);
      mono += step;
      wall += step;
      nesting = due[1].depth;
      try {
        due[1].run();
      } finally {
        nesting = 0;
      }
      await settle();
    }
    wall += until - mono;
    mono = until;
    await settle();
  },

  // As Chromium throttles a page that has been hidden for a while: timers are set to the second, and to the
  // minute if they were set by timers five deep.
  throttle(on) {
    throttled = on;
  },

  // The machine sleeps: the monotonic clock and the timers stand still, the wall clock does not.
  sleep(ms) {
    wall += ms;
  },

  // The user sets the wall clock.
  setBy(ms) {
    wall += ms;
  },

  // Fails instead of hanging when something that should settle does not; in real time.
  async within(promise, what = 'the promise') {
    const end = real.now() + 5_000;
    let settled = false;
    const done = () => (settled = true);
    promise.then(done, done);
    while (!settled) {
      if (real.now() > end) throw new Error(`${what} did not settle`);
      await new Promise((resolve) => real.setImmediate(resolve));
    }
    return promise;
  },
};
