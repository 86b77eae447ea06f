// A session from its start to its end.

import assert from 'node:assert/strict';

import { call, callAtOnce, calls, endElsewhere, events, keepCalling, openApp, openSignedIn, refreshes, status } from '../app.mjs';
import { assertNoneStale } from '../tokens.mjs';
import { sleep, timely, until } from '../wait.mjs';
import { assertRefreshFirst, OVERDUE } from './token.mjs';

// The reasons of the app's events of one kind.
const kinds = async (page, kind) => (await events(page, kind)).map(({ reason }) => reason);

export const session = [
  {
    name: 'a page without a session is signed out after one question',
    async body(world) {
      const page = await openApp(world);
      await page.evaluate(() => window.app.session.ready);
      assert.equal(await status(page), 'signedout');
      assert.deepEqual(await kinds(page, 'signedout'), ['no_session']);
      assert.equal((await call(page)).status, 401);
      assert.equal(world.proxy.requests('/api/me').at(-1).headers.authorization, undefined);
      assert.deepEqual(refreshes(world).map(({ reason, status }) => [reason, status]), [['start', 401]]);
    },
  },
  {
    name: 'signing in gives a session, and calls carry its token',
    async body(world) {
      const page = await openSignedIn(world);
      const { id, user, name } = await page.evaluate(() => {
        const { id, user, claims } = window.app.session;
        return { id, user, name: claims.name };
      });
      assert.ok(id && user);
      assert.equal(name, 'Demo Clerk');
      assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
      assert.equal(assertNoneStale(world), 5);
      assert.deepEqual(await page.evaluate(() => window.app.events.map(({ kind }) => kind)), ['signedout', 'signedin']);
    },
  },
  {
    name: 'a page with the cookie alone is signed in by one refresh, for which its first calls wait',
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      const id = await page.evaluate(() => window.app.session.id);
      const before = refreshes(world).length;
      proxy.fault('/auth/v1/refresh', { answerDelay: 700 }, { times: 1 });
      await page.reload();
      assert.deepEqual(await callAtOnce(page, 10), Array(10).fill(200));
      assert.equal(await page.evaluate(() => window.app.session.id), id, 'the same session');
      assert.deepEqual(refreshes(world).slice(before).map(({ reason }) => reason), ['start']);
      assert.equal(assertRefreshFirst(world, proxy.requests('/auth/v1/refresh').at(-1)), 10);
    },
  },
  {
    name: 'the token is renewed on time, and continuous calls are never refused',
    async body(world) {
      const page = await openSignedIn(world);
      await keepCalling(page, 100);
      const timed = () => refreshes(world).filter(({ reason, status }) => reason === 'timer' && status === 200);
      await until(() => timed().length >= 3, { what: 'three refreshes', timeout: 40_000 });
      const made = (await calls(page)).filter(({ done }) => done);
      timely(made.length > 50, `${made.length} calls`);
      assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
      assert.ok(assertNoneStale(world) > 50);
      // One a cycle and no more: a busy machine may make them late, never early.
      const times = timed().map(({ t }) => t);
      for (const [place, t] of times.slice(1).entries()) assert.ok(t - times[place] >= 2_900, `${t - times[place]} ms`);
      assert.deepEqual([...new Set(refreshes(world).map(({ reason }) => reason))], ['start', 'timer']);
      assert.deepEqual(await events(page, 'degraded'), []);
    },
  },
  {
    name: 'no network and no 5xx signs a user out, and the page recovers by itself',
    server: {},
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world, { clock: true });
      for (const [what, fault] of [
        ['a connection that is cut', { cut: 'before' }],
        ['an answer that is cut', { cut: 'middle' }],
        ['503 and nonsense', { status: 503, body: '<!doctype html>' }],
        ['500 that says session_revoked', { status: 500, body: { code: 'session_revoked' } }],
        ['a 200 that is nonsense', { garbage: true }],
      ]) {
        const from = await page.evaluate(() => window.app.events.length);
        const injected = proxy.fault('/auth/v1/refresh', fault);
        await page.clock.sleep(OVERDUE);
        assert.equal((await call(page)).status, 200, `${what}: the token has time left`);
        await until(() => injected.hits >= 2, { what: `two refreshes that fail: ${what}`, timeout: 15_000 });
        assert.equal(await status(page), 'signedin', what);
        injected.remove();
        const seen = () => page.evaluate((from) => window.app.events.slice(from).map(({ kind }) => kind), from);
        await until(async () => (await seen()).includes('recovered'), { what: `recovery from ${what}`, timeout: 15_000 });
        assert.ok((await seen()).includes('degraded'), what);
      }
      assert.deepEqual(await kinds(page, 'signedout'), ['no_session'], 'only before it signed in');
      assert.equal(assertNoneStale(world), 5);
    },
  },
  {
    name: 'a session ended elsewhere is signed out once as session_revoked, and asks no more',
    server: {},
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      await endElsewhere(world, page);
      await page.clock.sleep(OVERDUE);
      await call(page);
      await until(async () => (await status(page)) === 'signedout', { what: 'the page to be signed out' });
      assert.deepEqual(await kinds(page, 'signedout'), ['no_session', 'session_revoked']);
      const before = refreshes(world).length;
      for (let time = 0; time < 3; time += 1) {
        await page.clock.sleep(OVERDUE);
        assert.equal((await call(page)).status, 401);
        assert.equal(world.proxy.requests('/api/me').at(-1).headers.authorization, undefined);
        await sleep(500);
      }
      assert.equal(refreshes(world).length, before);
    },
  },
  {
    name: 'signing out ends the session at the server, and here at once',
    async body(world) {
      const page = await openSignedIn(world);
      world.proxy.fault('/auth/v1/session', { answerDelay: 500 }, { times: 1 });
      const meanwhile = await page.evaluate(async () => {
        const { session } = window.app;
        const done = session.signOut();
        const seen = [session.status, await session.getToken().catch(({ code }) => code)];
        await done;
        return seen;
      });
      assert.deepEqual(meanwhile, ['signedout', 'signed_out']);
      assert.deepEqual(world.proxy.requests('/auth/v1/session', 'DELETE').map(({ status }) => status), [204]);
      assert.deepEqual(await kinds(page, 'signedout'), ['no_session', 'signed_out']);
      await page.reload();
      await page.evaluate(() => window.app.session.ready);
      assert.deepEqual(await kinds(page, 'signedout'), ['no_session'], 'the cookie is of no use any more');
    },
  },
];
