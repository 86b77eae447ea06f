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
// Of a fault that lasts.
const LONGEST = 9_000;

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
  // What was injected into the network, by kind.
  injected = {};
  bag = [];
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

  // A fault of the next two refreshes: unlike one that lasts for a while, it is sure to bite.
  refreshes(kind, fault) {
    this.inject(kind, REFRESH, fault, { times: 2, forMs: 12_000 });
  }

  inject(kind, pattern, fault, limits) {
    (this.injected[kind] ??= []).push(this.world.proxy.fault(pattern, fault, limits));
  }

  // How each fault is done; `ms` is how long it lasts, where it does. Those of a tab are done to one at a time.
  network = {
    hang: () => this.refreshes('hang', { hang: true }),
    '5xx': () => this.refreshes('5xx', { status: 500 + this.random.below(5) }),
    429: () => this.refreshes('429', { status: 429, headers: { 'retry-after': '1' } }),
    garbage: () => this.refreshes('garbage', { garbage: true }),
    'cut in the middle': () => this.refreshes('cut in the middle', { cut: 'middle' }),
    slow: () => this.refreshes('slow', { answerDelay: this.random.between(200, 2_500) }),
    'cut before': (ms) => this.inject('cut before', '/*', { cut: 'before' }, { forMs: ms }),
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
      await page.findRenderer();
      await page.evaluate(callAtRandom);
    },
    crash: async (page, ms, name) => {
      await this.collect(page, { all: true });
      await page.crash();
      this.pages.delete(name);
      await until(() => this.open().then(() => true), { what: 'another tab', timeout: 30_000, every: 500 });
    },
  };

  // Every kind comes once before any comes again.
  nextKind() {
    if (this.bag.length === 0) this.bag = [...Object.keys(this.network), ...Object.keys(this.tab)];
    return this.bag.splice(this.random.below(this.bag.length), 1)[0];
  }

  async fault() {
    const kind = this.nextKind();
    const ms = this.random.between(200, LONGEST);
    const network = this.network[kind];
    const [name, page] = (!network && this.pick()) || [];
    if (!network && !page) {
      this.bag.push(kind);
      return undefined;
    }
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (network) return network(Math.min(ms, 5_000));
    this.busy.add(name);
    await this.tab[kind](page, ms, name);
    this.busy.delete(name);
  }

  // How many requests each kind of injected fault has met.
  get hits() {
    const sum = (all) => all.reduce((hits, one) => hits + one.hits, 0);
    return Object.fromEntries(Object.entries(this.injected).map(([kind, all]) => [kind, sum(all)]));
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
  world.t.diagnostic(`faults: ${JSON.stringify(soak.counts)}; requests that met one: ${JSON.stringify(soak.hits)}`);
  world.t.diagnostic(`${soak.calls} calls: ${JSON.stringify(soak.outcomes)}; the slowest took ${soak.slowest} ms`);
  world.t.diagnostic(`${carried(world).length} of them carried a token, stale 0; ${refreshes.length} refreshes by ${new Set(refreshes.map(askedBy)).size} tabs, false sign-outs 0`);
  assertNoneStale(world, 0, { failing: true });
  assert.ok(soak.calls > LASTS / 250, `${soak.calls} calls`);
  // A tab may stand still for as long as that besides.
  assert.ok(soak.slowest <= LIMIT + LONGEST, `a call took ${soak.slowest} ms`);
  const kinds = [...Object.keys(soak.network), ...Object.keys(soak.tab)];
  assert.deepEqual(kinds.filter((kind) => !soak.counts[kind]), [], 'every kind of fault came');
  assert.deepEqual(Object.entries(soak.hits).filter(([, hits]) => hits === 0), [], 'and met a request');
  const expected = ['200', 'TypeError', 'timeout', 'unavailable', 'network', '502', '503'];
  assert.deepEqual(Object.keys(soak.outcomes).filter((outcome) => !expected.includes(outcome)), []);
});
