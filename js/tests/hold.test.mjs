import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { ORIGIN, clock, expired, gate, json, never, open, openDocument, outcome, outcomes, problem, settle, signedIn } from './world.mjs';

test('a thousand calls on an expired token make one refresh, and none is sent before it is answered', async (t) => {
  const { session, server } = await expired(t);
  const dead = server.latest;
  const answer = gate();
  server.refresh = () => answer.promise;
  const calls = Array.from({ length: 1_000 }, (_, n) => session.fetch(`/api/${n}`));
  await settle();
  assert.equal(server.calls.length, 0);
  assert.equal(server.refreshes.length, 2);
  await clock.pass(50);
  answer.resolve(server.grant());
  const answers = await clock.within(Promise.all(calls));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(server.refreshes.length, 2);
  assert.equal(server.calls.length, 1_000);
  assert.ok(server.calls.every(({ bearer }) => bearer === `Bearer ${server.latest}` && !bearer.includes(dead)));
  assert.deepEqual(
    server.calls.map(({ path }) => path),
    Array.from({ length: 1_000 }, (_, n) => `/api/${n}`),
  );
  assert.match(server.reasons[1], /^(wake|request)$/);
});

test('a page that wakes renews once, however many events tell it and however many requests there are', async (t) => {
  const page = openDocument(t);
  const { session, server } = await expired(t);
  page.show(true);
  page.scope.dispatchEvent(new Event('focus'));
  page.scope.dispatchEvent(new Event('pageshow'));
  page.scope.dispatchEvent(new Event('online'));
  page.document.dispatchEvent(new Event('resume'));
  const answers = await clock.within(Promise.all(Array.from({ length: 20 }, () => session.fetch('/api'))));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.deepEqual(server.reasons, ['start', 'wake']);
});

test('the first refresh after a wake may fail, and the requests wait for the next', async (t) => {
  const { session, server } = await expired(t);
  let failures = 0;
  server.refresh = () => ((failures += 1) < 3 ? Promise.reject(new TypeError('Load failed')) : server.grant());
  const call = session.fetch('/api');
  await settle();
  await clock.pass(1_000);
  assert.equal((await outcome(call)).value?.status, 200);
  assert.equal(server.calls.length, 1);
});

test('a request is held back no longer than ten seconds', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = never;
  const call = session.fetch('/api');
  await settle();
  await clock.pass(9_999);
  assert.equal(await outcome(call), 'pending');
  await clock.pass(1);
  const { error } = await outcome(call);
  assert.equal(error.name, 'SessionError');
  assert.equal(error.code, 'timeout');
  assert.equal(error.retryable, true);
  assert.equal(server.calls.length, 0);
  assert.equal(session.status, 'signedin');
});

test('a request is held back no longer than `requestLimit`, getToken included', async (t) => {
  const { session, server } = await expired(t, { requestLimit: 500 });
  server.refresh = () => new Response('', { status: 502 });
  const calls = [session.fetch('/api'), session.getToken()];
  assert.deepEqual(await outcomes(...calls), ['pending', 'pending']);
  await clock.pass(500);
  for (const { error } of await outcomes(...calls)) {
    assert.equal(error.code, 'timeout');
    assert.equal(error.status, 502);
    assert.match(error.message, /502/);
  }
});

test('where the server asks for more patience than a request has, it fails at once', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = () => problem(503, 'overloaded', {}, { 'retry-after': '30' });
  const call = session.fetch('/api');
  const { error } = await outcome(call);
  assert.equal(error.code, 'unavailable');
  assert.equal(error.retryable, true);
  assert.equal((await outcome(session.fetch('/api'))).error.code, 'unavailable');
  assert.equal(server.refreshes.length, 2);
  assert.equal(session.status, 'signedin');
  server.refresh = () => server.grant();
  await clock.pass(33_001);
  assert.equal((await clock.within(session.fetch('/api'))).status, 200);
});

test('a Retry-After that a request can bear is waited for', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = () => problem(429, 'rate_limited', {}, { 'retry-after': '5' });
  const call = session.fetch('/api');
  await settle();
  server.refresh = () => server.grant();
  await clock.pass(4_999);
  assert.equal(await outcome(call), 'pending');
  assert.equal(server.refreshes.length, 2);
  await clock.pass(501);
  assert.equal((await outcome(call)).value.status, 200);
});

test('a page whose origin the server refuses is told so at once', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = () => problem(403, 'origin_rejected');
  const { error } = await outcome(session.fetch('/api'));
  assert.equal(error.code, 'origin_rejected');
  assert.equal(error.retryable, false);
  assert.equal(session.status, 'signedin');
});

test('a session that ends while a request is held back does not let it go in nobody\u2019s name', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = () => problem(401, 'session_expired', { session: 's1' });
  const { error } = await outcome(session.fetch('/api'));
  assert.equal(error.code, 'signed_out');
  assert.equal(server.calls.length, 0);
  assert.equal(session.status, 'signedout');
});

