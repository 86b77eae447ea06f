import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { ORIGIN, Server, clock, never, open, outcome, settle, signedIn } from './world.mjs';

// What the page has: the browser's own fetch, and the names it was called by.
let native;
let page;

beforeEach(() => {
  page = new Server();
  native = (...args) => page.fetch(...args);
  globalThis.fetch = native;
});

afterEach(() => assert.equal(globalThis.fetch, native, 'the global fetch was not given back'));

const restore = (t) => t.after(() => (globalThis.fetch = native));

// A wrapper of somebody else's.
function wrap(mark) {
  const inner = globalThis.fetch;
  const outer = (input, init) => inner(input, { ...init, headers: { ...init?.headers, [mark]: '1' } });
  globalThis.fetch = outer;
  return outer;
}

test('installed, the global fetch carries the token', async (t) => {
  const { session, server } = await signedIn(t);
  session.install();
  await fetch('/api');
  await fetch(new Request(`${ORIGIN}/api`, { method: 'POST', body: 'x' }));
  await fetch('https://evil.test/');
  assert.deepEqual(
    page.calls.map(({ bearer }) => bearer),
    [`Bearer ${server.latest}`, `Bearer ${server.latest}`, null],
  );
  session.uninstall();
  await fetch('/api');
  assert.equal(page.calls[3].bearer, null);
});

test('it looks like the one it stands in for', async (t) => {
  const { session } = await signedIn(t);
  session.install();
  assert.equal(globalThis.fetch.name, 'fetch');
  assert.equal(globalThis.fetch.length, 1);
  session.uninstall();
});

test('installing and uninstalling twice is doing it once', async (t) => {
  const { session, server } = await signedIn(t);
  session.uninstall();
  session.install();
  const once = globalThis.fetch;
  session.install();
  assert.equal(globalThis.fetch, once);
  await fetch('/api');
  assert.equal(page.calls.length, 1);
  assert.equal(page.calls[0].bearer, `Bearer ${server.latest}`);
  session.uninstall();
  session.uninstall();
  assert.equal(globalThis.fetch, native);
  session.install();
  assert.notEqual(globalThis.fetch, native);
  session.uninstall();
});

test('a wrapper that was there before stays in the chain', async (t) => {
  restore(t);
  const { session, server } = await signedIn(t);
  const theirs = wrap('x-before');
  session.install();
  await fetch('/api');
  assert.equal(page.calls[0].headers.get('x-before'), '1');
  assert.equal(page.calls[0].bearer, `Bearer ${server.latest}`);
  session.uninstall();
  assert.equal(globalThis.fetch, theirs);
  globalThis.fetch = native;
});

test('a wrapper that came after stays too, and what it covers lets everything pass', async (t) => {
  restore(t);
  const { session, server } = await signedIn(t);
  session.install();
  const theirs = wrap('x-after');
  await fetch('/api');
  session.uninstall();
  assert.equal(globalThis.fetch, theirs);
  await fetch('/api');
  assert.deepEqual(
    page.calls.map(({ bearer, headers }) => [bearer, headers.get('x-after')]),
    [
      [`Bearer ${server.latest}`, '1'],
      [null, '1'],
    ],
  );
  session.install();
  await fetch('/api');
  assert.equal(page.calls[2].bearer, `Bearer ${server.latest}`);
  session.uninstall();
  globalThis.fetch = native;
});

test('after a close everything passes', async (t) => {
  restore(t);
  const { session } = await signedIn(t);
  session.install();
  const installed = globalThis.fetch;
  session.close();
  assert.equal(globalThis.fetch, native);
  const init = { method: 'POST', body: 'x' };
  assert.equal((await installed('/api', init)).status, 200);
  assert.equal(page.calls[0].bearer, null);
  assert.equal(page.calls[0].args[1], init);
  assert.throws(() => session.install(), { code: 'closed' });
});

test('two sessions with different servers do not get into each other\u2019s way', async (t) => {
  restore(t);
  const one = await signedIn(t);
  one.session.install();
  const other = await signedIn(t, { url: 'https://other.test/auth', allowedOrigins: ['https://api.other.test'] }, (server) => {
    server.url = 'https://other.test/auth';
    server.user = 'bob';
  });
  other.session.install();
  await fetch('/api');
  await fetch('https://api.other.test/x');
  assert.equal(page.calls[1].bearer, `Bearer ${other.server.latest}`);
  // The page's own origin is allowed to both: the one that was installed last has it.
  assert.equal(page.calls[0].bearer, `Bearer ${other.server.latest}`);
  one.session.uninstall();
  await fetch('/api');
  assert.equal(page.calls[2].bearer, `Bearer ${other.server.latest}`);
  other.session.uninstall();
  await fetch('/api');
  assert.equal(page.calls[3].bearer, null);
  globalThis.fetch = native;
});

test("a session's own calls do not go through what is installed, its own or another's", async (t) => {
  const { createSession } = await import('../index.js');
  const { WASM } = await import('./world.mjs');
  const one = createSession({ wasm: WASM });
  t.after(() => one.close());
  one.install();
  const other = createSession({ wasm: WASM, url: '/second' });
  t.after(() => other.close());
  other.install();
  page.url = '/nothing-of-this-server'; // so that every call is logged as it came
  await settle();
  await clock.pass(3_000);
  assert.ok(page.log.some(({ path }) => path.startsWith('/auth/v1/refresh')));
  assert.ok(page.log.some(({ path }) => path.startsWith('/second/v1/refresh')));
  assert.ok(page.log.every(({ bearer }) => bearer === null));
  one.close();
  other.close();
  globalThis.fetch = native;
});

test('what is patched over fetch later sees no refresh', async (t) => {
  restore(t);
  const { createSession } = await import('../index.js');
  const { WASM } = await import('./world.mjs');
  const session = createSession({ wasm: WASM });
  t.after(() => session.close());
  const seen = [];
  globalThis.fetch = (...args) => (seen.push(args), native(...args));
  await clock.within(session.ready);
  assert.equal(session.status, 'signedin');
  await clock.pass(52_000);
  assert.equal(page.refreshes.length, 2);
  assert.deepEqual(seen, []);
  globalThis.fetch = native;
});

test('installed at once, requests wait for the session', async (t) => {
  const { session, server } = await open(t);
  session.install();
  const call = fetch('/api');
  assert.equal((await clock.within(call)).status, 200);
  assert.equal(page.calls[0].bearer, `Bearer ${server.latest}`);
  session.uninstall();
});

test('installed, an abort is heeded while held back', async (t) => {
  const { session, server } = await signedIn(t);
  session.install();
  clock.sleep(100_000);
  server.refresh = never;
  const controller = new AbortController();
  const call = fetch('/api', { signal: controller.signal });
  assert.equal(await outcome(call), 'pending');
  controller.abort();
  assert.equal((await outcome(call)).error.name, 'AbortError');
  session.uninstall();
});
