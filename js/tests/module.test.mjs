// What keeps the module from loading, and what is said of it. A load that failed must not be held
// against those that follow: all of this happens in one process.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { child } from './child.mjs';
import { WASM, clock, never, open, outcome, outcomes, settle } from './world.mjs';

const before = new Set(Object.getOwnPropertyNames(globalThis));
const { fetch: fetchBefore } = globalThis;
const { createSession, ...others } = await import('../index.js');

test('importing does nothing', async () => {
  assert.deepEqual(Object.keys(others), ['SessionError']);
  const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
  assert.deepEqual(added, []);
  assert.equal(globalThis.fetch, fetchBefore);
  assert.deepEqual(clock.armed, []);
});

test('importing where there is no page does nothing, and creating a session says where it belongs', async () => {
  const [names, error] = await child(`
    const shot = () => Reflect.ownKeys(globalThis).map((name) => [String(name), Object.getOwnPropertyDescriptor(globalThis, name)?.value]);
    // Node makes these when they are first looked at.
    for (const name of Object.getOwnPropertyNames(globalThis)) void globalThis[name];
    const before = shot();
    globalThis.fetch = new Proxy(fetch, { apply: () => assert.fail('fetched') });
    before.find(([name]) => name === 'fetch')[1] = globalThis.fetch;
    const { createSession } = await import('../index.js');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const after = shot();
    report(after.filter(([name, value], n) => before[n]?.[0] !== name || !Object.is(before[n]?.[1], value)).map(([name]) => name));
    try {
      createSession();
    } catch ({ name, code, retryable, message }) {
      report({ name, code, retryable, message });
    }
  `);
  assert.deepEqual(names, []);
  assert.equal(error.code, 'unsupported_environment');
  assert.match(error.message, /browser/);
});

// Fails to load, and says what is wrong in these words; ready does not wait for ever.
async function fails(t, wasm, code, words) {
  const { session, server } = await open(t, { wasm });
  const calls = [session.fetch('/api'), session.getToken(), session.signIn({ email: 'a', password: 'b' })];
  for (const { reason: error } of await clock.within(Promise.allSettled(calls))) {
    assert.equal(error?.name, 'SessionError', String(error));
    assert.equal(error.code, code, error.message);
    assert.equal(error.retryable, code === 'wasm_unavailable');
    assert.match(error.message, words);
    assert.ok(!error.message.includes('{}'));
  }
  assert.equal(server.log.length, 0);
  assert.equal(session.status, 'loading');
  const { error } = await outcome(session.ready);
  if (code === 'wasm_unavailable') assert.equal(await outcome(session.ready), 'pending');
  else assert.equal(error.code, code);
  session.close();
}

// Puts an answer where the module is looked for.
function serve(t, answer) {
  globalThis.fetch = answer;
  t.after(() => (globalThis.fetch = fetchBefore));
}

const html = () => new Response('<!doctype html><title>Not here</title>', { headers: { 'content-type': 'text/html' } });

test('bytes that are no module', async (t) => {
  await fails(t, new Uint8Array([1, 2, 3]), 'wasm_unavailable', /what was given is not WebAssembly/);
  await fails(t, new ArrayBuffer(0), 'wasm_unavailable', /what was given is not WebAssembly/);
  await fails(t, WASM.subarray(0, 1_000), 'wasm_unavailable', /what was given is not WebAssembly/);
});

test('a module of another make', async (t) => {
  // (module (import "x" "y" (func)))
  const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x78, 1, 0x79, 0, 0];
  const other = await WebAssembly.compile(new Uint8Array(bytes));
  await fails(t, other, 'wasm_unavailable', /what was given (is not|could not)/);
});

test('a URL that answers 404, with the URL in the error', async (t) => {
  serve(t, async (url) => Object.defineProperty(new Response('', { status: 404 }), 'url', { value: String(url) }));
  await fails(t, '/assets/fiftyten.wasm', 'wasm_unavailable', /fiftyten\.wasm answered 404/);
  await fails(t, undefined, 'wasm_unavailable', /wasm\/fiftyten_bg\.wasm answered 404/);
});

test('a URL that answers with a page, as development servers do', async (t) => {
  serve(t, async () => html());
  await fails(t, 'https://app.test/fiftyten.wasm', 'wasm_unavailable', /https:\/\/app\.test\/fiftyten\.wasm is not WebAssembly/);
  await fails(t, new URL('https://app.test/x.wasm'), 'wasm_unavailable', /x\.wasm is not WebAssembly/);
  await fails(t, html(), 'wasm_unavailable', /is not WebAssembly/);
});

test('a URL that cannot be reached', async (t) => {
  serve(t, async () => Promise.reject(new TypeError('Failed to fetch')));
  await fails(t, '/x.wasm', 'wasm_unavailable', /x\.wasm could not be loaded/);
});

test('a promise that rejects', async (t) => {
  await fails(t, (async () => Promise.reject(new Error('no such asset')))(), 'wasm_unavailable', /could not be loaded/);
});

test("a policy that forbids WebAssembly is told apart, in every browser's words", async (t) => {
  const { instantiate } = WebAssembly;
  t.after(() => (WebAssembly.instantiate = instantiate));
  const words = [
    `WebAssembly.instantiate(): Refused to compile or instantiate WebAssembly module because 'unsafe-eval' is not an allowed source of script in the following Content Security Policy directive: "script-src 'self'"`,
    `WebAssembly.instantiate(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because neither 'wasm-eval' nor 'unsafe-eval' is an allowed source of script`,
    'call to WebAssembly.instantiate() blocked by CSP',
    `Refused to create a WebAssembly object because 'unsafe-eval' or 'wasm-unsafe-eval' is not an allowed source of script`,
  ];
  for (const text of words) {
    WebAssembly.instantiate = async () => {
      throw new WebAssembly.CompileError(text);
    };
    await fails(t, WASM, 'wasm_blocked', /'wasm-unsafe-eval'.*script-src/);
  }
});

test('a browser without WebAssembly is told apart', async (t) => {
  const { WebAssembly: here } = globalThis;
  t.after(() => (globalThis.WebAssembly = here));
  delete globalThis.WebAssembly;
  await fails(t, WASM, 'unsupported_environment', /WebAssembly/);
});

test('ready does not wait longer for a module that hangs', async (t) => {
  const { session } = await open(t, { wasm: never() });
  await settle();
  await clock.pass(4_000);
  assert.deepEqual(await outcome(session.ready), { value: undefined });
  const calls = [session.fetch('/api'), session.getToken(), session.signOut()];
  assert.deepEqual(new Set(await outcomes(...calls)), new Set(['pending']));
  await clock.pass(10_000);
  for (const { error } of await outcomes(...calls)) {
    assert.equal(error.code, 'timeout');
    assert.match(error.message, /still loading/);
  }
  // What hangs for one hangs for all: this test is the last.
});