test('a request held back for one user is not sent for another', async (t) => {
  const { session, server, events } = await expired(t);
  server.user = 'bob';
  server.session = 's2';
  const { error } = await outcome(session.fetch('/api'));
  assert.equal(error.code, 'session_changed');
  assert.equal(server.calls.length, 0);
  assert.equal(session.user, 'bob');
  assert.deepEqual(events.filter(({ name }) => name === 'signedin').at(-1), { name: 'signedin', user: 'bob', session: 's2' });
  assert.equal((await session.fetch('/api')).status, 200);
});

test('a keepalive request never waits', async (t) => {
  const { session, server } = await open(t);
  server.refresh = never;
  const loading = session.fetch('/api', { method: 'POST', body: 'x', keepalive: true });
  assert.equal((await outcome(loading)).value.status, 200);
  session.close();

  const next = await signedIn(t);
  clock.sleep(58_500); // within the flight margin: others wait
  next.server.refresh = never;
  await next.session.fetch('/1', { keepalive: true });
  clock.sleep(10_000);
  await next.session.fetch(new Request(`${ORIGIN}/2`, { keepalive: true }));
  const held = next.session.fetch('/3');
  assert.equal(await outcome(held), 'pending');
  assert.deepEqual(
    next.server.calls.map(({ path, bearer }) => [path, bearer]),
    [
      ['/1', `Bearer ${next.server.latest}`],
      ['/2', null],
    ],
  );
  held.catch(() => {});
});

test('an aborted signal rejects with its reason before anything is sent', async (t) => {
  const { session, server } = await signedIn(t);
  const reason = new RangeError('mine');
  const signal = AbortSignal.abort(reason);
  const request = new Request(`${ORIGIN}/api`, { signal });
  const calls = () => [session.fetch('/api', { signal }), session.fetch(request.clone()), session.getToken({ signal })];
  for (const { error } of await outcomes(...calls())) assert.equal(error, reason);
  clock.sleep(100_000);
  server.refresh = never;
  for (const { error } of await outcomes(...calls())) assert.equal(error, reason);
  assert.equal(server.calls.length, 0);
});

test('an abort while held back rejects that request with the reason, and no other', async (t) => {
  const { session, server } = await expired(t);
  const answer = gate();
  server.refresh = () => answer.promise;
  const controllers = [new AbortController(), new AbortController(), new AbortController(), new AbortController()];
  const [one, two, three, four] = controllers.map(({ signal }) => signal);
  const aborted = [
    session.fetch('/1', { signal: one }),
    session.fetch(new Request(`${ORIGIN}/2`, { signal: two })),
    session.getToken({ signal: three }),
  ];
  const others = [session.fetch('/3'), session.fetch('/4', { signal: four }), session.getToken()];
  assert.deepEqual(await outcomes(...aborted), ['pending', 'pending', 'pending']);
  const reasons = [new RangeError('one'), undefined, 'a text'];
  reasons.forEach((reason, n) => controllers[n].abort(reason));
  const errors = (await outcomes(...aborted)).map(({ error }) => error);
  assert.equal(errors[0], reasons[0]);
  assert.equal(errors[1].name, 'AbortError');
  assert.equal(errors[2], 'a text');
  answer.resolve(server.grant());
  await clock.within(Promise.all(others));
  assert.deepEqual(server.calls.map(({ path }) => path), ['/3', '/4']);
  assert.equal(server.refreshes.length, 2);
});

test('a page that nobody waits in any more stops trying', async (t) => {
  const page = openDocument(t);
  const { session, server } = await expired(t);
  page.show(false);
  server.refresh = () => new Response('', { status: 500 });
  const controller = new AbortController();
  const call = session.fetch('/api', { signal: controller.signal });
  await settle();
  await clock.pass(5_000);
  assert.ok(server.refreshes.length > 3);
  const before = server.refreshes.length;
  controller.abort();
  assert.equal((await outcome(call)).error.name, 'AbortError');
  await clock.pass(60_000);
  assert.equal(server.refreshes.length, before);
});

test('an abort in flight rejects with the reason', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = never;
  for (const make of [(signal) => session.fetch('/api', { signal }), (signal) => session.fetch(new Request(`${ORIGIN}/api`, { signal }))]) {
    const controller = new AbortController();
    const call = make(controller.signal);
    assert.equal(await outcome(call), 'pending');
    const reason = new RangeError('mine');
    controller.abort(reason);
    assert.equal((await outcome(call)).error, reason);
  }
});

