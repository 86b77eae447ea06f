// Hidden tabs under the throttling that users have: some time after a tab was hidden, timers that were armed
// by timers run once a minute only.

import assert from 'node:assert/strict';

import { askedBy, openApp, openSignedIn } from './app.mjs';
import { assertNoneStale, carried } from './tokens.mjs';
import { long, scenario } from './scenario.mjs';
import { sleep, timely, until } from './wait.mjs';

// Chromium as it is: the throttling begins 60 s after a page was hidden that had been loaded by then (and 300 s
// after one that had not; measured in version 156). The long form has the true numbers of the session too.
const GRACE = 60_000;
// What a page may still be about after its load event.
const LOADED = 3_000;
const [server, CYCLE, SLACK, HIDDEN] = long
  ? [{}, 50_000, 10_000, 400_000]
  : [{ tokenLifetime: '12s', refreshIn: '8s' }, 8_000, 4_000, 90_000];

// Timers of the usual two kinds: what throttling does to them is what it must not do to the session.
function startControls() {
  window.ticks = { interval: [], chain: [] };
  setInterval(() => window.ticks.interval.push(Date.now()), 2_000);
  const again = () => {
    window.ticks.chain.push(Date.now());
    setTimeout(again, 2_000);
  };
  again();
}

// Calls the API five times in the very moment in which the tab hears that it is shown.
function callWhenShown() {
  addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') return;
    const one = () => window.app.session.fetch('/api/me', { cache: 'no-store' }).then(({ status }) => status, (error) => error.code);
    const shown = performance.now();
    window.first ??= Promise.all(Array.from({ length: 5 }, one)).then((statuses) => ({ statuses, took: performance.now() - shown }));
  }, true);
}

// Calls the API from a timer of its own, which the throttling makes late, and notes how long each call is held.
function callByTimer() {
  window.held = [];
  setInterval(() => {
    const call = { at: Date.now() };
    window.held.push(call);
    const settled = () => Object.assign(call, { took: Date.now() - call.at });
    window.app.session.fetch('/api/me', { cache: 'no-store' }).then(settled, settled);
  }, 2_000);
}

// What holds a call back lasts so long at the most; and a hidden tab's timers are set to the second.
const LIMIT = 10_000;

const gaps = (times) => times.slice(1).map((t, place) => t - times[place]);

scenario('throttled, a hidden tab keeps its pace if told to, and any other is fresh when it is shown', { server, timeout: HIDDEN + 150_000 }, async (world) => {
  const polling = await openSignedIn(world, { tab: 'polling', options: { pollWhileHidden: true } });
  await sleep(LOADED);
  // In a profile of its own: nobody hands it a token, and its wake takes the lock as any other.
  const context = await world.browser.newContext();
  const own = { ...world, newPage: (path, options) => world.newPage(path, { ...options, context }) };
  const resting = await openSignedIn(own, { tab: 'resting' });
  // The server no longer answers this one.
  const ticking = await openApp(world, { tab: 'ticking', alone: true });
  await ticking.until(() => window.app.session.status === 'signedin');
  world.proxy.fault((record) => record.path === '/auth/v1/refresh' && askedBy(record) === 'ticking', { hang: true });
  await ticking.evaluate(callByTimer);
  await polling.evaluate(startControls);
  await resting.evaluate(callWhenShown);
  await sleep(LOADED);
  await world.browser.newPage(undefined, { context });
  await world.browser.coverPages();
  for (const page of [polling, ticking, resting]) assert.equal(await page.visibility(), 'hidden');
  const hidden = Date.now();
  await sleep(HIDDEN);

  const of = (tab) => world.proxy.requests('/auth/v1/refresh').filter((record) => askedBy(record) === tab && record.t > hidden);
  // The browser was at it: in the same page both controls stood still.
  const { interval, chain } = await polling.evaluate(() => window.ticks);
  for (const [kind, times] of Object.entries({ interval, chain })) {
    const late = times.filter((t) => t > hidden + GRACE + 2_000);
    world.t.diagnostic(`${kind} of 2 s: ${late.length} ticks in ${(HIDDEN - GRACE) / 1_000} s of throttling`);
    timely(late.length <= 2 + (HIDDEN - GRACE) / 60_000, `not throttled: ${kind} ticked ${late.length} times`);
  }
  // The session did not. A hidden tab is later by a fifth of the slack, and by a tenth at random; timers of
  // hidden tabs are aligned to whole seconds.
  const paces = gaps([...of('polling').map(({ t }) => t), Date.now()]);
  world.t.diagnostic(`ms between refreshes while hidden: ${paces.slice(0, -1).join(', ')}`);
  timely(paces.length >= Math.floor((HIDDEN - 12_000) / CYCLE / 1.25), `${paces.length} refreshes`);
  for (const pace of paces) timely(pace <= CYCLE + 0.3 * SLACK + 2_000, `${pace} ms`);
  assert.deepEqual([...new Set(of('polling').map(({ query, status }) => `${query.reason} ${status}`))], ['timer 200']);

  // Nor is a call held for longer than its limit where the timer that made it is throttled.
  const byTimer = () => ticking.evaluate(() => window.held);
  const throttled = async () => (await byTimer()).filter(({ at }) => at > hidden + GRACE + 2_000 && at < Date.now() - LIMIT - 1_500);
  const found = await until(async () => (await throttled()).length > 0 && throttled(), { what: 'a call by a throttled timer', timeout: 75_000 });
  world.t.diagnostic(`calls by a throttled timer, while nothing is answered: held for ${found.map(({ took }) => took).join(', ')} ms`);
  for (const { took } of found) timely(took <= LIMIT + 1_500, `held for ${took} ms`);

  // The other one asked for nothing. Shown, it asks once, and everything it sends comes after the answer.
  assert.deepEqual(of('resting'), []);
  const shown = Date.now();
  await resting.show();
  const { statuses, took } = await resting.evaluate(() => window.first);
  assert.deepEqual(statuses, Array(5).fill(200));
  const [refresh, ...more] = of('resting');
  assert.ok(['wake', 'request'].includes(refresh.query.reason), refresh.query.reason);
  assert.deepEqual(more, [], 'one refresh');
  const calls = carried(world, shown).filter((record) => askedBy(record) === 'resting');
  assert.equal(calls.length, 5);
  const answered = refresh.t + refresh.duration;
  // A round trip for the refresh, another for the calls, and what a busy machine takes for all that.
  timely(took <= refresh.duration + Math.max(...calls.map(({ duration }) => duration)) + 1_000, `${took} ms`);
  world.t.diagnostic(`shown: its calls took ${Math.round(took)} ms; the refresh left after ${refresh.t - shown} ms and took ${refresh.duration}, the calls came ${calls[0].t - answered} ms later`);
  for (const { t, left } of calls) {
    assert.ok(t >= answered, 'a call left before the refresh was answered');
    assert.ok(left > CYCLE, `${left} ms were left of its token`);
  }
  assertNoneStale(world, hidden);
  assert.ok(of('polling').length < 2 * HIDDEN / CYCLE);
});
