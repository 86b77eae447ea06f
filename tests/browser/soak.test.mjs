// Everything at once, for a while: tabs that call at random, and faults at random, from a seed. Whatever
// happens, no token is stale, nobody is signed out, and every call settles within its limit.

import assert from 'node:assert/strict';

import { askedBy, call, events, openApp, openSignedIn, status } from './app.mjs';
import { long, scenario } from './scenario.mjs';
import { assertNoneStale, carried } from './tokens.mjs';
import { sleep, until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';
const server = { tokenLifetime: '12s', refreshIn: '8s' };
const TABS = 8;
const LASTS = long ? 600_000 : 60_000;
// Of a held call; and what a busy machine and the timers of a hidden tab add.
const LIMIT = 10_000 + 3_000;

const seed = Number(process.env.FIFTYTEN_SEED ?? Math.floor(Math.random() * 2 ** 32));

// Marsaglia's xorshift, 32 bits: the same faults in the same order for the same seed.
function random(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), between: (least, most) => least + next() * (most - least) };
}

// A tab calls at random times, and notes what came of each call. What it notes of is kept elsewhere: it may
// be reloaded or crash.
function callAtRandom() {
  window.made = [];
  const one = () => {
    const made = { at: Date.now() };
    window.made.push(made);
    window.app.session.fetch('/api/me', { cache: 'no-store' }).then(
      (answer) => Object.assign(made, { outcome: answer.status, done: Date.now() }),
      (error) => Object.assign(made, { outcome: error.code ?? error.name, done: Date.now() }),
    );
    setTimeout(one, 50 + Math.random() * 900);
  };
  one();
}

class Soak {
  counts = {};
  outcomes = {};
  calls = 0;
  slowest = 0;
  down = false;

  constructor(world, random) {
    this.world = world;
    this.random = random;
    this.pages = new Map();
    this.busy = new Set();
    this.opened = 0;
  }

  async open() {
    const tab = `tab ${(this.opened += 1)}`;
    const options = { tab, noteMade: true, options: { pollWhileHidden: this.random.next() < 0.5 } };
    const page = this.opened === 1 ? await openSignedIn(this.world, options) : await openApp(this.world, options);
    await page.findRenderer();
    await page.evaluate(callAtRandom);
    this.pages.set(tab, page);
  }

  // A tab that nothing else is being done to.
  pick() {
    const free = [...this.pages].filter(([tab]) => !this.busy.has(tab));
    return free[this.random.below(free.length)];
  }

  // What became of the calls made so far; the page then forgets them.
  async collect(page, { all = false } = {}) {
    const made = await page.evaluate((all) => {
      const { made } = window;
      window.made = all ? [] : made.filter(({ done }) => !done);
      return made;
    }, all);
    for (const { at, done, outcome } of made) {
      if (!done) continue;
      this.calls += 1;
      this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
      this.slowest = Math.max(this.slowest, done - at);
    }
    return made.filter(({ done }) => !done);
  }

  // How each fault is done; `ms` is how long it lasts. Those of a tab are done to one at a time.
  network = {
    hang: (ms) => this.world.proxy.fault(REFRESH, { hang: true }, { forMs: ms }),
    '5xx': (ms) => this.world.proxy.fault(REFRESH, { status: 500 + this.random.below(5) }, { forMs: ms }),
    429: (ms) => this.world.proxy.fault(REFRESH, { status: 429, headers: { 'retry-after': '1' } }, { forMs: ms }),
    garbage: (ms) => this.world.proxy.fault(REFRESH, { garbage: true }, { forMs: ms }),
    'cut before': (ms) => this.world.proxy.fault('/*', { cut: 'before' }, { forMs: ms }),
    'cut in the middle': (ms) => this.world.proxy.fault(REFRESH, { cut: 'middle' }, { forMs: ms }),
    slow: (ms) => this.world.proxy.fault(REFRESH, { answerDelay: this.random.between(200, 2_500) }, { forMs: ms }),
    restart: async () => {
      if (this.down) return;
      this.down = true;
      await this.world.server.restart().finally(() => (this.down = false));
    },
    kill: async (ms) => {
      if (this.down) return;
      this.down = true;
      await this.world.server.kill();
      await sleep(ms);
      await this.world.server.restart().finally(() => (this.down = false));
    },
  };

