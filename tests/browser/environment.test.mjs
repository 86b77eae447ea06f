// Where the package runs and what befalls it there: a worker, a strict policy, a module that cannot be
// loaded, and a page that is offline or reloaded. What is the same in every engine is in suite/.

import assert from 'node:assert/strict';

import { call, callAtOnce, events, openApp, openSignedIn, refreshes, signIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const WASM = '/npm/fiftyten/wasm/fiftyten_bg.wasm';
const APP = '/t/session.html';
const quick = { tokenLifetime: '6s', refreshIn: '3s' };

// ---- where it runs

scenario('a session lives in a dedicated worker', { server: quick }, async (world) => {
  const { proxy, server } = world;
  const page = await world.newPage('/t/worker.html');
  const ask = (question) => page.evaluate((question) => window.ask(question), question);
  await ask({ call: 'ready' });
  assert.equal((await ask({ call: 'look' })).status, 'signedout');
  assert.equal(await ask({ call: 'signIn', email: server.email, password: server.password }), undefined);
  const { status, user, name } = await ask({ call: 'look' });
  assert.deepEqual([status, name], ['signedin', 'Demo Clerk']);
  assert.ok(user);
  assert.equal(await ask({ call: 'fetch', path: '/api/me' }), 200);
  assert.equal(`Bearer ${await ask({ call: 'getToken' })}`, proxy.requests('/api/me').at(-1).headers.authorization);

  // It refreshes by itself, hidden page or not: a worker knows nothing of that.
  const timed = () => refreshes(world).filter(({ reason, status }) => reason === 'timer' && status === 200).length;
  await page.hide();
  await until(() => timed() >= 2, { what: 'two refreshes in the background', timeout: 15_000 });
  await page.show();
  assert.equal(await ask({ call: 'fetch', path: '/api/me' }), 200);
  assert.equal(assertNoneStale(world), 2);

  // Its session is ended elsewhere: it hears of that.
  const session = (await ask({ call: 'look' })).events.find(({ kind }) => kind === 'signedin').session;
  const headers = { 'content-type': 'application/json' };
  await fetch(`${proxy.url}/demo/end-elsewhere`, { method: 'POST', headers, body: JSON.stringify({ session }) });
  const out = async () => (await ask({ call: 'look' })).events.filter(({ kind }) => kind === 'signedout').slice(1);
  await until(async () => (await out()).length > 0, { what: 'the worker to be signed out', timeout: 10_000 });
  assert.deepEqual((await out()).map(({ reason }) => reason), ['session_revoked']);
  assert.equal((await ask({ call: 'getToken' })).error, 'signed_out');
  assert.equal(await page.evaluate(() => window.failed), undefined);
});

const STRICT = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; require-trusted-types-for 'script'";

scenario('a strict Content-Security-Policy with Trusted Types is no hindrance', { server: quick }, async (world) => {
  world.proxy.header(APP, { 'content-security-policy': STRICT });
  const page = await world.newPage();
  await page.runAtStart(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => violations.push([effectiveDirective, blockedURI]));
  });
  await page.goto(world.proxy.url + APP);
  await signIn(world, page);
  assert.equal((await call(page)).status, 200);
  await until(async () => (await events(page, 'refreshed')).length > 0, { what: 'a refresh' });
  // The icon is the test page's own.
  const violations = await page.evaluate(() => window.violations.filter(([directive]) => directive !== 'img-src'));
  assert.deepEqual(violations, []);
  // The policy is in force.
  assert.equal(await page.evaluate(() => {
    try {
      return document.createElement('p').innerHTML = '<b>text</b>';
    } catch (error) {
      return error.name;
    }
  }), 'TypeError');
});

scenario("without 'wasm-unsafe-eval' everything fails at once, and says what is missing", { server: quick }, async (world) => {
  world.proxy.header(APP, { 'content-security-policy': "default-src 'none'; script-src 'self'; connect-src 'self'" });
  const page = await openApp(world);
  const seen = await page.evaluate(async () => {
    const { session } = window.app;
    const told = (promise) => promise.then(
      () => ['it worked'],
      ({ name, code, retryable, message }) => [name, code, retryable, message.includes("'wasm-unsafe-eval'") && message.includes('script-src')],
    );
    const credentials = { email: 'a@b.example', password: 'p' };
    const all = [session.ready, session.fetch('/api/me'), session.getToken(), session.signIn(credentials), session.signOut()];
    return Promise.all(all.map(told));
  });
  for (const one of seen) assert.deepEqual(one, ['SessionError', 'wasm_blocked', false, true]);
  assert.equal(world.proxy.requests('/api/me').length, 0, 'no call left without a token');
  // A token is not needed everywhere: another origin's URL is none of the session's business.
  const other = await page.evaluate(() => window.app.session.fetch('data:text/plain,hello').catch((error) => error.name));
  assert.equal(other, 'TypeError', 'as the policy has it');
});

// ---- the module's way to the page

