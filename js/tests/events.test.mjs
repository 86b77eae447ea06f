import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { clock, never, open, outcome, problem, settle, signedIn } from './world.mjs';

// Node reports what a listener throws as an uncaught exception, as a browser does on the console.
const thrown = [];
before(() => process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error)));
after(() => process.setUncaughtExceptionCaptureCallback(null));

test('a listener that throws changes nothing', async (t) => {
  const { session, server, events } = await open(t);
  for (const name of ['signedin', 'refreshed', 'signedout', 'degraded', 'recovered']) {
    session.addEventListener(name, () => {
      throw new RangeError(name);
    });
  }
  const call = session.fetch('/api');
  await clock.within(session.ready);
  assert.equal((await clock.within(call)).status, 200);
  assert.equal(session.status, 'signedin');
  server.refresh = () => new Response('', { status: 500 });
  await clock.pass(52_000);
  server.refresh = () => server.grant();
  await clock.pass(5_000);
  await clock.within(session.signOut());
  assert.equal(session.status, 'signedout');
  await settle();
  assert.deepEqual(new Set(thrown.map(({ message }) => message)), new Set(['signedin', 'refreshed', 'signedout', 'degraded', 'recovered']));
  assert.equal(events.at(-1).name, 'signedout');
});

test('the state is the new one before a listener hears of it', async (t) => {
  const { session, server } = await open(t);
  const seen = [];
  session.addEventListener('signedin', () => seen.push([session.status, session.user, session.claims.sub]));
  session.addEventListener('signedout', () => seen.push([session.status, session.user, session.claims]));
  await clock.within(session.ready);
  await settle();
  server.refresh = () => problem(401, 'session_revoked', { session: 's1' });
  await clock.pass(51_001);
  assert.deepEqual(seen, [
    ['signedin', 'ada', 'ada'],
    ['signedout', undefined, undefined],
  ]);
});

test('a listener may ask for a token and send requests', async (t) => {
  const { session, server } = await open(t);
  const made = [];
  for (const name of ['signedin', 'refreshed', 'degraded', 'recovered']) {
    session.addEventListener(name, () => made.push(session.getToken(), session.fetch(`/${name}`)));
  }
  await clock.within(session.ready);
  await settle();
  server.refresh = () => new Response('', { status: 500 });
  await clock.pass(52_000);
  server.refresh = () => server.grant();
  await clock.pass(5_000);
  assert.ok(made.length >= 8);
  await clock.within(Promise.all(made));
  assert.ok(server.calls.every(({ bearer }) => bearer));
});

test('a listener may ask for a token when there is none, and waits like others', async (t) => {
  const { session, server } = await signedIn(t);
  clock.sleep(100_000);
  let token;
  server.refresh = () => new Response('', { status: 500 });
  session.addEventListener('degraded', () => (token ??= session.getToken()));
  const call = session.fetch('/api');
  await settle();
  assert.equal(await outcome(token), 'pending');
  server.refresh = () => server.grant();
  await clock.pass(5_000);
  assert.equal((await clock.within(call)).status, 200);
  assert.equal(await clock.within(token), server.latest);
});

test('a listener may sign out', async (t) => {
  const { session, events } = await open(t);
  let done;
  session.addEventListener('signedin', () => (done = session.signOut()));
  const call = session.fetch('/api');
  await clock.within(session.ready);
  await clock.within(done);
  assert.equal((await clock.within(call)).status, 200);
  assert.equal(session.status, 'signedout');
  assert.equal(events.at(-1).reason, 'signed_out');
});

test('a listener may sign in', async (t) => {
  const { session, server } = await signedIn(t);
  let done;
  session.addEventListener('signedout', () => (done = session.signIn({ email: 'bob@app.test', password: 'x' })));
  server.session = 's2';
  server.user = 'bob';
  await clock.within(session.signOut());
  await clock.within(done);
  assert.equal(session.user, 'bob');
});

test('a listener may close the session, and hears nothing more', async (t) => {
  for (const name of ['signedin', 'refreshed']) {
    const { session, server, events } = await open(t);
    session.addEventListener(name, () => session.close());
    const call = session.fetch('/api');
    await clock.within(session.ready);
    await outcome(call);
    assert.equal(session.status, 'closed');
    const heard = events.length;
    assert.equal(events.at(-1).name, name);
    const sent = server.refreshes.length;
    await clock.pass(120_000);
    assert.equal(events.length, heard);
    assert.equal(server.refreshes.length, sent);
    assert.deepEqual(clock.armed, []);
  }
});

test('a listener that closes the session out of a call into it gets its rejection', async (t) => {
  const { session, server } = await signedIn(t);
  server.refresh = never;
  await clock.pass(51_001);
  clock.sleep(5_000); // the refresh in flight is overdue, and no timer has told
  session.addEventListener('degraded', () => session.close());
  const { error } = await outcome(session.getToken());
  assert.equal(error.code, 'closed');
  assert.deepEqual(clock.armed, []);
});

test('a request during which a listener closes the session is not sent, though the token was good', async (t) => {
  const { session, server } = await signedIn(t);
  server.refresh = never;
  await clock.pass(51_001);
  clock.sleep(5_000);
  session.addEventListener('degraded', () => session.close());
  assert.equal((await outcome(session.fetch('/api'))).error?.code, 'closed');
  assert.equal(server.calls.length, 0);
});

test('events are CustomEvents whose detail is plain', async (t) => {
  const { session } = await open(t);
  const seen = [];
  session.addEventListener('refreshed', (event) => seen.push(event), { once: true });
  await clock.within(session.ready);
  await settle();
  assert.ok(seen[0] instanceof CustomEvent);
  assert.equal(Object.getPrototypeOf(seen[0].detail), Object.prototype);
  assert.equal(seen[0].target, session);
});

test('a listener that was removed hears nothing', async (t) => {
  const { session } = await open(t);
  const listener = () => assert.fail('heard');
  session.addEventListener('signedin', listener);
  session.removeEventListener('signedin', listener);
  await clock.within(session.ready);
  await settle();
});
