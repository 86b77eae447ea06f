// A session that nobody uses ends, however often it is refreshed; one that somebody uses, in any tab, does
// not. The page pays nothing for that while it scrolls.

import assert from 'node:assert/strict';

import { askedBy, events, openApp, openSignedIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';
const IDLE = 12_000;
const server = { tokenLifetime: '5s', refreshIn: '3s', idleLifetime: `${IDLE / 1_000}s` };
const options = { pollWhileHidden: true };

const reported = ({ proxy }, from, active) => proxy.requests(REFRESH).filter(({ t, query }) => t >= from && query.active === active);

scenario('refreshes, scrolling and scripts do not keep a session alive', { server }, async (world) => {
  const hidden = await openSignedIn(world, { tab: 'hidden', options });
  const signedIn = Date.now();
  const shown = await openApp(world, { tab: 'shown', options });
  await shown.until(() => window.app.session.status === 'signedin');
  await shown.evaluate(() => (document.body.style.height = '5000px'));
  // What is not the user: focus, scrolling by script, events made up by script, calls.
  const busy = setInterval(() => {
    shown.evaluate((step) => {
      scrollTo(0, step * 10);
      for (const kind of ['scroll', 'keydown', 'pointerdown', 'visibilitychange']) document.dispatchEvent(new Event(kind));
      window.dispatchEvent(new Event('focus'));
      return window.app.session.fetch('/api/me').then((answer) => answer.status);
    }, Math.floor(Math.random() * 100)).catch(() => {});
  }, 500);
  try {
    const over = async (page) => (await events(page, 'signedout')).find(({ reason }) => reason === 'session_expired');
    await until(() => over(shown), { what: 'the session to expire', timeout: IDLE + 8_000 });
    await until(() => over(hidden), { what: 'the other tab to know', timeout: 3_000 });
    const lasted = (await over(shown)).t - signedIn;
    world.t.diagnostic(`a session of ${IDLE / 1_000} s idle lifetime lasted ${lasted} ms`);
    assert.ok(lasted >= IDLE - 500 && lasted < IDLE + 7_000, `${lasted} ms`);
  } finally {
    clearInterval(busy);
  }
  assert.deepEqual(reported(world, signedIn, '1'), []);
  timely(reported(world, signedIn, '0').length >= 4, 'it was refreshed all the while');
  assertNoneStale(world);
});

scenario('a user in one tab keeps the session alive for all, and is reported once for each refresh', { server, timeout: 90_000 }, async (world) => {
  const used = await openSignedIn(world, { tab: 'used', options });
  const other = await openApp(world, { tab: 'other', options });
  const hidden = await openApp(world, { tab: 'hidden' });
  for (const page of [other, hidden]) await page.until(() => window.app.session.status === 'signedin');
  await used.show();
  const from = Date.now();
  // A key now and then, and nothing for most of the time.
  for (let press = 1; press <= 5; press += 1) {
    await used.press('a');
    await sleep(IDLE / 3);
  }
  assert.ok(Date.now() - from > 1.6 * IDLE);
  for (const page of [used, other]) assert.equal(await status(page), 'signedin');
  const active = reported(world, from, '1');
  const idle = reported(world, from, '0');
  world.t.diagnostic(`${active.length} refreshes with and ${idle.length} without activity, of ${[...new Set(active.map(askedBy))]}`);
  timely(active.length >= 4 && active.length <= 5, `${active.length} of 5 presses`);
  assert.ok(idle.length >= 1, 'and none where there was no press since the last');
  // It has to stop to end.
  await until(async () => (await status(other)) === 'signedout', { what: 'the session to expire', timeout: IDLE + 8_000 });
  assert.equal((await events(other, 'signedout')).at(-1).reason, 'session_expired');
  await hidden.show();
  await until(async () => (await status(hidden)) === 'signedout', { what: 'the hidden tab to know' });
  assertNoneStale(world);
});

scenario('a user who turns to a tab is active, though nothing is pressed there', { server }, async (world) => {
  const page = await openSignedIn(world, { options });
  await page.hide();
  const from = Date.now();
  await until(() => reported(world, from, '0').length >= 1, { what: 'a refresh while it is hidden' });
  await page.show();
  await until(() => reported(world, from, '1').length === 1, { what: 'the refresh after it' });
  const told = Date.now();
  await until(() => reported(world, told, '0').length >= 1, { what: 'the next one' });
  assert.equal(reported(world, from, '1').length, 1);
});

scenario('no listener of the package can hold up scrolling, or keep a page from the cache', { server }, async (world) => {
  const page = await world.newPage();
  await page.runAtStart(() => {
    window.listeners = [];
    const before = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (kind, listener, options) {
      // The page's own and the package's; not those on requests and the like.
      if (this === window || this instanceof Document || this === undefined) {
        const stack = new Error().stack;
        window.listeners.push({ kind, passive: options?.passive, ours: stack.includes('/npm/fiftyten/') });
      }
      return before.call(this, kind, listener, options);
    };
  });
  await page.goto(`${world.proxy.url}/t/session.html`);
  await page.until(() => window.app?.session.status === 'signedout');
  const listeners = (await page.evaluate(() => window.listeners)).filter(({ ours }) => ours).map(({ kind }) => kind);
  assert.ok(listeners.includes('keydown') && listeners.includes('pointerdown'), `the search finds them: ${listeners}`);
  const harmful = /^(touch|wheel|mousewheel|scroll|pointermove|mousemove|pointerrawupdate|unload|beforeunload)/;
  assert.deepEqual(listeners.filter((kind) => harmful.test(kind)), []);
});
