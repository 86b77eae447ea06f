import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ORIGIN, clock, gate, never, openDocument, outcome, problem, setBase, settle, signedIn } from './world.mjs';

const refuse = () => problem(401, 'invalid_token');

// An API that takes every token but this one.
const refusing = (token) => ({ bearer }) => (bearer === `Bearer ${token}` ? refuse() : new Response('fine'));

test('a 401 means one refresh and one more try', async (t) => {
  const { session, server } = await signedIn(t);
  const first = server.latest;
  server.api = refusing(first);
  const response = await clock.within(session.fetch('/api'));
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'fine');
  assert.deepEqual(server.reasons, ['start', 'rejected']);
  assert.deepEqual(
    server.calls.map(({ bearer }) => bearer),
    [`Bearer ${first}`, `Bearer ${server.latest}`],
  );
});

test('a second 401 is handed over', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refuse;
  for (const send of [() => session.fetch('/api'), () => session.fetch(new Request(`${ORIGIN}/api`))]) {
    server.log.length = 0;
    clock.sleep(20_000);
    const response = await clock.within(send());
    assert.equal(response.status, 401);
    assert.equal((await response.json()).code, 'invalid_token');
    assert.equal(server.calls.length, 2);
    assert.deepEqual(server.reasons, ['rejected']);
  }
});

test('a hundred 401s at once mean one refresh', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refusing(server.latest);
  const answers = await clock.within(Promise.all(Array.from({ length: 100 }, () => session.fetch('/api'))));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.deepEqual(server.reasons, ['start', 'rejected']);
  assert.equal(server.calls.length, 200);
});

test('a hundred parallel calls to an API that refuses everything mean one refresh', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refuse;
  const answers = await clock.within(Promise.all(Array.from({ length: 100 }, () => session.fetch('/api'))));
  assert.ok(answers.every(({ status }) => status === 401));
  assert.deepEqual(server.reasons, ['start', 'rejected']);
  assert.equal(server.calls.length, 200);
});

test('an API that always answers 401 forces at most one refresh in ten seconds', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refuse;
  for (let n = 0; n < 400; n += 1) {
    assert.equal((await clock.within(session.fetch('/api'))).status, 401);
    await clock.pass(100);
  }
  const forced = server.refreshes.filter(({ path }) => path.includes('reason=rejected')).map(({ at }) => at);
  assert.ok(forced.length >= 3 && forced.length <= 4, `${forced.length}`);
  forced.slice(1).forEach((at, n) => assert.ok(at - forced[n] >= 10_000));
  assert.equal(session.status, 'signedin');
});

test('a 401 to an older token is answered by the newer one, without a refresh', async (t) => {
  const { session, server } = await signedIn(t);
  const first = server.latest;
  const slow = gate();
  server.api = () => slow.promise;
  const call = session.fetch('/api');
  await settle();
  await clock.pass(52_000);
  assert.notEqual(server.latest, first);
  server.api = () => new Response('fine');
  slow.resolve(refuse());
  assert.equal((await clock.within(call)).status, 200);
  assert.deepEqual(server.reasons, ['start', 'timer']);
  assert.equal(server.calls[1].bearer, `Bearer ${server.latest}`);
});

test('where the refresh after a 401 fails, the 401 is handed over and the token is kept', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refuse;
  server.refresh = () => new Response('', { status: 500 });
  assert.equal((await clock.within(session.fetch('/api'))).status, 401);
  assert.equal(session.status, 'signedin');
  server.api = () => new Response('fine');
  assert.equal((await session.fetch('/api')).status, 200);
  assert.equal(server.calls[1].bearer, `Bearer ${server.latest}`);
});

test('where the refresh after a 401 hangs, the 401 is handed over in time', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = refuse;
  server.refresh = never;
  const call = session.fetch('/api');
  assert.equal(await outcome(call), 'pending');
  await clock.pass(10_000);
  assert.equal((await outcome(call)).value.status, 401);
});

test('where the session has ended, the 401 is handed over and the page is signed out', async (t) => {
  const { session, server, events } = await signedIn(t);
  server.api = refuse;
  server.refresh = () => problem(401, 'session_revoked', { session: 's1' });
  assert.equal((await clock.within(session.fetch('/api'))).status, 401);
  assert.equal(session.status, 'signedout');
  assert.equal(events.at(-1).reason, 'session_revoked');
});

test("another user's 401 is not answered with this user's token", async (t) => {
  const { session, server } = await signedIn(t);
  const slow = gate();
  server.api = () => slow.promise;
  const call = session.fetch('/api');
  await settle();
  server.user = 'bob';
  server.session = 's2';
  await session.signIn({ email: 'bob@app.test', password: 'x' });
  slow.resolve(refuse());
  assert.equal((await clock.within(call)).status, 401);
  assert.equal(server.calls.length, 1);
});

test('a late 401 is handed over at once where the server has asked for patience', async (t) => {
  const { session, server } = await signedIn(t);
  const slow = gate();
  server.api = () => slow.promise;
  const call = session.fetch('/api');
  await settle();
  await clock.pass(52_000);
  server.refresh = () => problem(503, 'overloaded', {}, { 'retry-after': '120' });
  clock.sleep(100_000);
  assert.equal((await outcome(session.getToken())).error.code, 'unavailable');
  slow.resolve(refuse());
  assert.equal((await outcome(call)).value?.status, 401);
});

test('other answers are none of ours', async (t) => {
  const { session, server } = await signedIn(t);
  for (const status of [200, 204, 301, 400, 403, 404, 407, 419, 429, 500, 503]) {
    server.api = () => new Response(null, { status });
    assert.equal((await session.fetch('/api')).status, status);
  }
  assert.equal(server.calls.length, 11);
  assert.deepEqual(server.reasons, ['start']);
});

test('a 401 to a keepalive request of one user is not tried again with the token of the next', async (t) => {
  const { session, server } = await signedIn(t);
  clock.sleep(58_500); // within the flight margin: others wait
  server.refresh = never;
  let answer;
  server.api = () => new Promise((resolve) => (answer = resolve));
  const sent = session.fetch('/api', { method: 'POST', body: 'x', keepalive: true });
  await settle();
  Object.assign(server, { user: 'grace', session: 's2' });
  await clock.within(session.signIn({ email: 'grace@app.test', password: 'secret' }));
  answer(refuse());
  assert.equal((await clock.within(sent)).status, 401);
  assert.equal(server.calls.length, 1);
});

test('a relative URL is tried again where it pointed to, wherever the page has gone', async (t) => {
  openDocument(t);
  t.after(() => setBase(location.href));
  setBase(`${ORIGIN}/a/`);
  const { session, server } = await signedIn(t);
  const first = server.latest;
  server.api = (entry) => {
    setBase('https://cdn.test/b/');
    return refusing(first)(entry);
  };
  assert.equal((await clock.within(session.fetch('items/5', { method: 'DELETE' }))).status, 200);
  assert.deepEqual(server.calls.map(({ url }) => url), [`${ORIGIN}/a/items/5`, `${ORIGIN}/a/items/5`]);
});
