// Clocks that are wrong, that are set while a session lasts, or that stand still.

import assert from 'node:assert/strict';

import { call, callAtOnce, calls, events, keepCalling, openApp, openSignedIn, refreshes, status } from './app.mjs';
import { Chromium } from './chromium.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';
import { WallClock, movable } from './wallclock.mjs';

const server = { tokenLifetime: '7s', refreshIn: '4s' };
const HOUR = 3_600;
const DAY = 24 * HOUR;

const JUMPS = { 'a day forward': DAY, 'a day back': -DAY, 'an hour forward': HOUR, 'an hour back': -HOUR, 'two days back': -2 * DAY, 'two days forward': 2 * DAY };

const fresh = (page) => until(() => page.evaluate(() => window.app.session.refreshIn > 3_000), { what: 'a fresh token', timeout: 15_000, every: 100 });

// Moves the clock while the token is fresh; resolves with the refreshes that this led to. None of them was due.
async function early(world, page, move) {
  await fresh(page);
  const from = Date.now();
  await move();
  await sleep(500);
  assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
  await sleep(1_500);
  return refreshes(world).filter(({ t }) => t >= from);
}

scenario('a clock that is set costs one early refresh at the most, in a page alone', { server, timeout: 90_000 }, async (world) => {
  const page = await openSignedIn(world, { clock: true });
  for (const [what, seconds] of Object.entries(JUMPS)) {
    const made = await early(world, page, () => page.clock.jump(seconds * 1_000));
    world.t.diagnostic(`${what}: ${made.length} early refreshes`);
    assert.ok(made.length <= 1, `${what}: ${JSON.stringify(made)}`);
    assert.deepEqual(made.filter(({ status }) => status !== 200), []);
    // Forward, time may have passed asleep: the token must not be trusted.
    if (seconds > 0) assert.equal(made.length, 1, what);
  }
  assert.equal(assertNoneStale(world), 5 * Object.keys(JUMPS).length);
  assert.equal((await events(page, 'signedout')).length, 1, 'before it signed in');
});

scenario('with a monotonic clock that stands still the session keeps its pace by the other one', { server }, async (world) => {
  const page = await openSignedIn(world, { clock: true });
  await keepCalling(page, 200);
  await fresh(page);
  await page.clock.holdMonotonic(true);
  const from = Date.now();
  await sleep(10_500);
  const made = refreshes(world).filter(({ t }) => t >= from);
  // Due every 4 to 4.3 s, and two seconds' difference between the clocks is taken for a jump once.
  timely(made.length >= 2 && made.length <= 3, JSON.stringify(made));
  await page.clock.holdMonotonic(false);
  await sleep(500);
  const outcomes = (await calls(page)).filter(({ done }) => done).map((call) => call.status ?? call.error);
  timely(outcomes.length > 35);
  assert.deepEqual([...new Set(outcomes)], [200]);
  assertNoneStale(world);
});

// A browser whose clock is the system's, wrong from the start and set again and again.
async function wholeBrowser(world, start, env) {
  const clock = new WallClock(start);
  const browser = await Chromium.launch({ env: { ...clock.env, ...env } });
  const newPage = (path, options) => browser.newPage(path && world.proxy.url + path, options);
  return { clock, browser, world: { proxy: world.proxy, server: world.server, newPage } };
}

// Refreshes that were granted sooner after the last one than any timer asks for: a token is 4 s old when it is
// renewed. A slow machine makes these gaps longer, never shorter.
function tooEarly(world) {
  const granted = refreshes(world).filter(({ reason, status }) => status === 200 && reason !== 'start');
  return granted.filter(({ t }, index) => index > 0 && t - granted[index - 1].t < 3_900);
}

// Waits for `count` further refreshes by timer.
async function byTimer(world, count) {
  const made = () => refreshes(world).filter(({ reason, status }) => reason === 'timer' && status === 200).length;
  const before = made();
  await until(() => made() >= before + count, { what: `${count} refreshes by timer`, timeout: 20_000 });
}

const skip = !movable && 'the clock of a whole browser can be moved on Linux only';

