import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clock, gate, json, never, open, outcome, outcomes, problem, settle, signedIn, signedOut } from './world.mjs';

const ADA = { email: 'ada@app.test', password: 'correct horse' };

test('signing in gives a session at once', async (t) => {
  const { session, server, events } = await signedOut(t);
  server.session = 's7';
  assert.equal(await session.signIn(ADA), undefined);
  assert.equal(session.status, 'signedin');
  assert.equal(session.id, 's7');
  assert.equal(session.user, 'ada');
  assert.equal(session.expiresIn, 60_000);
  assert.equal((await session.fetch('/api')).status, 200);
  assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
  assert.deepEqual(events.at(-1), { name: 'signedin', user: 'ada', session: 's7' });
  const sent = server.log.find(({ path }) => path === '/auth/v1/sessions');
  assert.equal(sent.method, 'POST');
  assert.equal(sent.headers.get('content-type'), 'application/json');
  assert.equal(sent.headers.get('x-fiftyten'), '1');
  assert.deepEqual(JSON.parse(sent.body), ADA);
});

test('a ticket signs in too, at a call of its own', async (t) => {
  const { session, server, events } = await signedOut(t);
  assert.equal(await session.signIn({ ticket: 'once' }), undefined);
  assert.equal(session.status, 'signedin');
  const entry = server.log.at(-1);
  assert.equal(entry.path, '/auth/v1/tickets');
  assert.deepEqual(JSON.parse(entry.body), { ticket: 'once' });
  assert.equal(events.at(-1).name, 'signedin');
  for (const ticket of ['', null, 5, 'x'.repeat(2_000)]) {
    const { error } = await outcome(session.signIn({ ticket }));
    assert.equal(error.code, 'invalid_argument');
    assert.match(error.message, /^ticket must be/);
  }
  server.signIn = () => problem(401, 'invalid_credentials');
  assert.equal((await outcome(session.signIn({ ticket: 'once' }))).error.code, 'invalid_credentials');
});

test('a refused sign-in says why', async (t) => {
  const cases = [
    [() => problem(401, 'invalid_credentials'), 'invalid_credentials', false, { status: 401 }],
    [() => problem(429, 'rate_limited', {}, { 'retry-after': '7' }), 'rate_limited', true, { status: 429, retryAfter: 7_000 }],
    [() => problem(503, 'overloaded', {}, { 'retry-after': '2' }), 'unavailable', true, { status: 503, retryAfter: 2_000 }],
    [() => problem(500, 'internal'), 'unavailable', true, { status: 500 }],
    [() => problem(403, 'origin_rejected'), 'origin_rejected', false, { status: 403 }],
    [() => problem(400, 'bad_request', { detail: 'no such field' }), 'bad_request', false, { status: 400 }],
    [() => new Response('<h1>404</h1>', { status: 404 }), 'unexpected_answer', false, { status: 404 }],
    [() => json(201, { hello: 1 }), 'unexpected_answer', false, { status: 201 }],
    [() => new Response('<!doctype html>'), 'unexpected_answer', false, { status: 200 }],
    [() => Promise.reject(new TypeError('Failed to fetch')), 'network', true, {}],
  ];
  const { session, server, events } = await signedOut(t);
  const before = events.length;
  for (const [answer, code, retryable, more] of cases) {
    server.signIn = answer;
    const { error } = await outcome(session.signIn(ADA));
    assert.equal(error.name, 'SessionError');
    assert.equal(error.code, code);
    assert.equal(error.retryable, retryable, code);
    assert.deepEqual({ status: error.status, retryAfter: error.retryAfter }, { status: undefined, retryAfter: undefined, ...more });
    assert.match(error.message, new RegExp(`\\(${code}\\)$`));
    assert.ok(!error.message.includes('{}') && !error.message.includes('undefined'), error.message);
    assert.equal(session.status, 'signedout');
  }
  server.signIn = cases[5][0];
  assert.match((await outcome(session.signIn(ADA))).error.message, /no such field/);
  assert.equal(events.length, before);
});

