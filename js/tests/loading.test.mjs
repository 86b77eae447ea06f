// The loading of the module, from a server that is slow or comes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { child } from './child.mjs';

// A page whose module comes from `answer`, a function of the number of the request.
const page = (body) => child(`
  const { clock, settle, outcome, outcomes, open, never, WASM, Server, ORIGIN } = await import('./world.mjs');
  const t = { after() {} };
  let loads = 0;
  const module = () => new Response(WASM, { headers: { 'content-type': 'application/octet-stream' } });
  const serve = (answer) => (globalThis.fetch = async (url, init) => answer((loads += 1), url, init));
  const wait = async (done) => { for (let n = 0; n < 500 && !done(); n += 1) await settle(); };
  ${body}
`);

test('a load that fails is tried again by itself', async () => {
  const [first, last] = await page(`
    serve((n) => (n < 3 ? Promise.reject(new TypeError('offline')) : module()));
    const { session } = await open(t, { wasm: '/m.wasm' });
    await settle();
    await clock.pass(999);
    report([session.status, loads]);
    await clock.pass(2_001);
    await wait(() => session.status === 'signedin');
    report([session.status, loads]);
    session.close();
  `);
  assert.deepEqual(first, ['loading', 1]);
  assert.deepEqual(last, ['signedin', 3]);
});

test('a load that goes on failing is tried less and less often', async () => {
  const [tries] = await page(`
    const tries = [];
    serve(() => (tries.push(clock.now()), Promise.reject(new TypeError('offline'))));
    const { session } = await open(t, { wasm: '/m.wasm' });
    await settle();
    await clock.pass(125_000);
    session.close();
    report(tries.map((at) => at - tries[0]));
  `);
  assert.deepEqual(tries, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000, 121_000]);
});

test('a load that fails is tried again by the next call', async () => {
  const [first, second, loads] = await page(`
    serve((n) => (n < 2 ? new Response('', { status: 503 }) : module()));
    const { session, server } = await open(t, { wasm: '/m.wasm' });
    report((await outcome(session.fetch('/api'))).error.code);
    const response = await clock.within(session.fetch('/api'));
    report(response.status);
    await clock.pass(60_000);
    report(loads);
    session.close();
  `);
  assert.equal(first, 'wasm_unavailable');
  assert.equal(second, 200);
  assert.equal(loads, 2);
});

test('another session may bring a better module', async () => {
  const [first, second] = await page(`
    const broken = await open(t, { wasm: new Uint8Array(8) });
    report((await outcome(broken.session.getToken())).error.code);
    const { session } = await open(t);
    await clock.within(session.ready);
    report(session.status);
    session.close();
    broken.session.close();
  `);
  assert.equal(first, 'wasm_unavailable');
  assert.equal(second, 'signedin');
});

test('every form of the module is taken', async () => {
  const forms = {
    bytes: 'WASM',
    buffer: 'new Uint8Array(WASM).buffer',
    module: 'await WebAssembly.compile(WASM)',
    response: 'module()',
    promise: 'Promise.resolve(module())',
    text: '"/m.wasm"',
    url: 'new URL("https://app.test/m.wasm")',
    request: 'new Request("https://app.test/m.wasm")',
    nothing: 'undefined',
  };
  const seen = await Promise.all(
    Object.values(forms).map((form) =>
      page(`
        serve(() => module());
        const { session } = await open(t, { wasm: ${form} });
        await clock.within(session.ready);
        await wait(() => session.status === 'signedin');
        report(session.status);
        session.close();
      `),
    ),
  );
  assert.deepEqual(new Set(seen.flat()), new Set(['signedin']));
});

test('installed at once, the load of the module does not wait for the module', async () => {
  const [status, urls, call] = await page(`
    const urls = [];
    serve((n, url) => (urls.push(String(url)), module()));
    // The module stands on the page's own origin, whose requests carry tokens.
    const { createSession } = await import('../index.js');
    const session = createSession({ wasm: ORIGIN + '/assets/m.wasm', fetch: new Server().fetch });
    session.install();
    await clock.within(session.ready);
    report(session.status);
    report(urls);
    session.uninstall();
    report((await clock.within(session.fetch('/api'))).status);
    session.close();
  `);
  assert.equal(status, 'signedin');
  assert.deepEqual(urls, ['https://app.test/assets/m.wasm']);
  assert.equal(call, 200);
});

