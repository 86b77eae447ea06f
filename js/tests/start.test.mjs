import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clock, gate, json, never, open, openDocument, outcome, problem, settle, signedIn, signedOut } from './world.mjs';

test('a page with a session is signed in by the first answer', async (t) => {
  const { session, server, events } = await open(t);
  assert.equal(session.status, 'loading');
  assert.deepEqual([session.user, session.id, session.claims, session.expiresIn], [undefined, undefined, undefined, undefined]);
  assert.equal(await clock.within(session.ready), undefined);
  assert.equal(session.status, 'signedin');
  assert.equal(session.user, 'ada');
  assert.equal(session.id, 's1');
  assert.deepEqual(session.claims.roles, ['admin']);
  assert.equal(session.expiresIn, 60_000);
  assert.deepEqual(server.reasons, ['start']);
  assert.deepEqual(
    events.map(({ name }) => name).sort(),
    ['refreshed', 'signedin'],
  );
  assert.deepEqual(events.find(({ name }) => name === 'signedin'), { name: 'signedin', user: 'ada', session: 's1' });
});

test('a page without a session is signed out by the first answer', async (t) => {
  const { session, events } = await signedOut(t);
  assert.equal(session.user, undefined);
  assert.deepEqual(events, [{ name: 'signedout', reason: 'no_session' }]);
  assert.deepEqual(clock.armed, []);
});

test('the refresh is a POST with the header, the cookie and nothing cached', async (t) => {
  const { server } = await signedIn(t);
  const [{ method, headers, path, body, request, args }] = server.refreshes;
  assert.equal(method, 'POST');
  assert.equal(path, '/auth/v1/refresh?reason=start&active=0');
  assert.equal(headers.get('x-fiftyten'), '1');
  assert.equal(headers.get('authorization'), null);
  assert.equal(body, undefined);
  assert.equal(request.credentials, 'include');
  assert.equal(request.cache, 'no-store');
  assert.equal(request.redirect, 'error');
  assert.ok(args[1].signal instanceof AbortSignal);
});

test('ready comes after four seconds without an answer', async (t) => {
  const { session, server } = await open(t, {}, (server) => (server.refresh = never));
  await settle();
  await clock.pass(3_999);
  assert.equal(await outcome(session.ready), 'pending');
  await clock.pass(1);
  assert.deepEqual(await outcome(session.ready), { value: undefined });
  assert.equal(session.status, 'loading');
  server.refresh = () => server.grant();
  await clock.pass(5_000);
  assert.equal(session.status, 'signedin');
});

test('ready waits as long as `readyLimit` says', async (t) => {
  const { session } = await open(t, { readyLimit: 250 }, (server) => (server.refresh = never));
  await settle();
  await clock.pass(249);
  assert.equal(await outcome(session.ready), 'pending');
  await clock.pass(1);
  assert.deepEqual(await outcome(session.ready), { value: undefined });
});

test('whatever goes wrong at the start, ready does not reject and nobody is signed out', async (t) => {
  const answers = {
    'no connection': () => Promise.reject(new TypeError('Failed to fetch')),
    'a hang': never,
    'an empty 200': () => new Response(''),
    'a garbage 200': () => new Response('<!doctype html>'),
    'a 200 of another shape': () => json(200, { token: 5 }),
    'a 200 with a token that cannot be a header': () =>
      json(200, { token: 'a b', expires_in_ms: 60_000, refresh_in_ms: 50_000, session: { id: 's', user: 'u' } }),
    'a 200 with times that make no sense': () =>
      json(200, { token: 'a', expires_in_ms: -1, refresh_in_ms: 50_000, session: { id: 's', user: 'u' } }),
    'a 200 with a huge token': () =>
      json(200, { token: 'a'.repeat(1_000_000), expires_in_ms: 60_000, refresh_in_ms: 50_000, session: { id: 's', user: 'u' } }),
    'a 200 of null': () => json(200, null),
    'a 401 without a code': () => new Response('', { status: 401 }),
    'a 401 with a foreign code': () => problem(401, 'invalid_token'),
    'a body that breaks off': () =>
      new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError('broken')) })),
  };
  for (const status of [400, 403, 404, 407, 408, 425, 429, 500, 502, 503, 504]) {
    answers[`a ${status}`] = () => new Response('<h1>no</h1>', { status });
    answers[`a ${status} that claims the session has ended`] = () => problem(status, 'session_revoked');
  }
  for (const [what, answer] of Object.entries(answers)) {
    const { session, events } = await open(t, {}, (server) => (server.refresh = answer));
    await settle();
    await clock.pass(4_000);
    assert.deepEqual(await outcome(session.ready), { value: undefined }, what);
    assert.equal(session.status, 'loading', what);
    assert.deepEqual(new Set(events.map(({ name }) => name)), new Set(['degraded']), what);
    session.close();
  }
});