test('a sign-in that is not answered is given up after ten seconds', async (t) => {
  const { session, server } = await signedOut(t);
  server.signIn = never;
  const call = session.signIn(ADA);
  assert.equal(await outcome(call), 'pending');
  await clock.pass(10_000);
  const { error } = await outcome(call);
  assert.equal(error.code, 'timeout');
  assert.equal(error.retryable, true);
  assert.equal(server.log.at(-1).request.signal.aborted, true);
});

test('credentials of the wrong kind are refused before anything is sent', async (t) => {
  const { session, server } = await signedOut(t);
  const bad = [
    undefined,
    null,
    5,
    'ada',
    {},
    { email: 'x' },
    { email: '', password: 'x' },
    { email: 'x', password: '' },
    { email: 5, password: 'x' },
    { email: 'x', password: ['x'] },
    { email: 'x', password: 'secret'.repeat(1_000) },
  ];
  for (const credentials of bad) {
    const { error } = await outcome(session.signIn(credentials));
    assert.equal(error.code, 'invalid_argument', JSON.stringify(credentials));
    assert.match(error.message, /^(email|password) must be/);
    assert.ok(!error.message.includes('secret'));
  }
  assert.equal(server.log.length, 1);
});

test('one sign-in or sign-out at a time: the next is told that the session is busy', async (t) => {
  const { session, server } = await signedOut(t);
  const answer = gate();
  server.signIn = () => answer.promise;
  const first = session.signIn(ADA);
  await settle();
  const [second, out] = await outcomes(session.signIn(ADA), session.signOut());
  for (const { error } of [second, out]) {
    assert.equal(error.code, 'busy');
    assert.equal(error.retryable, true);
  }
  answer.resolve(server.grant(201));
  await clock.within(first);
  server.signOut = never;
  session.signOut().catch(() => {});
  await settle();
  assert.equal((await outcome(session.signIn(ADA))).error.code, 'busy');
});

test('signing in as another user rejects what was held back for the first', async (t) => {
  const { session, server } = await signedIn(t);
  clock.sleep(100_000);
  server.refresh = never;
  const held = session.fetch('/api');
  assert.equal(await outcome(held), 'pending');
  server.user = 'bob';
  server.session = 's2';
  await clock.within(session.signIn({ email: 'bob@app.test', password: 'x' }));
  assert.equal((await outcome(held)).error.code, 'session_changed');
  assert.equal(server.calls.length, 0);
});

test('a sign-in while the module loads waits for it', async (t) => {
  const { session } = await open(t, {}, (server) => (server.refresh = never));
  await clock.within(session.signIn(ADA));
  assert.equal(session.status, 'signedin');
  assert.deepEqual(await outcome(session.ready), { value: undefined });
});

test('signing out ends the session and says so', async (t) => {
  const { session, server, events } = await signedIn(t);
  assert.equal(await clock.within(session.signOut()), undefined);
  assert.equal(session.status, 'signedout');
  assert.deepEqual([session.user, session.id, session.claims, session.expiresIn], [undefined, undefined, undefined, undefined]);
  assert.deepEqual(events.at(-1), { name: 'signedout', reason: 'signed_out', user: 'ada', session: 's1' });
  const [sent] = server.log.filter(({ method }) => method === 'DELETE');
  assert.equal(sent.path, '/auth/v1/session');
  assert.equal(sent.headers.get('x-fiftyten'), '1');
  await session.fetch('/api');
  assert.equal(server.calls[0].bearer, null);
  await clock.pass(300_000);
  assert.deepEqual(server.reasons, ['start']);
});

test('signing out withholds the token from the very call on', async (t) => {
  const { session, server } = await signedIn(t);
  assert.ok(session.claims);
  server.signOut = never;
  session.signOut().catch(() => {});
  // Not a moment later.
  const call = session.fetch('/api');
  const token = outcome(session.getToken());
  assert.deepEqual(
    [session.status, session.user, session.id, session.claims, session.expiresIn],
    ['signedout', undefined, undefined, undefined, undefined],
  );
  await clock.within(call);
  assert.equal(server.calls[0].bearer, null);
  assert.equal((await token).error.code, 'signed_out');
});

