// Browsers in which what the tabs coordinate by is missing, or throws: everything is still right, and only
// costs more refreshes.

import assert from 'node:assert/strict';

import { askedBy, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const CYCLE = 8_000;
const CYCLES = 2;
const TABS = 3;
const server = { tokenLifetime: '12s', refreshIn: '8s' };

// What runs in every document of a case before its own scripts; `told`: whether the tabs hear of each other.
const CASES = {
  'everything as it should be': { told: true, spoil: () => {} },
  'no BroadcastChannel': { spoil: () => delete globalThis.BroadcastChannel },
  'a BroadcastChannel that is undefined': { spoil: () => (globalThis.BroadcastChannel = undefined) },
  'a BroadcastChannel whose constructor throws': {
    spoil: () => {
      globalThis.BroadcastChannel = class {
        constructor() {
          throw new DOMException('storage is blocked', 'SecurityError');
        }
      };
    },
  },
  'a BroadcastChannel that cannot be posted to': {
    spoil: () => {
      BroadcastChannel.prototype.postMessage = () => {
        throw new DOMException('closed', 'InvalidStateError');
      };
    },
  },
  'a BroadcastChannel that delivers nothing': { spoil: () => (BroadcastChannel.prototype.postMessage = () => {}) },
  'no Web Locks': { told: true, spoil: () => Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined }) },
  'Web Locks that are null': { told: true, spoil: () => Object.defineProperty(Navigator.prototype, 'locks', { get: () => null }) },
  'Web Locks whose getter throws': {
    told: true,
    spoil: () => {
      Object.defineProperty(Navigator.prototype, 'locks', {
        get: () => {
          throw new DOMException('no', 'SecurityError');
        },
      });
    },
  },
  'Web Locks whose request throws': {
    told: true,
    spoil: () => {
      LockManager.prototype.request = () => {
        throw new DOMException('no', 'SecurityError');
      };
    },
  },
  'Web Locks whose request rejects': {
    told: true,
    spoil: () => (LockManager.prototype.request = async () => Promise.reject(new DOMException('no', 'SecurityError'))),
  },
  'Web Locks whose request is never granted': {
    told: true,
    spoil: () => (LockManager.prototype.request = () => new Promise(() => {})),
  },
};

// Each case in a profile of its own, and all at the same time.
async function openCase(world, name, { spoil }) {
  const context = await world.browser.newContext();
  const pages = [];
  for (let tab = 0; tab < TABS; tab += 1) {
    const page = await world.browser.newPage(undefined, { context });
    await page.runAtStart(spoil);
    const options = { options: { pollWhileHidden: true }, tab: name };
    const place = { newPage: (path) => page.goto(world.proxy.url + path).then(() => page) };
    if (tab === 0) await openSignedIn({ ...world, ...place, server: world.server }, options);
    else await (await openApp(place, options)).until(() => window.app.session.status === 'signedin');
    await keepCalling(page, 1_000);
    pages.push(page);
  }
  return { name, pages };
}

scenario('without channels or locks, or with broken ones, no call is refused, and an end reaches all tabs', { server, timeout: 120_000 }, async (world) => {
  const opened = [];
  for (const [name, one] of Object.entries(CASES)) opened.push(await openCase(world, name, one));
  await sleep(2_000);
  const from = Date.now();
  await sleep(CYCLES * CYCLE);
  const to = Date.now();
  const cost = (name) =>
    world.proxy.requests('/auth/v1/refresh').filter((record) => askedBy(record) === name && record.t >= from && record.t < to).length;

  // An end is told where there is a channel; elsewhere the next refresh brings it.
  const ended = Date.now();
  await Promise.all(opened.map(({ pages }) => pages[0].evaluate(() => window.app.session.signOut())));
  for (const { name, pages } of opened) {
    for (const page of pages) {
      const what = `${name}: to be signed out`;
      await until(async () => (await status(page)) === 'signedout', { what, timeout: CYCLE + 6_000 });
      const [out, ...more] = (await events(page, 'signedout')).filter(({ t }) => t >= ended - 500);
      assert.deepEqual(more, [], name);
      if (CASES[name].told) {
        assert.equal(out.reason, 'signed_out', name);
        timely(out.t - ended < 2_000, `${name}: told after ${out.t - ended} ms`);
      }
    }
    const made = (await Promise.all(pages.map(calls))).flat().filter(({ at, done }) => done && at < ended - 1_000);
    timely(made.length >= TABS * 12, `${name}: ${made.length} calls`);
    assert.deepEqual([...new Set(made.map((one) => one.status ?? one.error))], [200], name);
    const uncaught = pages.flatMap((page) => page.console.filter(({ type }) => type === 'uncaught'));
    assert.deepEqual(uncaught, [], name);
    // One a cycle where all is well; each for itself otherwise, and never more than that.
    const refreshes = cost(name);
    world.t.diagnostic(`${name}: ${refreshes} refreshes in ${CYCLES} cycles of ${TABS} tabs`);
    const most = name === 'everything as it should be' ? CYCLES + 1 : (CYCLES + 1) * TABS;
    timely(refreshes >= 1 && refreshes <= most, `${name}: ${refreshes} refreshes`);
  }
  // A tab that was not told goes on with its token until the next refresh: refused it is not before that.
  const accepted = world.proxy.requests('/api/me').filter(({ t, headers }) => headers.authorization && t < ended);
  assert.ok(accepted.length > 0);
  assertNoneStale(world);
});