// How the app fares while the module is served like this, and after that.
for (const [what, fault, about] of [
  ['is not there', { status: 404 }, 'answered 404'],
  ['is a page of HTML', { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Not here' }, 'is not WebAssembly'],
  ['is cut off', { cut: 'middle' }, 'could not be loaded'],
  ['cannot be reached', { cut: 'before' }, 'could not be loaded'],
  ['is half of itself', { truncated: true }, 'is not WebAssembly'],
]) {
  scenario(`a module that ${what} is an error that says so, and is loaded when it is there`, { server: quick }, async (world) => {
    const { proxy } = world;
    await (await openSignedIn(world)).close();
    const spoilt = proxy.fault(WASM, fault);
    const page = await openApp(world);
    const seen = await page.evaluate(async () => {
      const error = await window.app.session.getToken().catch((error) => error);
      return { code: error.code, retryable: error.retryable, message: error.message, status: window.app.session.status };
    });
    assert.deepEqual([seen.code, seen.retryable, seen.status], ['wasm_unavailable', true, 'loading']);
    assert.ok(seen.message.includes(about) && seen.message.includes('fiftyten_bg.wasm'), seen.message);
    spoilt.remove();
    // By itself, and at the next call.
    await until(async () => (await status(page)) === 'signedin', { what: 'the module to be loaded by itself', timeout: 20_000 });
    assert.equal((await call(page)).status, 200);
    assert.deepEqual(page.console.filter(({ type }) => type === 'uncaught'), []);
  });
}

scenario('a module of another type is loaded all the same, and a call waits for one that is slow', { server: quick }, async (world) => {
  const { proxy } = world;
  const page = await openSignedIn(world);
  for (const type of ['application/octet-stream', 'text/html', 'application/wasm; charset=utf-8']) {
    proxy.header(WASM, { 'content-type': type });
    await page.reload();
    assert.equal((await call(page)).status, 200, type);
  }
  proxy.fault(WASM, { cut: 'middle' }, { times: 2 });
  await page.reload();
  // Loading it again takes as long as it takes: `ready` waits for no more than its limit.
  await page.evaluate(() => window.app.session.ready);
  await until(async () => (await status(page)) === 'signedin', { what: 'the module to be loaded by itself', timeout: 20_000 });
  proxy.fault(WASM, { delay: 1_500 }, { times: 1 });
  await page.reload();
  assert.deepEqual(await callAtOnce(page, 20), Array(20).fill(200));
  assert.equal(assertNoneStale(world), 23);
});

// ---- offline, reloaded, two of them

scenario('a page that tried in vain while it was offline recovers by itself, and a held call with it', { server: quick }, async (world) => {
  const page = await openSignedIn(world);
  await page.offline(true);
  await until(async () => (await page.evaluate(() => window.app.session.expiresIn)) === 0, { what: 'the token to run out' });
  assert.deepEqual((await events(page, 'degraded')).map(({ failure }) => failure), ['network']);
  assert.equal(await status(page), 'signedin');
  const held = callAtOnce(page, 5);
  await sleep(500);
  await page.offline(false);
  assert.deepEqual(await held, Array(5).fill(200));
  await until(async () => (await events(page, 'recovered')).length === 1, { what: 'recovery' });
  assert.equal(assertNoneStale(world), 5);
});

scenario('a reload keeps the user signed in', { server: quick }, async (world) => {
  const page = await openSignedIn(world);
  const id = () => page.evaluate(() => window.app.session.id);
  const before = await id();
  for (let time = 0; time < 3; time += 1) {
    await page.reload();
    // Made before anything is known.
    assert.equal((await call(page)).status, 200);
    assert.equal(await id(), before, 'the same session');
  }
  // One that is left in the midst of a refresh is no theft, and no end.
  world.proxy.fault('/auth/v1/refresh', { answerDelay: 3_000 }, { times: 1 });
  await page.reload();
  await until(() => refreshes(world).at(-1).status === null, { what: 'a refresh on its way' });
  await page.reload();
  assert.equal((await call(page)).status, 200);
  assert.equal(await id(), before, 'the same session');
  assert.deepEqual(await events(page, 'signedout'), []);
});

scenario('two tabs of one browser have one session, and end with it', { server: quick }, async (world) => {
  const options = { pollWhileHidden: true };
  const first = await openSignedIn(world, { options });
  const second = await openApp(world, { options });
  await second.evaluate(() => window.app.session.ready);
  assert.equal(await status(second), 'signedin', 'by the cookie alone');
  const ids = await Promise.all([first, second].map((page) => page.evaluate(() => window.app.session.id)));
  assert.equal(ids[0], ids[1]);
  await sleep(9_000);
  for (const page of [first, second]) {
    assert.deepEqual(await callAtOnce(page, 3), [200, 200, 200]);
    timely((await events(page, 'refreshed')).length >= 2);
  }
  await second.evaluate(() => window.app.session.signOut());
  assert.deepEqual((await events(second, 'signedout')).map(({ reason }) => reason), ['signed_out']);
  await until(async () => (await status(first)) === 'signedout', { what: 'the other tab to notice', timeout: 10_000 });
  assert.equal((await events(first, 'signedout')).at(-1).reason, 'signed_out');
  assert.equal(assertNoneStale(world), 6);
});