for (const [what, start, jumps] of [
  ['a day fast', DAY, [-DAY, 0, HOUR]],
  ['a day slow', -DAY, [DAY, 0, -HOUR]],
]) {
  scenario(`in a browser whose clock is ${what}, and set while the session lasts, no call is refused`, { server, skip, timeout: 120_000 }, async (world) => {
    const { clock, browser, world: skewed } = await wholeBrowser(world, start);
    try {
      const first = await openSignedIn(skewed, { options: { pollWhileHidden: true } });
      const second = await openApp(skewed);
      await second.until(() => window.app.session.status === 'signedin');
      const off = await second.evaluate(() => Date.now()) - Date.now();
      assert.ok(Math.abs(off - start * 1_000) < 10_000, `the browser's clock is off by ${off} ms`);
      for (const page of [first, second]) await keepCalling(page, 250);
      // Wrong, but steady: nothing is early.
      await byTimer(world, 2);
      timely(tooEarly(world).length === 0, JSON.stringify(tooEarly(world)));
      let early = 0;
      for (const seconds of jumps) {
        await fresh(second);
        clock.set(seconds);
        await sleep(500);
        assert.deepEqual(await callAtOnce(second, 5), Array(5).fill(200));
        // Both have noticed, and go on as ever.
        await byTimer(world, 1);
        const made = tooEarly(world).length - early;
        early += made;
        world.t.diagnostic(`set to ${seconds / HOUR} h: ${made} early refreshes in two tabs`);
      }
      // At the most one for each time that the clock was set, not one in each tab; and one more where a token
      // that was handed over came a moment after the lock, which is thrift and not safety.
      timely(early <= jumps.length + 1, JSON.stringify(tooEarly(world)));
      for (const page of [first, second]) {
        const outcomes = (await calls(page)).filter(({ done }) => done).map((call) => call.status ?? call.error);
        timely(outcomes.length > 15, `${outcomes.length} calls`);
        assert.deepEqual([...new Set(outcomes)], [200]);
        assert.equal(await status(page), 'signedin');
      }
      assertNoneStale(world);
    } finally {
      await browser.close();
    }
  });
}

// What one tab told another while it stood still, and before the clock was set back, is older than it seems.
scenario('a token that waited for a tab that stood still is not taken for younger where the clock was set back', { server: { tokenLifetime: '12s', refreshIn: '8s' }, skip, timeout: 90_000 }, async (world) => {
  const { clock, browser, world: there } = await wholeBrowser(world, 0);
  try {
    const first = await openSignedIn(there, { tab: 'first', options: { pollWhileHidden: true } });
    const second = await openApp(there, { tab: 'second', noteMade: true });
    await second.until(() => window.app.session.refreshIn > 7_000);
    await second.findRenderer();
    await second.stopRenderer();
    // The second tab's token has most of its life before it, and the first one has a newer.
    world.proxy.fault('/api/me', { status: 401 }, { times: 1 });
    assert.equal((await call(first)).status, 200);
    assert.deepEqual(refreshes(world).at(-1).reason, 'rejected');
    await sleep(6_500);
    await first.close();
    clock.set(-6);
    const from = Date.now();
    second.continueRenderer();
    await keepCalling(second, 100);
    // Past the end of every token there was, and of what they seemed to have.
    await sleep(13_000);
    const outcomes = (await calls(second)).filter(({ done }) => done).map((call) => call.status ?? call.error);
    timely(outcomes.length > 50, `${outcomes.length} calls`);
    assert.deepEqual([...new Set(outcomes)], [200]);
    assertNoneStale(world, from);
  } finally {
    await browser.close();
  }
});

// By the clock on the wall an hour is left out, or comes twice.
for (const [what, change, offsets] of [
  ['begins', Date.UTC(2027, 2, 28, 1), [-60, -120]],
  ['ends', Date.UTC(2027, 9, 31, 1), [-120, -60]],
]) {
  scenario(`summer time ${what} while a session lasts, and nothing comes of it`, { server, skip }, async (world) => {
    const start = Math.round((change - Date.now()) / 1_000) - 20;
    const { browser, world: there } = await wholeBrowser(world, start, { TZ: 'Europe/Berlin' });
    try {
      const page = await openSignedIn(there);
      await keepCalling(page, 250);
      const offset = () => page.evaluate(() => new Date().getTimezoneOffset());
      assert.equal(await offset(), offsets[0]);
      await byTimer(world, 1);
      await until(async () => (await offset()) === offsets[1], { what: 'the change', timeout: 40_000 });
      await byTimer(world, 2);
      const made = refreshes(world).filter(({ status }) => status === 200).map(({ reason }) => reason);
      assert.deepEqual([...new Set(made)], ['timer']);
      timely(tooEarly(world).length === 0, JSON.stringify(tooEarly(world)));
      const outcomes = (await calls(page)).filter(({ done }) => done).map((call) => call.status ?? call.error);
      assert.deepEqual([...new Set(outcomes)], [200]);
      assertNoneStale(world);
    } finally {
      await browser.close();
    }
  });
}
