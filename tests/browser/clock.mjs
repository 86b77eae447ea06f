// A clock that can be moved, in a real page: sleep and a changed system time, at once and exactly.
//
// Timers stand still while a machine sleeps and then need the rest of their time; so they do here,
// where they know nothing of it. Workers keep the true clock.

// Runs in every document before its own scripts.
function install(wallOffset, monotonicOffset) {
  const NativeDate = Date;
  const nativeNow = performance.now.bind(performance);
  const clock = { wall: wallOffset, monotonic: monotonicOffset };
  const now = () => NativeDate.now() + clock.wall;
  const own = { now };
  globalThis.Date = new Proxy(NativeDate, {
    apply: () => new NativeDate(now()).toString(),
    construct: (target, values, as) => Reflect.construct(target, values.length > 0 ? values : [now()], as),
    get: (target, name) => own[name] ?? Reflect.get(target, name),
  });
  performance.now = () => (clock.still ?? nativeNow()) + clock.monotonic;
  Object.defineProperty(globalThis, Symbol.for('fiftyten.test.clock'), { value: clock });
}

function hold(still) {
  const clock = globalThis[Symbol.for('fiftyten.test.clock')];
  clock.still = still ? performance.now() - clock.monotonic : undefined;
}

function move(wall, monotonic) {
  const clock = globalThis[Symbol.for('fiftyten.test.clock')];
  clock.wall = wall;
  clock.monotonic = monotonic;
}

export class Clock {
  #wall = 0;
  #monotonic = 0;
  #page;
  #script;

  static async of(page) {
    const clock = new Clock();
    clock.#page = page;
    await clock.#arm();
    return clock;
  }

  // The machine sleeps for `ms`. Whether `performance.now` counts that depends on system and browser:
  // not on macOS and Linux, on Windows it does.
  async sleep(ms, { monotonic = false } = {}) {
    this.#wall += ms;
    if (monotonic) this.#monotonic += ms;
    await this.#apply();
  }

  // Somebody sets the system's clock, forward or (below zero) back.
  async jump(ms) {
    this.#wall += ms;
    await this.#apply();
  }

  // `performance.now` stands still from now on, or goes on from where it would be; the wall clock goes on.
  async holdMonotonic(still) {
    await this.#page.evaluate(hold, still);
  }

  async #apply() {
    await this.#arm();
    await this.#page.evaluate(move, this.#wall, this.#monotonic);
  }

  // What the next document starts with.
  async #arm() {
    const before = this.#script;
    this.#script = await this.#page.runAtStart(install, this.#wall, this.#monotonic);
    await before?.remove();
  }
}