test('a start that fails recovers by itself and says so', async (t) => {
  let failures = 0;
  const { session, events } = await open(t, {}, (server) => {
    server.refresh = () => ((failures += 1) <= 2 ? Promise.reject(new TypeError('offline')) : server.grant());
  });
  await settle();
  await clock.pass(2_000);
  assert.equal(session.status, 'signedin');
  assert.deepEqual(
    events.filter(({ name }) => name === 'degraded' || name === 'recovered'),
    [
      { name: 'degraded', reason: 'start', failure: 'network' },
      { name: 'recovered', failures: 2 },
    ],
  );
});

test('the token is renewed every fifty seconds, and the events say why and how fast', async (t) => {
  const { session, server, events } = await signedIn(t);
  await clock.pass(51_001);
  assert.deepEqual(server.reasons, ['start', 'timer']);
  const [, renewed] = events.filter(({ name }) => name === 'refreshed');
  assert.deepEqual(renewed, { name: 'refreshed', reason: 'timer', took: 0, expiresIn: 60_000 });
  await clock.pass(10 * 51_000);
  assert.equal(session.status, 'signedin');
  assert.ok(server.refreshes.length >= 10 && server.refreshes.length <= 13, `${server.refreshes.length}`);
});

test('a revoked session is signed out with the reason', async (t) => {
  const { session, server, events } = await signedIn(t);
  server.refresh = () => problem(401, 'session_revoked', { session: 's1' });
  await clock.pass(51_001);
  assert.equal(session.status, 'signedout');
  assert.deepEqual([session.user, session.id, session.claims, session.expiresIn], [undefined, undefined, undefined, undefined]);
  assert.deepEqual(events.at(-1), { name: 'signedout', reason: 'session_revoked', user: 'ada', session: 's1' });
});

test('the end of another session does not end this one, unless the server says it again', async (t) => {
  const { session, server } = await signedIn(t);
  const seen = [];
  session.addEventListener('signedout', ({ detail }) => seen.push(detail.reason));
  const honest = server.refresh;
  server.refresh = () => {
    server.refresh = honest;
    return problem(401, 'session_revoked', { session: 'somebody-elses' });
  };
  await clock.pass(60_000);
  assert.equal(session.status, 'signedin');
  // The cookie is that session's: nothing stands for this one.
  server.refresh = () => problem(401, 'session_revoked', { session: 'somebody-elses' });
  await clock.pass(60_000);
  assert.equal(session.status, 'signedout');
  assert.deepEqual(seen, ['no_session']);
});

test('expiresIn and refreshIn count milliseconds down to zero', async (t) => {
  const { session, server } = await signedIn(t);
  server.refresh = never;
  await clock.pass(20_000);
  assert.deepEqual([session.expiresIn, session.refreshIn], [40_000, 30_000]);
  await clock.pass(60_000);
  assert.deepEqual([session.expiresIn, session.refreshIn], [0, 0]);
  assert.equal(session.status, 'signedin');
});

