import assert from 'node:assert/strict';
import { test } from 'node:test';

import { child } from './child.mjs';
import { clock, never, open, openDocument, outcome, outcomes, settle, signedIn } from './world.mjs';

test('everything that waits rejects with closed', async (t) => {
  const { session, server } = await signedIn(t);
  clock.sleep(100_000);
  server.refresh = never;
  server.signIn = never;
  const calls = [
    session.fetch('/api'),
    session.fetch('/api', { method: 'POST', body: new FormData() }),
    session.getToken(),
    session.signIn({ email: 'a', password: 'b' }),
  ];
  assert.deepEqual(new Set(await outcomes(...calls)), new Set(['pending']));
  session.close();
  assert.equal(session.status, 'closed');
  for (const { error } of await outcomes(...calls)) {
    assert.equal(error.name, 'SessionError');
    assert.equal(error.code, 'closed');
  }
  assert.deepEqual(clock.armed, []);
  assert.ok(server.log.every(({ request, path }) => path.startsWith('/api') || request.signal.aborted || path.includes('start')));
});

test('a sign-out that is under way rejects with closed', async (t) => {
  const { session, server } = await signedIn(t);
  server.signOut = never;
  const call = session.signOut();
  assert.equal(await outcome(call), 'pending');
  session.close();
  assert.equal((await outcome(call)).error.code, 'closed');
});

test('a 401 that waits for a refresh is handed over', async (t) => {
  const { session, server } = await signedIn(t);
  server.api = () => new Response('', { status: 401 });
  server.refresh = never;
  const call = session.fetch('/api');
  assert.equal(await outcome(call), 'pending');
  session.close();
  assert.equal((await outcome(call)).value.status, 401);
});

test('every call afterwards is told that the session is closed', async (t) => {
  const { session, server } = await signedIn(t);
  session.close();
  const sent = server.log.length;
  const calls = [session.fetch('/api'), session.getToken(), session.signIn({ email: 'a', password: 'b' }), session.signOut()];
  for (const { error } of await outcomes(...calls)) assert.equal(error.code, 'closed');
  assert.throws(() => session.install(), { code: 'closed' });
  assert.deepEqual(
    [session.status, session.user, session.id, session.claims, session.expiresIn],
    ['closed', undefined, undefined, undefined, undefined],
  );
  assert.equal(server.log.length, sent);
  assert.equal((await session.fetch('https://elsewhere.test/')).status, 200);
});

test('closing twice is closing once', async (t) => {
  const { session } = await signedIn(t);
  session.close();
  session.close();
  await settle();
  session.close();
  assert.equal(session.status, 'closed');
});

test('nothing is called afterwards, whatever happens to the page', async (t) => {
  const page = openDocument(t);
  const { session, server, events } = await signedIn(t);
  session.close();
  const [sent, heard] = [server.log.length, events.length];
  page.show(false);
  page.show(true);
  page.scope.dispatchEvent(new Event('focus'));
  page.scope.dispatchEvent(new Event('online'));
  page.document.byUser('keydown');
  await clock.pass(300_000);
  assert.equal(server.log.length, sent);
  assert.equal(events.length, heard);
});

test('an answer that comes after the close changes nothing', async (t) => {
  const answers = [];
  const { session, events } = await open(t, {}, (server) => {
    server.refresh = () => new Promise((resolve) => answers.push(() => resolve(server.grant())));
  });
  await settle();
  session.close();
  answers.forEach((answer) => answer());
  await settle();
  assert.equal(session.status, 'closed');
  assert.deepEqual(events, []);
});

test('a session closes at the end of its `using` block', async (t) => {
  const { session } = await signedIn(t);
  assert.equal(typeof session[Symbol.dispose], 'function');
  session[Symbol.dispose]();
  assert.equal(session.status, 'closed');
});

test('sessions leave nothing behind in the module', async (t) => {
  const { createSession } = await import('../index.js');
  const { WASM, Server } = await import('./world.mjs');
  const { Core } = await import('../wasm/fiftyten_bg.js');
  let freed = 0;
  const { free } = Core.prototype;
  t.after(() => (Core.prototype.free = free));
  Core.prototype.free = function () {
    freed += 1;
    return free.call(this);
  };
  for (let n = 0; n < 20; n += 1) {
    const session = createSession({ wasm: WASM, fetch: new Server().fetch });
    await clock.within(session.ready);
    session.close();
    await settle();
  }
  assert.equal(freed, 20);
});

test('a process with a closed session ends by itself', async () => {
  const reports = await child(`
    import { readFileSync } from 'node:fs';
    globalThis.location = new URL('https://app.test/');
    globalThis.addEventListener = globalThis.removeEventListener = () => {};
    const { createSession } = await import('../index.js');
    const hang = (input, init) => new Promise((resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal.reason)));
    const session = createSession({ wasm: readFileSync('../wasm/fiftyten_bg.wasm'), fetch: hang });
    const token = session.getToken().catch((error) => report(error.code));
    await new Promise((resolve) => setTimeout(resolve, 50));
    session.close();
    await token;
    report(performance.now());
    process.on('exit', () => report(performance.now()));
  `);
  assert.equal(reports[0], 'closed');
  assert.ok(reports[2] - reports[1] < 900, `it took ${reports[2] - reports[1]} ms to end`);
});
