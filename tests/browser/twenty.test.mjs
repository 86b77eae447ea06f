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
const PLAN = long
  ? [...Object.keys(BLOWS), ...Object.keys(BLOWS)].map((blow) => [10, blow])
  : [[10, 'crashed'], [2, 'stopped'], [2, 'frozen']];

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
    await keepCalling(page, 1_000);
    pages.set(tab, page);
  }
  return pages;
}

scenario('twenty tabs refresh once a cycle, and no call is refused though the one that does it is struck', { server, timeout: long ? 1_500_000 : 320_000 }, async (world) => {
  const { proxy } = world;
  const pages = await openTabs(world);
  // What opening them has cost is another matter.
  await sleep(CYCLE + 2_000);
  const counted = (from, to) => proxy.requests(REFRESH).filter(({ t }) => t >= from && t < to);

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
    world.t.diagnostic(`${struck.length} refreshes in a cycle in which the tab that refreshes is ${what}`);
    timely(struck.length >= 2 && struck.length <= 3, JSON.stringify(struck.map((one) => [one.t - record.t, one.duration, askedBy(one), one.query])));
    // One at a time: where a second tab stands still, the one with the second lock, everybody goes ahead.
    if (BLOWS[what].back) {
      await BLOWS[what].back(page);
      pages.set(tab, page);
    }
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