test('claims are one frozen object for each token', async (t) => {
  const { session, server } = await signedIn(t, {}, (server) => (server.claims = { roles: ['a'], deep: { er: ['x'] } }));
  const { claims } = session;
  assert.equal(session.claims, claims);
  assert.throws(() => claims.roles.push('admin'), TypeError);
  assert.throws(() => (claims.deep.er[0] = 'y'), TypeError);
  server.claims = { roles: ['b'] };
  await clock.pass(51_001);
  assert.deepEqual(session.claims.roles, ['b']);
});

test('a token whose payload is not JSON has no claims, and works all the same', async (t) => {
  for (const token of ['opaque', 'a.b.c', 'a.e30', '..', 'a.bnVsbA.c']) {
    const { session, server } = await signedIn(t, {}, (server) => (server.token = () => token));
    assert.ok(session.claims == null || typeof session.claims === 'object', token);
    await session.fetch('/api');
    assert.equal(server.calls[0].bearer, `Bearer ${token}`);
    session.close();
  }
});

test('a hidden page does not poll, and catches up when it is shown', async (t) => {
  const page = openDocument(t);
  const { server } = await signedIn(t);
  page.show(false);
  await clock.pass(300_000);
  assert.deepEqual(server.reasons, ['start']);
  page.show(true);
  await settle();
  assert.deepEqual(server.reasons, ['start', 'wake']);
});

test('a hidden page polls if it is told to', async (t) => {
  const page = openDocument(t);
  const { server } = await signedIn(t, { pollWhileHidden: true });
  page.show(false);
  await clock.pass(60_000);
  assert.deepEqual(server.reasons, ['start', 'timer']);
});

const reported = ({ refreshes }) => refreshes.map(({ path }) => path.at(-1));

test('user activity is reported with the next refresh, once', async (t) => {
  const page = openDocument(t);
  const { server } = await signedIn(t);
  page.document.byUser('pointerdown');
  await clock.pass(51_001);
  await clock.pass(51_001);
  page.document.byUser('keydown');
  await clock.pass(51_001);
  assert.deepEqual(reported(server), ['0', '1', '0', '1']);
});

test('a user who comes back to the page is active, and events that a script makes up are not', async (t) => {
  const page = openDocument(t);
  const { server } = await signedIn(t);
  for (const kind of ['pointerdown', 'keydown', 'visibilitychange']) page.document.dispatchEvent(new Event(kind));
  await clock.pass(51_001);
  page.show(false);
  await clock.pass(1_000);
  page.show(true);
  await clock.pass(51_001);
  assert.deepEqual(reported(server), ['0', '0', '1']);
});

test('an application can say that its user is active, in a worker too', async (t) => {
  const { session, server } = await signedIn(t);
  session.reportActivity();
  await clock.pass(51_001);
  await clock.pass(51_001);
  session.close();
  session.reportActivity();
  assert.deepEqual(reported(server), ['0', '1', '0']);
});

test('a wall clock that is wrong by a day changes nothing', async (t) => {
  const { session, server } = await signedIn(t);
  clock.setBy(-86_400_000);
  await session.fetch('/api');
  assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
  await clock.pass(52_000);
  assert.equal(session.status, 'signedin');
  assert.deepEqual(server.reasons, ['start', 'timer']);
  clock.setBy(86_400_000);
  assert.equal((await clock.within(session.fetch('/api'))).status, 200);
  assert.equal(server.calls[1].bearer, `Bearer ${server.latest}`);
});

test('a late answer to a refresh that was given up changes nothing', async (t) => {
  const { session, server } = await signedIn(t);
  const late = gate();
  server.refresh = () => late.promise;
  await clock.pass(51_000);
  server.refresh = () => server.grant();
  await clock.pass(8_000);
  const before = session.expiresIn;
  server.user = 'mallory';
  late.resolve(server.grant());
  await settle();
  assert.equal(session.user, 'ada');
  assert.equal(session.expiresIn, before);
});