test('one limit holds for the loading of the module and the wait for the token', async () => {
  const [states, error] = await page(`
    let load;
    const { session, server } = await open(t, { wasm: new Promise((resolve) => (load = resolve)) });
    server.refresh = never;
    const calls = [session.fetch('/api'), session.getToken()];
    await outcomes(...calls);
    await clock.pass(9_000);
    load(WASM);
    await wait(() => server.refreshes.length === 1);
    const states = [];
    await clock.pass(999);
    states.push(...(await outcomes(...calls)));
    report(states);
    await clock.pass(1);
    report((await outcomes(...calls)).map(({ error }) => [error?.code, error?.message]));
    session.close();
    assert.deepEqual(clock.armed, []);
  `);
  assert.deepEqual(states, ['pending', 'pending']);
  for (const [code, message] of error) {
    assert.equal(code, 'timeout');
    assert.doesNotMatch(message, /loading/);
  }
});

test('closing while the module loads settles everything at once, and nothing is sent', async () => {
  const [pending, codes, ready, after] = await page(`
    let load;
    const { session, server } = await open(t, { wasm: new Promise((resolve) => (load = resolve)) });
    const { signal } = new AbortController();
    const calls = [session.fetch('/api', { signal }), session.getToken(), session.signIn({ email: 'a', password: 'b' }), session.signOut()];
    report(await outcomes(...calls));
    session.close();
    report((await outcomes(...calls)).map(({ error }) => error?.code));
    report(await outcome(session.ready));
    load(WASM);
    await settle();
    await clock.pass(60_000);
    report([session.status, server.log.length, clock.armed.length]);
  `);
  assert.deepEqual(pending, Array(4).fill('pending'));
  assert.deepEqual(codes, Array(4).fill('closed'));
  assert.deepEqual(ready, {});
  assert.deepEqual(after, ['closed', 0, 0]);
});

test('an abort while the module loads rejects with the reason, and leaves no listener', async () => {
  const [before, during, left, other] = await page(`
    const { getEventListeners } = await import('node:events');
    let load;
    const { session, server } = await open(t, { wasm: new Promise((resolve) => (load = resolve)) });
    const reasons = async (...promises) => (await outcomes(...promises)).map(({ error }) => String(error));
    const gone = AbortSignal.abort('gone');
    report(await reasons(session.fetch('/1', { signal: gone }), session.getToken({ signal: gone })));
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [session.fetch('/2', { signal }), session.getToken({ signal })];
    const { signal: unused } = new AbortController();
    const patient = session.getToken({ signal: unused });
    await outcomes(...calls);
    assert.ok(getEventListeners(unused, 'abort').length > 0);
    controller.abort('now');
    report(await reasons(...calls));
    load(WASM);
    await clock.within(patient);
    report([getEventListeners(unused, 'abort').length, clock.armed.length]);
    report(server.calls.map(({ path }) => path));
    session.close();
  `);
  assert.deepEqual(before, ['gone', 'gone']);
  assert.deepEqual(during, ['now', 'now']);
  assert.deepEqual(left, [0, 1]);
  assert.deepEqual(other, []);
});

test('closing while a load is failing ends it', async () => {
  const [code, after] = await page(`
    let fail;
    serve(() => new Promise((resolve, reject) => (fail = reject)));
    const { session } = await open(t, { wasm: '/m.wasm' });
    await settle();
    session.close();
    fail(new TypeError('offline'));
    await settle();
    report((await outcome(session.signIn({ email: 'a', password: 'b' }))).error.code);
    await clock.pass(120_000);
    report([loads, clock.armed.length]);
  `);
  assert.equal(code, 'closed');
  assert.deepEqual(after, [1, 0]);
});

test('closing between two tries to load ends them', async () => {
  const [before, after] = await page(`
    serve(() => Promise.reject(new TypeError('offline')));
    const { session } = await open(t, { wasm: '/m.wasm' });
    await settle();
    await clock.pass(1_500);
    report(loads);
    session.close();
    await settle();
    await clock.pass(120_000);
    report([loads, clock.armed.length]);
  `);
  assert.equal(before, 2);
  assert.deepEqual(after, [2, 0]);
});

test('a second session uses the module that is there', async () => {
  const [loads] = await page(`
    serve(() => module());
    const one = await open(t, { wasm: '/m.wasm' });
    const two = await open(t, { wasm: '/m.wasm' });
    await clock.within(Promise.all([one.session.ready, two.session.ready]));
    report(loads);
    assert.equal((await clock.within(one.session.fetch('/api'))).status, 200);
    one.session.close();
    assert.equal((await clock.within(two.session.fetch('/api'))).status, 200);
    assert.equal(two.server.calls[0].bearer, 'Bearer ' + two.server.latest);
    two.session.close();
  `);
  assert.equal(loads, 1);
});
