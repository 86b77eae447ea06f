// What befalls a page: hidden, kept in history, off the network, frozen, in a worker.

import assert from 'node:assert/strict';

import { call, callAtOnce, events, openApp, openSignedIn, refreshes, status } from '../app.mjs';
import { assertNoneStale } from '../tokens.mjs';
import { sleep, until } from '../wait.mjs';
import { CYCLE, DEAD, OVERDUE } from './token.mjs';

// Calls the API five times in the very moment in which the page hears of an event, and tells what became of
// it. In the window's capturing phase, which comes before any listener of the document.
async function callUpon(page, kind) {
  await page.evaluate((kind) => {
    window.first = new Promise((resolve) => {
      const listener = () => {
        if (kind === 'visibilitychange' && document.visibilityState === 'hidden') return;
        removeEventListener(kind, listener, true);
        const one = () => window.app.session.fetch('/api/me', { cache: 'no-store' }).then(({ status }) => status, (error) => error.code);
        resolve(Promise.all(Array.from({ length: 5 }, one)));
      };
      addEventListener(kind, listener, true);
    });
  }, kind);
  return () => page.evaluate(() => window.first);
}

// Whether the page was kept in the back/forward cache; with the error of `meanwhile`, if it had one.
async function whetherKept(page, url, meanwhile) {
  let failed;
  const noting = () => meanwhile().catch((error) => (failed = error));
  const kept = await page.throughHistory(url, noting).then(() => true, (error) => {
    if (!/not kept/.test(error.message)) throw error;
    return false;
  });
  if (failed) throw failed;
  return kept;
}

// Firefox keeps no page that waits for a lock, even if it stops waiting when it is left: what can't be had by
// hand is not the session's fault.
async function assertNoPageIsKept(world, name, url) {
  const page = await world.newPage('/t/plain.html');
  await page.evaluate((name) => {
    const controller = new AbortController();
    navigator.locks.request(name, { signal: controller.signal }, () => {}).catch(() => {});
    addEventListener('pagehide', () => controller.abort());
  }, name);
  await until(() => page.evaluate(async () => (await navigator.locks.query()).pending.length > 0), { what: 'it to wait' });
  assert.equal(await whetherKept(page, url, async () => {}), false, 'a page that does the same by hand is kept');
  world.t.diagnostic('no page that waits for a lock is kept');
}