test('signing out twice is signing out once', async (t) => {
  const { session, server } = await signedIn(t);
  await clock.within(Promise.all([session.signOut(), session.signOut()]));
  await session.signOut();
  assert.equal(server.log.filter(({ method }) => method === 'DELETE').length, 1);
});

test('signing out of a session that has ended already is done', async (t) => {
  const { session, server } = await signedIn(t);
  server.signOut = () => problem(401, 'session_expired', { session: 's1' });
  await clock.within(session.signOut());
  assert.equal(session.status, 'signedout');
});

test('a sign-out that the server does not hear of rejects, and the session is there again', async (t) => {
  const cases = [
    [() => Promise.reject(new TypeError('offline')), 'network'],
    [() => new Response('', { status: 503 }), 'unavailable'],
    [never, 'timeout'],
  ];
  for (const [answer, code] of cases) {
    const { session, server, events } = await signedIn(t);
    const token = server.latest;
    server.signOut = answer;
    const call = session.signOut();
    assert.equal(session.status, 'signedout');
    call.catch(() => {});
    await settle();
    if (answer === never) await clock.pass(10_000);
    const { error } = await outcome(call);
    assert.equal(error.code, code);
    assert.equal(error.retryable, true);
    assert.equal(session.status, 'signedin');
    assert.equal(session.claims.sub, 'ada');
    assert.ok(!events.some(({ name }) => name === 'signedout'));
    await session.fetch('/api');
    assert.equal(server.calls[0].bearer, `Bearer ${token}`);
    server.signOut = () => new Response(null, { status: 204 });
    await clock.within(session.signOut());
    assert.equal(session.status, 'signedout');
    session.close();
  }
});

test('signing out turns away what is held back', async (t) => {
  const { session, server } = await signedIn(t);
  clock.sleep(100_000);
  server.refresh = never;
  const held = session.fetch('/api');
  assert.equal(await outcome(held), 'pending');
  await clock.within(session.signOut());
  assert.equal((await outcome(held)).error.code, 'signed_out');
  assert.equal(server.calls.length, 0);
});

test('a refresh that is answered after the sign-out does not bring the session back', async (t) => {
  const { session, server } = await signedIn(t);
  const late = gate();
  server.refresh = () => late.promise;
  await clock.pass(51_001);
  assert.equal(server.refreshes.length, 2);
  await clock.within(session.signOut());
  late.resolve(server.grant());
  await settle();
  await clock.pass(10_000);
  assert.equal(session.status, 'signedout');
});

// In a frame the browser may keep the cookie back: the server is asked once whether it came.
function inFrame(t) {
  Object.assign(globalThis, { self: globalThis, top: {} });
  t.after(() => {
    delete globalThis.top;
    delete globalThis.self;
  });
}

test('in a frame that is not sent the cookie, a sign-in fails and says so', async (t) => {
  const { session, server } = await signedOut(t);
  inFrame(t);
  server.signIn = ({ method }) => (method === 'GET' ? problem(401, 'no_session') : server.grant(201));
  assert.deepEqual(await outcome(session.signIn(ADA).catch(({ code }) => code)), { value: 'cookie_blocked' });
  assert.equal(session.status, 'signedout');
});

test('in a frame a sign-in is not kept waiting by a server that does not say whether the cookie came', async (t) => {
  for (const answer of [() => json(200, []), () => problem(503, 'unavailable'), () => Promise.reject(new TypeError('offline')), never]) {
    const { session, server } = await signedOut(t);
    inFrame(t);
    server.signIn = ({ method }) => (method === 'GET' ? answer() : server.grant(201));
    const signedIn = session.signIn(ADA).then(() => 'done');
    await clock.pass(10_000);
    assert.deepEqual(await outcome(signedIn), { value: 'done' }, String(answer));
    assert.equal(session.status, 'signedin');
  }
});