  tab = {
    offline: async (page, ms) => {
      await page.offline(true);
      await sleep(ms);
      await page.offline(false);
    },
    freeze: async (page, ms) => {
      await page.freeze();
      await sleep(ms);
      await page.resume();
    },
    SIGSTOP: async (page, ms) => {
      await page.stopRenderer();
      await sleep(ms);
      page.continueRenderer();
    },
    show: (page) => page.front(),
    hide: () => this.world.browser.coverPages(),
    reload: async (page) => {
      await this.collect(page, { all: true });
      // Its files come from the proxy: where that is cut, what is there stays there.
      await until(() => page.reload().then(() => page.evaluate(() => window.app !== undefined)), { what: 'a reload', timeout: 20_000, every: 300 });
      await page.evaluate(callAtRandom);
    },
    crash: async (page, ms, name) => {
      await this.collect(page, { all: true });
      await page.crash();
      this.pages.delete(name);
      await until(() => this.open().then(() => true), { what: 'another tab', timeout: 30_000, every: 500 });
    },
  };

  async fault() {
    const kinds = [...Object.keys(this.network), ...Object.keys(this.tab)];
    const kind = kinds[this.random.below(kinds.length)];
    const ms = this.random.between(200, 9_000);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (this.network[kind]) return this.network[kind](Math.min(ms, 5_000));
    const picked = this.pick();
    if (!picked) return undefined;
    const [name, page] = picked;
    this.busy.add(name);
    await this.tab[kind](page, ms, name);
    this.busy.delete(name);
  }
}

scenario(`a soak of ${LASTS / 60_000} min: eight tabs, and everything goes wrong`, { server, timeout: LASTS + 120_000 }, async (world) => {
  world.t.diagnostic(`FIFTYTEN_SEED=${seed}`);
  console.log(`soak: FIFTYTEN_SEED=${seed}`);
  const soak = new Soak(world, random(seed));
  for (let tab = 0; tab < TABS; tab += 1) await soak.open();

  const from = Date.now();
  const running = new Set();
  const failed = [];
  while (Date.now() - from < LASTS) {
    const one = soak.fault().catch((error) => failed.push(error)).finally(() => running.delete(one));
    running.add(one);
    await sleep(soak.random.between(200, 2_500));
    // The page must not grow without end.
    const [name, page] = soak.pick() ?? [];
    if (page && !failed.length) {
      soak.busy.add(name);
      await soak.collect(page).catch((error) => failed.push(error));
      soak.busy.delete(name);
    }
    if (failed.length) throw failed[0];
  }
  await Promise.all(running);
  if (failed.length) throw failed[0];
  world.proxy.faults.clear();

  // Left alone, everything recovers by itself.
  for (const [tab, page] of soak.pages) {
    await until(async () => (await call(page)).status === 200, { what: `${tab} to recover`, timeout: 20_000, every: 300 });
    assert.equal(await status(page), 'signedin', tab);
  }
  await sleep(LIMIT - 3_000);
  for (const [tab, page] of soak.pages) {
    const pending = (await soak.collect(page)).filter(({ at }) => Date.now() - at > LIMIT);
    assert.deepEqual(pending, [], `${tab}: calls that never settled`);
    const out = (await events(page, 'signedout')).filter(({ reason, session }) => session || reason !== 'no_session');
    assert.deepEqual(out, [], `${tab} was signed out`);
  }
  const refreshes = world.proxy.requests(REFRESH);
  world.t.diagnostic(`faults: ${JSON.stringify(soak.counts)}`);
  world.t.diagnostic(`${soak.calls} calls: ${JSON.stringify(soak.outcomes)}; the slowest took ${soak.slowest} ms`);
  world.t.diagnostic(`${carried(world).length} of them carried a token, stale 0; ${refreshes.length} refreshes by ${new Set(refreshes.map(askedBy)).size} tabs, false sign-outs 0`);
  assertNoneStale(world, 0, { failing: true });
  assert.ok(soak.calls > LASTS / 250, `${soak.calls} calls`);
  const expected = ['200', 'TypeError', 'timeout', 'unavailable', 'network', '502', '503'];
  assert.deepEqual(Object.keys(soak.outcomes).filter((outcome) => !expected.includes(outcome)), []);
});