export const lifecycle = [
  {
    name: 'a hidden tab asks for nothing until it is shown, and is fresh after one round trip',
    needs: ['hide', 'show'],
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      await page.hide();
      const hidden = refreshes(world).length;
      await sleep(CYCLE + 1_500);
      assert.equal(refreshes(world).length, hidden, 'no refresh while it is hidden');
      await page.clock.sleep(DEAD);
      const shown = Date.now();
      const outcomes = await callUpon(page, 'visibilitychange');
      await page.show();
      assert.deepEqual(await outcomes(), Array(5).fill(200));
      const [first, ...more] = refreshes(world).slice(hidden);
      assert.ok(['wake', 'request'].includes(first.reason), first.reason);
      assert.deepEqual(more.filter(({ reason }) => reason !== 'timer'), []);
      assert.equal(assertNoneStale(world, shown), 5);
    },
  },
  {
    name: 'a tab that is shown refreshes by itself, before anybody asks',
    needs: ['hide', 'show'],
    // With the true numbers: nothing is due by a timer, and the clock is looked at every 15 s.
    server: {},
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      await page.hide();
      await page.clock.sleep(OVERDUE);
      const before = refreshes(world).length;
      await page.show();
      await until(() => refreshes(world).length > before, { what: 'a refresh' });
      assert.deepEqual(refreshes(world).slice(before).map(({ reason }) => reason), ['wake']);
    },
  },
  {
    name: 'a hidden tab that was told to go on does so, and its calls are never refused',
    needs: ['hide'],
    async body(world) {
      const page = await openSignedIn(world, { options: { pollWhileHidden: true } });
      await page.hide();
      const hidden = Date.now();
      const timed = () => refreshes(world).filter(({ t, reason }) => t > hidden && reason === 'timer').length;
      await until(() => timed() >= 2, { what: 'two refreshes while it is hidden', timeout: 30_000 });
      assert.equal(await page.visibility(), 'hidden');
      assert.equal((await call(page)).status, 200);
      assert.deepEqual(await events(page, 'degraded'), []);
    },
  },
  {
    name: 'a page comes back from the back/forward cache, and is fresh at its first call',
    needs: ['throughHistory'],
    async body(world) {
      const page = await openSignedIn(world);
      for (const away of [0, DEAD]) {
        const outcomes = await callUpon(page, 'pageshow');
        await page.throughHistory(`${world.proxy.url}/t/away.html`, () => sleep(away));
        assert.deepEqual(await outcomes(), Array(5).fill(200));
      }
      assert.equal(assertNoneStale(world), 10);
      assert.equal(await status(page), 'signedin');
    },
  },
  {
    name: 'a page is kept in the back/forward cache while other tabs refresh, and hears of their sign-out',
    needs: ['throughHistory'],
    async body(world) {
      const options = { pollWhileHidden: true };
      const page = await openSignedIn(world, { options });
      const other = await openApp(world, { options });
      await other.until(() => window.app.session.status === 'signedin');
      const refreshed = async () => (await events(other, 'refreshed')).length;
      await page.throughHistory(`${world.proxy.url}/t/away.html`, async () => {
        const before = await refreshed();
        await until(async () => (await refreshed()) >= before + 2, { what: 'two refreshes of the other', timeout: 20_000 });
      });
      assert.deepEqual(await callAtOnce(page, 3), [200, 200, 200]);
      await page.throughHistory(`${world.proxy.url}/t/away.html`, () => other.evaluate(() => window.app.session.signOut()));
      await until(async () => (await status(page)) === 'signedout', { what: 'the page to be signed out' });
      assert.deepEqual(page.console.filter(({ type }) => type === 'uncaught'), []);
    },
  },
  {
    name: 'a page that is left while it waits for the lock takes no wish along, and is fresh when it is back',
    needs: ['throughHistory'],
    server: {},
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world, { clock: true, options: { pollWhileHidden: true } });
      const other = await world.newPage('/t/plain.html');
      const locks = () => navigator.locks.query().then(({ held, pending }) => [held, pending].map((all) => all.map(({ name }) => name)));
      const refresh = async () => {
        await page.clock.sleep(OVERDUE);
        assert.equal((await call(page)).status, 200);
      };
      // A refresh shows by which name the tabs lock; then the other takes it, and keeps it.
      proxy.fault('/auth/v1/refresh', { answerDelay: 1_000 }, { times: 1 });
      await refresh();
      const [[name]] = await until(async () => {
        const all = await other.evaluate(locks);
        return all[0].length > 0 && all;
      }, { what: 'the lock to be held' });
      await other.evaluate((name) => void navigator.locks.request(name, () => new Promise(() => {})), name);
      await until(async () => (await other.evaluate(locks))[1].length === 0, { what: 'the lock to be the other tab\'s' });

      const before = refreshes(world).length;
      await refresh();
      await until(async () => (await other.evaluate(locks))[1].length === 1, { what: 'the page to wait for it', timeout: 2_500, every: 10 });
      const away = `${proxy.url}/t/away.html`;
      const kept = await whetherKept(page, away, async () => {
        assert.deepEqual(await other.evaluate(locks), [[name], []], 'nobody waits any more');
      });
      if (!kept) await assertNoPageIsKept(world, name, away);
      await page.until(() => window.app !== undefined);
      assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
      await until(() => refreshes(world).length > before, { what: 'a refresh without the lock' });
      assert.equal(await status(page), 'signedin');
      assert.deepEqual((await events(page, 'degraded')), []);
      assert.deepEqual(page.console.filter(({ type }) => type === 'uncaught'), []);
      assertNoneStale(world);
    },
  },
  {
    name: 'a page that is left in the midst of a refresh is fresh when it is back',
    needs: ['throughHistory'],
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world, { clock: true });
      const before = refreshes(world).length;
      proxy.fault('/auth/v1/refresh', { answerDelay: 1_000 }, { times: 1 });
      await page.clock.sleep(CYCLE + 500);
      await call(page);
      await until(() => refreshes(world).length > before, { what: 'a refresh on its way' });
      // Firefox keeps no page with a request on its way.
      const kept = await whetherKept(page, `${proxy.url}/t/away.html`, () => sleep(DEAD - CYCLE));
      world.t.diagnostic(kept ? 'restored' : 'loaded anew');
      assert.equal(kept, world.browser.name !== 'firefox');
      await page.until(() => window.app !== undefined);
      const back = Date.now();
      assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
      assert.equal(assertNoneStale(world, back), 5);
      assert.equal(await status(page), 'signedin');
    },
  },
  {
    name: 'a page that was offline refreshes as soon as it is online',
    needs: ['offline'],
    // With the true numbers, so that the one cause left is the event.
    server: {},
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      await page.offline(true);
      const before = refreshes(world).length;
      await page.clock.sleep(120_000);
      await page.offline(false);
      await until(() => refreshes(world).length > before, { what: 'a refresh' });
      assert.deepEqual(refreshes(world).slice(before).map(({ reason }) => reason), ['wake']);
      assert.equal((await call(page)).status, 200);
    },
  },
  {
    name: 'a page without a network keeps its user, and a held call gets through when it is back',
    server: {},
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world, { clock: true });
      const cut = proxy.fault('/*', { cut: 'before' });
      await page.clock.sleep(120_000);
      const held = callAtOnce(page, 5);
      const degraded = async () => (await events(page, 'degraded')).map(({ failure }) => failure);
      await until(async () => (await degraded()).length > 0, { what: 'a refresh that fails' });
      assert.deepEqual(await degraded(), ['network']);
      assert.equal(await status(page), 'signedin');
      await sleep(1_000);
      cut.remove();
      assert.deepEqual(await held, Array(5).fill(200));
      await until(async () => (await events(page, 'recovered')).length === 1, { what: 'recovery' });
      assert.equal(assertNoneStale(world), 5);
      assert.deepEqual((await events(page, 'signedout')).map(({ reason }) => reason), ['no_session']);
    },
  },
  {
    name: 'a frozen page does nothing, and is fresh at its first call when it is resumed',
    needs: ['freeze'],
    async body(world) {
      const page = await openSignedIn(world);
      const outcomes = await callUpon(page, 'resume');
      await page.freeze();
      const frozen = refreshes(world).length;
      await sleep(DEAD);
      assert.equal(refreshes(world).length, frozen, 'no refresh while it is frozen');
      await page.resume();
      assert.deepEqual(await outcomes(), Array(5).fill(200));
      assert.equal(assertNoneStale(world), 5);
      assert.equal(await status(page), 'signedin');
    },
  },
  // Nothing tells a page that its process stood still: it finds out by itself, at its first call.
  {
    name: 'a page whose process stood still for longer than a token lives sends no stale one',
    needs: ['stopRenderer'],
    async body(world) {
      const page = await openSignedIn(world);
      // Calls at the moment at which it goes on, and at no other.
      await page.evaluate((dead) => {
        window.made = [];
        let last = Date.now();
        setInterval(() => {
          const stood = Date.now() - last;
          last = Date.now();
          if (stood < dead) return;
          const one = () => window.app.session.fetch('/api/me', { cache: 'no-store' }).then(({ status }) => status, (error) => error.code);
          for (let count = 0; count < 20; count += 1) window.made.push(one());
        }, 20);
      }, DEAD - 500);
      for (const stop of [1, 2]) {
        const before = refreshes(world).length;
        await page.stopRenderer();
        await sleep(DEAD);
        page.continueRenderer();
        await page.until((count) => window.made.length === count, { values: [20 * stop] });
        assert.deepEqual(await page.evaluate(async () => [...new Set(await Promise.all(window.made))]), [200]);
        assert.ok(refreshes(world).length > before);
      }
      assert.equal(assertNoneStale(world), 40);
      assert.equal(await status(page), 'signedin');
    },
  },
  {
    name: 'a session lives in a dedicated worker',
    async body(world) {
      const { proxy, server } = world;
      const page = await world.newPage('/t/worker.html');
      const ask = (question) => page.evaluate((question) => window.ask(question), question);
      await ask({ call: 'ready' });
      assert.equal((await ask({ call: 'look' })).status, 'signedout');
      assert.equal((await ask({ call: 'signIn', email: server.email, password: server.password })) ?? undefined, undefined);
      assert.equal((await ask({ call: 'look' })).status, 'signedin');
      assert.equal(await ask({ call: 'fetch', path: '/api/me' }), 200);
      assert.equal(`Bearer ${await ask({ call: 'getToken' })}`, proxy.requests('/api/me').at(-1).headers.authorization);
      const timed = () => refreshes(world).filter(({ reason, status }) => reason === 'timer' && status === 200).length;
      await until(() => timed() >= 2, { what: 'two refreshes by itself', timeout: 20_000 });
      assert.equal(await ask({ call: 'fetch', path: '/api/me' }), 200);
      assert.equal(assertNoneStale(world), 2);
      assert.equal((await ask({ call: 'signOut' })) ?? undefined, undefined);
      assert.equal((await ask({ call: 'getToken' })).error, 'signed_out');
      assert.equal((await page.evaluate(() => window.failed)) ?? undefined, undefined);
    },
  },
];
