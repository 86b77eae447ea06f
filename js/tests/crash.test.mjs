// A trap in the module, made for real. It cannot be used afterwards, so each test has a process of
// its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { child } from './child.mjs';

const crash = (body) => child(`
  const uncaught = [];
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
  const { clock, settle, outcome, outcomes, open, openDocument, signedIn, gate, never, WASM } = await import('./world.mjs');
  const { Core } = await import('../wasm/fiftyten_bg.js');
  const t = { after() {} };
  const codes = async (...promises) => (await outcomes(...promises)).map((seen) => seen.error?.code ?? seen);
  // Reads beyond the end of the memory.
  const trap = () => assert.throws(() => Core.prototype.gate.call({ __wbg_ptr: 0xfffffff0 }), ({ code, cause }) => {
    assert.ok(cause instanceof WebAssembly.RuntimeError, String(cause));
    return code === 'crashed';
  });
  ${body}
`);

test('everything that waits rejects, and every later call', async () => {
  const [before, waiting, ready, later, state, armed, uncaught] = await crash(`
    const { session, server } = await open(t, {}, (server) => (server.refresh = server.signIn = never));
    const calls = [session.fetch('/api'), session.getToken(), session.signIn({ email: 'a', password: 'b' })];
    await settle();
    report(await codes(...calls));
    trap();
    report(await codes(...calls));
    report(await codes(session.ready));
    report(await codes(session.fetch('/api'), session.getToken(), session.signIn({ email: 'a', password: 'b' }), session.signOut()));
    report([session.status, session.user ?? null, session.claims ?? null, session.expiresIn ?? null]);
    session.close();
    await settle();
    await clock.pass(300_000);
    report(clock.armed);
    report(uncaught.map(String));
  `);
  assert.deepEqual(before, ['pending', 'pending', 'pending']);
  assert.deepEqual(waiting, ['crashed', 'crashed', 'crashed']);
  assert.deepEqual(ready, ['crashed']);
  assert.deepEqual(later, ['crashed', 'crashed', 'crashed', 'crashed']);
  assert.deepEqual(state, ['closed', null, null, null]);
  assert.deepEqual(armed, []);
  assert.deepEqual(uncaught, []);
});

test('all sessions of the page are told, and none can be created any more', async () => {
  const [codesOf, next] = await crash(`
    const worlds = [await signedIn(t), await signedIn(t)];
    clock.sleep(100_000);
    for (const { server } of worlds) server.refresh = never;
    const calls = worlds.map(({ session }) => session.getToken());
    await settle();
    trap();
    report(await codes(...calls));
    const { session } = await open(t);
    report(await codes(session.ready, session.fetch('/api'), session.getToken(), session.signOut()));
  `);
  assert.deepEqual(codesOf, ['crashed', 'crashed']);
  assert.deepEqual(next, Array(4).fill('crashed'));
});

test('what happens to the page afterwards is ignored: events, timers, answers, collected garbage', async () => {
  const [sent, uncaught, rejections] = await crash(`
    const rejections = [];
    process.on('unhandledRejection', (error) => rejections.push(error));
    const page = openDocument(t);
    const answers = [];
    const { session, server } = await signedIn(t);
    server.refresh = () => new Promise((resolve, reject) => answers.push(resolve, reject));
    await clock.pass(51_001);
    assert.equal(server.refreshes.length, 2);
    trap();
    page.show(false);
    page.show(true);
    page.scope.dispatchEvent(new Event('focus'));
    page.document.byUser('keydown');
    answers[0](server.grant());
    await settle();
    await clock.pass(300_000);
    await settle();
    report(server.log.length);
    report(uncaught.map(String));
    report(rejections.map(String));
  `);
  assert.equal(sent, 2);
  assert.deepEqual(uncaught, []);
  assert.deepEqual(rejections, []);
});

test('a trap in the middle of a timer is reported once, and everything that waits is told', async () => {
  const [waiting, reported] = await crash(`
    const { session, server } = await signedIn(t);
    clock.sleep(100_000);
    server.refresh = never;
    const call = session.fetch('/api');
    await settle();
    // A defect in something that the module calls.
    const { now } = performance;
    performance.now = () => { throw new RangeError('no clock'); };
    try {
      await clock.pass(10_000);
    } catch (error) {
      uncaught.push(error);
    }
    performance.now = now;
    report(await codes(call, session.getToken()));
    report(uncaught.map(({ code, cause }) => [code, String(cause)]));
  `);
  assert.deepEqual(waiting, ['crashed', 'crashed']);
  assert.deepEqual(reported, [['crashed', 'RangeError: no clock']]);
});

test('a trap in the middle of a call rejects that call', async () => {
  const [results] = await crash(`
    const { session } = await signedIn(t);
    const { now } = performance;
    performance.now = () => { throw new RangeError('no clock'); };
    const calls = [session.fetch('/api'), session.getToken(), session.signOut(), session.signIn({ email: 'a', password: 'b' })];
    performance.now = now;
    report(await codes(...calls));
    session.close();
  `);
  assert.deepEqual(results, Array(4).fill('crashed'));
});

test('the error says what to do, and is not one to try again', async () => {
  const [error] = await crash(`
    const { session } = await signedIn(t);
    trap();
    const { error } = await outcome(session.getToken());
    const { name, code, retryable, message } = error;
    report({ name, code, retryable, message });
  `);
  assert.equal(error.name, 'SessionError');
  assert.equal(error.retryable, false);
  assert.match(error.message, /reload the page \(crashed\)$/);
});

test('what is installed over fetch lets other origins pass', async () => {
  const [results] = await crash(`
    const { session, server } = await signedIn(t);
    globalThis.fetch = server.fetch;
    session.install();
    trap();
    report(await Promise.all([
      fetch('https://other.test/').then(({ status }) => status),
      fetch('/api').catch(({ code }) => code),
    ]));
    session.uninstall();
    assert.equal((await fetch('/api')).status, 200);
  `);
  assert.deepEqual(results, [200, 'crashed']);
});

test('the lock that other tabs wait for is given back', async () => {
  const [before, after] = await crash(`
    globalThis.BroadcastChannel = class {
      postMessage() {}
      close() {}
    };
    let held = 0;
    const request = async (name, options, granted) => {
      held += 1;
      await granted({ name });
      held -= 1;
    };
    Object.defineProperty(globalThis, 'navigator', { value: { locks: { request } }, configurable: true });
    const { session, server } = await signedIn(t);
    server.refresh = never;
    clock.sleep(100_000);
    const waiting = session.getToken();
    await settle();
    report([held, ...(await codes(waiting))]);
    trap();
    await settle();
    report([held, ...(await codes(waiting))]);
  `);
  assert.deepEqual(before, [1, 'pending']);
  assert.deepEqual(after, [0, 'crashed']);
});
