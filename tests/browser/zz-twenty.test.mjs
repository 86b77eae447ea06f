// Twenty tabs of one browser: one refresh a cycle, and hardly more where the tab that makes it is killed or
// stands still.

import assert from 'node:assert/strict';

import { askedBy, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { long, scenario } from './scenario.mjs';
import { BLOWS, REFRESH, strike } from './strike.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const TABS = 20;
const CYCLE = 8_000;
const server = { tokenLifetime: '12s', refreshIn: '8s' };

// So many cycles without a fault, then one in which the tab that refreshes is struck.
const PLAN = [[40, 'taken off the network'], [8, 'taken off the network'], [8, 'taken off the network'], [8, 'taken off the network']];

// At most 1.1 a cycle; a window of so few cycles may hold one refresh more than there are cycles in it.
const most = (cycles) => (cycles < 10 ? cycles + 1 : Math.floor(cycles * 1.1));

async function openTabs(world) {
  const pages = new Map();
  for (let place = 1; place <= TABS; place += 1) {
    const tab = `tab ${place}`;
    const options = { tab, noteMade: true, options: { pollWhileHidden: true } };
    const page = place === 1 ? await openSignedIn(world, options) : await openApp(world, options);
    await page.until(() => window.app.session.status === 'signedin');
    await page.findRenderer();
    await page.evaluate(() => {
      window.trace = [];
      const log = (...what) => window.trace.push([Date.now(), ...what]);
      const request = LockManager.prototype.request;
      LockManager.prototype.request = function (name, options, granted) {
        const short = name.slice(-12);
        log('ask', short);
        options.signal.addEventListener('abort', () => log('end', short));
        return request.call(this, name, options, (lock) => { log('granted', short); return granted(lock); }).then((v) => { log('released', short); return v; }, (e) => { log('failed', short, e.name); throw e; });
      };
      const post = BroadcastChannel.prototype.postMessage;
      BroadcastChannel.prototype.postMessage = function (m) { log('post', this.name.slice(-12), m?.token ? 'token' : m === null ? 'echo' : 'other'); return post.call(this, m); };
      const f = globalThis.fetch;
      globalThis.fetch = function (...a) { const u = String(a[0]?.url ?? a[0]); if (u.includes('refresh')) log('fetch', u.slice(-24)); return f.apply(this, a); };
    });
    await keepCalling(page, 1_000);
    pages.set(tab, page);
  }
  return pages;
}

scenario('twenty tabs refresh once a cycle, and no call is refused though the one that does it is struck', { server, timeout: 900_000 }, async (world) => {
  const { proxy } = world;
  const pages = await openTabs(world);
  await world.newPage('/t/plain.html');
  // What opening them has cost is another matter.
  await sleep(CYCLE + 2_000);
  const counted = (from, to) => proxy.requests(REFRESH).filter(({ t }) => t >= from && t < to);
  const back = [];

  for (const [cycles, what] of PLAN) {
    const from = Date.now();
    await sleep(cycles * CYCLE);
    const quiet = counted(from, Date.now());
    world.t.diagnostic(`${quiet.length} refreshes in ${cycles} cycles of ${pages.size} tabs`);
    timely(quiet.length <= most(cycles), JSON.stringify(quiet.map((one) => [one.t - from, one.duration, askedBy(one), one.query])));

    const { tab, page, record } = await strike(world, pages, BLOWS[what]);
    pages.delete(tab);
    await sleep(CYCLE - 500);
    const struck = counted(record.t, record.t + CYCLE - 500);
    console.log(JSON.stringify(struck.map((one) => [one.t - record.t, one.duration, askedBy(one), one.query.reason])));
    if (struck.length > 3) {
      const all = [];
      for (const [name, p] of pages) for (const [t, ...rest] of await p.evaluate(() => window.trace)) if (t > record.t - 3000 && t < record.t + 2600) all.push([t - record.t, name, ...rest]);
      for (const one of all.sort((a, b) => a[0] - b[0])) console.log(one.join(' '));
    }
    world.t.diagnostic(`${struck.length} refreshes in a cycle in which the tab that refreshes is ${what}`);
    timely(struck.length >= 2, JSON.stringify(struck.map((one) => [one.t - record.t, one.duration, askedBy(one), one.query])));
    await BLOWS[what].back(page); pages.set(tab, page);
  }

  for (const [tab, page, bringBack] of back) {
    await bringBack(page);
    pages.set(tab, page);
  }
  for (const [tab, page] of pages) {
    await until(() => page.evaluate(() => window.app.session.expiresIn > 0), { what: `${tab} to be fresh`, timeout: CYCLE });
    const made = (await calls(page)).filter(({ done }) => done);
    timely(made.length > 20, `${tab}: ${made.length} calls`);
    assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200], tab);
    assert.equal(await status(page), 'signedin');
  }
  assertNoneStale(world);

  const [[, one]] = pages;
  const done = await one.evaluate(async () => {
    await window.app.session.signOut();
    return Date.now();
  });
  for (const [tab, page] of pages) {
    await until(async () => (await status(page)) === 'signedout', { what: `${tab} to be signed out`, timeout: 3_000 });
    const out = (await events(page, 'signedout')).at(-1);
    assert.equal(out.reason, 'signed_out');
    timely(out.t - done < 1_000, `${tab}: ${out.t - done} ms`);
  }
});