test('an abort while a 401 is being answered by a refresh rejects with the reason', async (t) => {
  const ways = [(session, signal) => session.fetch('/api', { signal }), (session, signal) => session.fetch(new Request(`${ORIGIN}/api`, { signal }))];
  for (const send of ways) {
    const { session, server } = await signedIn(t);
    server.api = () => problem(401, 'invalid_token');
    server.refresh = never;
    const controller = new AbortController();
    const call = send(session, controller.signal);
    assert.equal(await outcome(call), 'pending');
    assert.deepEqual(server.reasons, ['start', 'rejected']);
    const reason = new RangeError('mine');
    controller.abort(reason);
    assert.equal((await outcome(call)).error, reason);
    assert.equal(server.calls.length, 1);
  }
});

test('an abort while the module loads rejects with the reason', async (t) => {
  const { session, server } = await open(t);
  const controller = new AbortController();
  const calls = [session.fetch('/api', { signal: controller.signal }), session.getToken({ signal: controller.signal })];
  const other = session.fetch('/other');
  const reason = new RangeError('mine');
  controller.abort(reason);
  for (const { error } of await outcomes(...calls)) assert.equal(error, reason);
  assert.equal((await clock.within(other)).status, 200);
  assert.deepEqual(server.calls.map(({ path }) => path), ['/other']);
});

test('no listener stays on a signal', async (t) => {
  const { session, server } = await expired(t);
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(signal, 'abort').length;
  await clock.within(session.getToken({ signal }));
  assert.equal(listeners(), 0);
  clock.sleep(100_000);
  server.refresh = () => problem(503, 'overloaded', {}, { 'retry-after': '60' });
  await outcome(session.getToken({ signal }));
  assert.equal(listeners(), 0);
  session.close();

  const next = await open(t);
  const token = next.session.getToken({ signal });
  assert.ok(listeners() > 0);
  await clock.within(token);
  assert.equal(listeners(), 0);
  clock.sleep(100_000);
  next.server.refresh = never;
  const held = outcome(next.session.getToken({ signal }));
  await settle();
  assert.ok(listeners() > 0);
  next.session.close();
  await held;
  assert.equal(listeners(), 0);
});

test('a request that a throttled timer of a hidden page makes is not held for longer than another', async (t) => {
  const page = openDocument(t);
  const { session, server } = await expired(t);
  page.show(false);
  server.refresh = never;
  clock.throttle(true);
  t.after(() => clock.throttle(false));
  // A timer of the page's own, as deep in others as one that ticks is soon.
  const nested = (depth, work) => setTimeout(depth > 1 ? () => nested(depth - 1, work) : work, 1);
  const held = await new Promise((made) => {
    const call = () => {
      const start = clock.now();
      const settled = () => clock.now() - start;
      made(session.fetch('/api').then(settled, (error) => assert.equal(error.code, 'timeout') ?? settled()));
    };
    nested(6, call);
    clock.pass(200_000);
  });
  // The limit, and the second to which timers of hidden pages are set.
  const took = await held;
  assert.ok(took >= 10_000 && took <= 11_000, `${took} ms`);
});

test('the timer of a hidden page is set by a task of its own, and once', async (t) => {
  const page = openDocument(t);
  const { session } = await signedIn(t, { pollWhileHidden: true });
  page.show(false);
  page.show(true);
  page.show(false);
  assert.deepEqual(clock.armed, []);
  await settle();
  assert.equal(clock.armed.length, 1);
  page.show(false);
  session.close();
  await settle();
  assert.deepEqual(clock.armed, []);
});

test('a request after sleep is not held for longer than another, though the timer stood still', async (t) => {
  const { session, server } = await expired(t);
  server.refresh = () => problem(503, 'unavailable', {}, { 'retry-after': '30' });
  await assert.rejects(session.fetch('/api'), { code: 'unavailable' });
  server.refresh = never;
  // Set before, for a moment that the next attempt still waits for: later by all that the machine sleeps.
  await clock.pass(100);
  clock.sleep(25_000);
  const start = clock.now();
  const held = session.fetch('/api').catch((error) => [error.code, clock.now() - start]);
  await clock.pass(20_000);
  assert.deepEqual(await held, ['timeout', 10_000]);
});

test('the refreshes of any minute are bounded, whatever the server answers and the page does', async (t) => {
  const page = openDocument(t);
  const answers = [
    () => new Response('', { status: 500 }),
    () => new Response('', { status: 401 }),
    () => problem(401, 'session_revoked'),
    () => problem(429, 'rate_limited', {}, { 'retry-after': '0' }),
    () => json(200, {}),
    () => Promise.reject(new TypeError('offline')),
  ];
  for (const answer of answers) {
    const { session, server } = await expired(t);
    server.refresh = answer;
    const start = server.refreshes.length;
    for (let second = 0; second < 60; second += 1) {
      for (let n = 0; n < 5; n += 1) session.fetch('/api').catch(() => {});
      page.scope.dispatchEvent(new Event('focus'));
      await clock.pass(1_000);
    }
    const made = server.refreshes.length - start;
    assert.ok(made <= 22, `${made} refreshes in a minute`);
    assert.equal(session.status, 'signedin');
    session.close();
  }
});
