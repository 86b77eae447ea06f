import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { clock, expired, json, outcome, outcomes, problem, settle, signedIn } from './world.mjs';

const everything = { showHidden: true, depth: 10, getters: true };

test('the token is not in what a session shows of itself', async (t) => {
  const { session, server } = await signedIn(t);
  assert.equal(JSON.stringify(session), '{}');
  await session.fetch('/api');
  const shown = [inspect(session, everything), JSON.stringify(session), String(session)];
  for (const name of Reflect.ownKeys(session)) shown.push(inspect(session[name], everything));
  for (const text of shown) assert.ok(!text.includes('secret'), text);
  assert.ok(server.latest.includes('secret'));
  assert.deepEqual(Object.keys(session), ['fetch']);
});

test('the token is in no event and in no error', async (t) => {
  const { session, server } = await signedIn(t);
  const seen = [];
  for (const name of ['refreshed', 'degraded', 'recovered', 'signedin', 'signedout']) {
    session.addEventListener(name, (event) => seen.push(inspect(event, everything), JSON.stringify(event.detail)));
  }
  const gather = async (...promises) => {
    for (const { error } of await outcomes(...promises)) {
      assert.ok(error);
      seen.push(inspect(error, everything), error.message, error.stack, JSON.stringify(error));
    }
  };
  const body = { token: server.latest, expires_in_ms: 1, refresh_in_ms: 2, session: { id: 's1', user: 'ada' } };
  const answers = [
    () => json(200, body),
    () => json(500, body),
    () => new Response(server.latest, { status: 502 }),
    () => Promise.reject(new TypeError('Failed to fetch')),
    () => problem(403, 'origin_rejected'),
    () => problem(503, 'overloaded', {}, { 'retry-after': '30' }),
  ];
  for (const answer of answers) {
    clock.sleep(100_000);
    server.refresh = answer;
    const calls = [session.fetch('/api'), session.getToken()];
    await outcomes(...calls);
    await clock.pass(10_000);
    await gather(...calls);
    server.refresh = () => server.grant();
    clock.sleep(400_000);
    await clock.within(session.getToken());
  }
  server.signOut = () => Promise.reject(new TypeError('Failed to fetch'));
  await gather(session.signOut());
  server.refresh = () => problem(401, 'session_revoked', { session: 's1' });
  clock.sleep(100_000);
  await gather(session.getToken());
  assert.ok(seen.length > 40);
  for (const text of seen) assert.ok(!text?.includes('secret'), text);
});

test('the token is in no message to the console', async (t) => {
  const { console: here } = globalThis;
  const said = [];
  t.after(() => (globalThis.console = here));
  globalThis.console = new Proxy(here, { get: () => (...args) => said.push(inspect(args, everything)) });
  const { session, server } = await expired(t);
  await clock.within(session.fetch('/api'));
  server.refresh = () => new Response('', { status: 500 });
  await clock.pass(120_000);
  await outcome(session.signOut());
  session.close();
  await settle();
  assert.deepEqual(said, []);
});

test('the password is in no error', async (t) => {
  const { session, server } = await signedIn(t);
  for (const answer of [() => problem(401, 'invalid_credentials'), () => new Response('', { status: 500 }), () => new Response('x')]) {
    server.signIn = answer;
    const { error } = await outcome(session.signIn({ email: 'ada@app.test', password: 'hunter2' }));
    assert.ok(!inspect(error, everything).includes('hunter2'));
  }
});

test('the package stores nothing and logs nothing', () => {
  for (const name of ['errors', 'fetch', 'index', 'link', 'load', 'options', 'session']) {
    const text = readFileSync(new URL(`../${name}.js`, import.meta.url), 'utf8');
    assert.doesNotMatch(text, /localStorage|sessionStorage|indexedDB|\.cookie|console\./);
  }
});
