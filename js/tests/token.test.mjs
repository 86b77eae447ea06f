import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { ORIGIN, clock, open, openDocument, outcome, problem, setBase, settle, signedIn, signedOut } from './world.mjs';

const bearers = (server) => server.calls.map(({ bearer }) => bearer);

test('a request carries the token, whatever form its arguments have', async (t) => {
  const { session, server } = await signedIn(t);
  const url = `${ORIGIN}/api/me`;
  const headers = { 'x-mine': '1' };
  await session.fetch('/api/me');
  await session.fetch(url);
  await session.fetch(new URL(url));
  await session.fetch(new Request(url));
  await session.fetch({ toString: () => url });
  await session.fetch('/api/me', undefined);
  await session.fetch('/api/me', null);
  await session.fetch('/api/me', {});
  await session.fetch('/api/me', { headers });
  await session.fetch('/api/me', { headers: new Headers(headers) });
  await session.fetch('/api/me', { headers: [['x-mine', '1']] });
  await session.fetch('/api/me', { headers: new Map([['x-mine', '1']]) });
  await session.fetch('/api/me', Object.assign(Object.create({ headers }), {}));
  await session.fetch(new Request(url, { headers }));
  await session.fetch(new Request(url), { headers });
  await session.fetch('/api/me', { method: 'POST', body: 'x', headers });
  assert.deepEqual(new Set(bearers(server)), new Set([`Bearer ${server.latest}`]));
  assert.equal(server.calls.length, 16);
  assert.equal(new Set(server.calls.map((call) => call.url)).size, 1);
  assert.deepEqual(
    server.calls.slice(8).map((call) => call.headers.get('x-mine')),
    Array(8).fill('1'),
  );
  assert.deepEqual(headers, { 'x-mine': '1' });
});

test("a caller's own Authorization is left alone", async (t) => {
  const { session, server } = await signedIn(t);
  const mine = [
    { authorization: 'Basic x' },
    { AuthoriZation: 'Basic x' },
    new Headers({ Authorization: 'Basic x' }),
    [['AUTHORIZATION', 'Basic x']],
  ];
  for (const headers of mine) {
    await session.fetch('/api', { headers });
    await session.fetch(new Request(`${ORIGIN}/api`, { headers }));
    await session.fetch(new Request(`${ORIGIN}/api`, { headers: { authorization: 'Other y' } }), { headers });
  }
  assert.deepEqual(new Set(bearers(server)), new Set(['Basic x']));
});

test("a 401 to a caller's own Authorization is theirs", async (t) => {
  const { session, server } = await signedIn(t);
  server.api = () => problem(401, 'invalid_token');
  assert.equal((await session.fetch('/api', { headers: { authorization: 'Basic x' } })).status, 401);
  assert.equal((await session.fetch(new Request(`${ORIGIN}/api`, { headers: { authorization: 'Basic x' } }))).status, 401);
  assert.equal(server.calls.length, 2);
  assert.deepEqual(server.reasons, ['start']);
});

test('signed out, a request goes as it is', async (t) => {
  const { session, server } = await signedOut(t);
  const init = { headers: { 'x-mine': '1' } };
  await session.fetch('/api', init);
  await session.fetch(new Request(`${ORIGIN}/api`));
  await session.fetch('/api', { method: 'POST', body: new URLSearchParams('a=1') });
  assert.deepEqual(bearers(server), [null, null, null]);
  assert.equal(server.calls[0].args[1], init);
});

test('a request made before the first answer waits for it, and goes as it is if nobody is signed in', async (t) => {
  const { session, server } = await open(t, {}, (server) => (server.refresh = () => problem(401, 'no_session')));
  const response = await clock.within(session.fetch('/api'));
  assert.equal(response.status, 200);
  assert.deepEqual(bearers(server), [null]);
  assert.deepEqual(
    server.log.map(({ path }) => path.split('?')[0]),
    ['/auth/v1/refresh', '/api'],
  );
});

const TO_OURS = [
  '/api',
  '/',
  '',
  'api',
  './api',
  '../api',
  '?q',
  '#f',
  'https:/api',
  'https:api',
  `${ORIGIN}`,
  `${ORIGIN}/`,
  `${ORIGIN}:443/api`,
  'HTTPS://APP.TEST/api',
  'hTTps://aPP.teST:443/x',
  '\t/api',
  ' /api',
  '/a\n/b',
  '//app.test/x',
  '/\\app.test/x',
  '/%09/evil.test',
  '/%5cevil.test',
  '/.//evil.test',
  '/a//evil.test',
  '/@evil.test',
  '/\u0010/evil.test',
  '/1',
  '/a/../../../..//evil.test/',
  'https://app.test/https://evil.test',
  'https://app.test?https://evil.test',
];

const TO_OTHERS = [
  'https://evil.test/api',
  'https://app.test:444/api',
  'https://app.test:80/api',
  'http://app.test/api',
  'http://app.test:443/api',
  '//evil.test',
  '//evil.test/api',
  '/\\evil.test',
  '\\\\evil.test',
  '\\/evil.test',
  '/\t/evil.test',
  '/\n/evil.test',
  '/\r\\evil.test',
  '\t//evil.test',
  ' //evil.test',
  '\u0000//evil.test',
  'https:\\\\evil.test',
  'https:/\t/evil.test',
  '///evil.test',
  'https://app.test.evil.test/',
  'https://app.test.evil.test\\@app.test/',
  'https://evilapp.test/',
  'https://sub.app.test/',
  'https://app.test./',
  'https://app.tes\u0074.evil.test/',
  'https://evil.test/https://app.test/',
  'https://evil.test#@app.test/',
  'https://evil.test\\@app.test/',
  'https://app.test%2eevil.test/',
  'https://\u0430pp.test/', // a Cyrillic letter
  'https://xn--pp-7ka.test/',
  'wss://app.test/',
  'ftp://app.test/',
];

// The way a URL comes to `fetch`: as a text, a URL or a Request.
const FORMS = [(text) => text, (text) => new URL(text, location.href), (text) => new Request(text), (text) => ({ toString: () => text })];

test('requests to the own origin carry the token however they are written', async (t) => {
  const { session, server } = await signedIn(t);
  for (const text of TO_OURS) {
    for (const form of FORMS) {
      server.log.length = 0;
      await session.fetch(form(text));
      assert.equal(server.log.length, 1, JSON.stringify(text));
      assert.equal(server.log[0].bearer, `Bearer ${server.latest}`, JSON.stringify(text));
      assert.equal(new URL(server.log[0].url).origin, ORIGIN);
    }
  }
});

test('requests to other origins do not carry it however they are disguised', async (t) => {
  const { session, server } = await signedIn(t);
  for (const text of TO_OTHERS) {
    for (const form of FORMS) {
      server.log.length = 0;
      await session.fetch(form(text));
      assert.equal(server.log.length, 1, JSON.stringify(text));
      assert.equal(server.log[0].bearer, null, JSON.stringify(text));
      assert.notEqual(new URL(server.log[0].url).origin, ORIGIN, JSON.stringify(text));
    }
  }
});

test('a URL with credentials in it is refused, as fetch does, or goes elsewhere without the token', async (t) => {
  const { session, server } = await signedIn(t);
  for (const url of ['https://user@app.test/', 'https://user:pass@app.test/', 'https://app.test@evil.test/', 'https://app.test:443@evil.test/']) {
    const seen = await outcome(session.fetch(url));
    assert.ok(seen.error instanceof TypeError, url);
  }
  assert.deepEqual(bearers(server), []);
});

test('blob: and data: URLs never carry it, though a blob has the origin of the page', async (t) => {
  const { session, server } = await signedIn(t);
  assert.equal(new URL(`blob:${ORIGIN}/1`).origin, ORIGIN);
  for (const url of [`blob:${ORIGIN}/5b5f`, 'data:text/plain,x', 'about:blank', 'javascript:1', 'file:///etc/passwd']) {
    await session.fetch(url);
    await session.fetch(new URL(url));
    await session.fetch(new Request(url));
  }
  assert.deepEqual(new Set(bearers(server)), new Set([null]));
  assert.equal(server.calls.length, 15);
});

test('allowed origins carry it, by scheme, host and port', async (t) => {
  const { session, server } = await signedIn(t, {
    allowedOrigins: ['https://api.app.test', new URL('https://b\u00fccher.test:8443'), 'http://localhost:3000/'],
  });
  const expected = {
    'https://api.app.test/x': true,
    'https://API.app.test:443/x': true,
    'https://b\u00fccher.test:8443/': true,
    'https://xn--bcher-kva.test:8443/': true,
    'https://B\u00dcCHER.test:8443/': true,
    'http://localhost:3000/x': true,
    '/still-ours': true,
    'http://api.app.test/x': false,
    'https://api.app.test:8443/x': false,
    'https://b\u00fccher.test/': false,
    'https://bucher.test:8443/': false,
    'https://localhost:3000/': false,
    'http://localhost:3001/': false,
    'http://127.0.0.1:3000/': false,
    'https://v2.api.app.test/': false,
  };
  for (const [url, carries] of Object.entries(expected)) {
    server.log.length = 0;
    await session.fetch(url);
    assert.equal(server.log[0].bearer !== null, carries, url);
  }
});

test('a base element that points elsewhere takes relative requests there without the token', async (t) => {
  openDocument(t);
  const { session, server } = await signedIn(t);
  t.after(() => setBase(location.href));
  await session.fetch('/api');
  setBase('https://cdn.test/assets/');
  await session.fetch('/api');
  await session.fetch('api');
  await session.fetch(`${ORIGIN}/api`);
  setBase(`${ORIGIN}/deep/er/`);
  await session.fetch('/api');
  await session.fetch('api');
  assert.deepEqual(
    server.calls.map(({ url, bearer }) => [url, bearer !== null]),
    [
      [`${ORIGIN}/api`, true],
      ['https://cdn.test/api', false],
      ['https://cdn.test/assets/api', false],
      [`${ORIGIN}/api`, true],
      [`${ORIGIN}/api`, true],
      [`${ORIGIN}/deep/er/api`, true],
    ],
  );
});

test('a URL that says something else at each reading gets no token for the wrong host', async (t) => {
  const { session, server } = await signedIn(t);
  let readings = 0;
  const twoFaced = { toString: () => ((readings += 1) % 2 ? `${ORIGIN}/api` : 'https://evil.test/') };
  for (let round = 0; round < 3; round += 1) await session.fetch(twoFaced);
  for (const { url, bearer } of server.calls) assert.equal(bearer !== null, url.startsWith(ORIGIN), url);
});

test('a Request of another realm gets no token for the wrong host', async (t) => {
  // What a frame's `new Request('https://evil.test/')` is to this page: no instance of its
  // Request, and yet the browser's fetch takes it for one.
  const foreign = new Request('https://evil.test/');
  const here = globalThis.Request;
  const { session, server } = await signedIn(t);
  t.after(() => (globalThis.Request = here));
  globalThis.Request = class extends here {
    static [Symbol.hasInstance](value) {
      return value !== foreign && here[Symbol.hasInstance](value);
    }
  };
  await session.fetch(foreign);
  await session.fetch(foreign, {});
  assert.deepEqual(
    server.calls.map(({ url, bearer }) => [url, bearer]),
    [
      ['https://evil.test/', null],
      ['https://evil.test/', null],
    ],
  );
});

test('objects of another realm are read by the browser', async (t) => {
  const { session, server } = await signedIn(t);
  const init = vm.runInNewContext(`({ method: 'PUT', body: 'x', headers: { 'x-mine': '1' } })`);
  const mine = vm.runInNewContext(`({ headers: { Authorization: 'Basic x' } })`);
  await session.fetch('/api', init);
  await session.fetch('/api', mine);
  assert.equal(server.calls[0].method, 'PUT');
  assert.equal(server.calls[0].headers.get('x-mine'), '1');
  assert.deepEqual(bearers(server), [`Bearer ${server.latest}`, 'Basic x']);
});

test("the session's own calls are left alone, even when an application makes them", async (t) => {
  const { session, server } = await signedIn(t);
  const token = server.latest;
  server.log.length = 0;
  const init = { headers: { 'x-fiftyten': '1' }, credentials: 'include' };
  await session.fetch('/auth/v1/sessions', init);
  await session.fetch(`${ORIGIN}/auth/v1/sessions/s2`, { ...init, method: 'DELETE' });
  await session.fetch(new Request(`${ORIGIN}/auth/v1/sessions`, init));
  assert.deepEqual(
    server.log.map(({ url, bearer }) => [url.slice(ORIGIN.length), bearer]),
    [
      ['/auth/v1/sessions', null],
      ['/auth/v1/sessions/s2', null],
      ['/auth/v1/sessions', null],
    ],
  );
  await session.fetch('/auth/v1');
  await session.fetch('/authority/v1/x');
  assert.deepEqual(bearers(server), [`Bearer ${token}`, `Bearer ${token}`]);
});

test('no-cors requests are left alone: their headers cannot carry it', async (t) => {
  const { session, server } = await signedIn(t);
  await session.fetch('/api', { mode: 'no-cors' });
  await session.fetch(new Request(`${ORIGIN}/api`, { mode: 'no-cors' }));
  clock.sleep(100_000);
  await clock.within(session.fetch('/api', { mode: 'no-cors' }));
  assert.deepEqual(bearers(server), [null, null, null]);
  assert.deepEqual(server.reasons, ['start']);
});

test('everything that init says arrives', async (t) => {
  const { session, server } = await signedIn(t);
  const said = {
    method: 'PATCH',
    cache: 'reload',
    credentials: 'omit',
    redirect: 'manual',
    referrerPolicy: 'no-referrer',
    integrity: 'sha256-AAAA',
    mode: 'same-origin',
  };
  for (const extra of [{}, { keepalive: true }, { headers: [] }]) {
    server.log.length = 0;
    await session.fetch('/api', { ...said, ...extra });
    const [{ request, bearer }] = server.calls;
    for (const [name, value] of Object.entries(said)) assert.equal(request[name], value, name);
    assert.equal(request.keepalive, extra.keepalive ?? false);
    assert.equal(bearer, `Bearer ${server.latest}`);
  }
});

test('what the arguments refuse is a rejection, as it is with fetch, and never an exception', async (t) => {
  const { session, server } = await signedIn(t);
  const throwing = {
    get body() {
      throw new RangeError('no body');
    },
  };
  const bad = [
    ['/api', 5],
    ['/api', 'x'],
    ['/api', { method: 'CONNECT' }],
    ['/api', { method: 'in valid' }],
    ['/api', { method: 'GET', body: 'x' }],
    ['/api', { headers: 5 }],
    ['/api', { headers: { 'in valid': 'x' } }],
    ['/api', { headers: { authorization: 'in\nvalid' } }],
    ['/api', { headers: [['one']] }],
    ['/api', { mode: 'navigate' }],
    ['/api', { signal: {} }],
    ['/api', { body: new ReadableStream(), method: 'POST' }],
    ['/api', throwing],
    ['https://[', {}],
    ['https://evil.test', 5],
    [Symbol('x'), {}],
    [{ toString: () => assert.fail('read') }, {}],
  ];
  for (const [input, init] of bad) {
    let promise;
    assert.doesNotThrow(() => (promise = session.fetch(input, init)));
    assert.ok(promise instanceof Promise);
    assert.ok((await outcome(promise)).error instanceof Error, `${typeof input}, ${typeof init}`);
  }
  assert.equal(server.calls.length, 0);
});

test('a fetch given as an option that throws is a rejection too', async (t) => {
  let server;
  const fetch = (...args) => {
    if (String(args[0]).includes('/boom')) throw new RangeError('boom');
    return server.fetch(...args);
  };
  const { session } = await signedIn(t, { fetch }, (made) => (server = made));
  for (const url of ['/boom', 'https://evil.test/boom']) {
    let promise;
    assert.doesNotThrow(() => (promise = session.fetch(url)));
    assert.ok((await outcome(promise)).error instanceof RangeError);
  }
});

test('a fetch that must be called as a function is called as one', async (t) => {
  let server;
  const fetch = function (...args) {
    // As a browser's own does.
    if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation');
    return server.fetch(...args);
  };
  const { session } = await signedIn(t, { fetch }, (made) => (server = made));
  assert.equal((await session.fetch('/api')).status, 200);
  assert.equal((await session.fetch(new Request(`${ORIGIN}/api`))).status, 200);
});

test('fetch works without its object', async (t) => {
  const { session, server } = await signedIn(t);
  const { fetch } = session;
  await fetch('/api');
  assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
});

test('getToken gives the token for what fetch cannot carry', async (t) => {
  const { session, server } = await signedIn(t);
  assert.equal(await session.getToken(), server.latest);
});

test('getToken rejects while nobody is signed in', async (t) => {
  const { session } = await signedOut(t);
  const { error } = await outcome(session.getToken());
  assert.equal(error.code, 'signed_out');
  assert.equal(error.retryable, false);
  assert.equal(error.name, 'SessionError');
});

test("a rejection of the network's is the caller's, unchanged", async (t) => {
  const { session, server } = await signedIn(t);
  const cause = new TypeError('Failed to fetch');
  server.api = () => Promise.reject(cause);
  assert.equal((await outcome(session.fetch('/api'))).error, cause);
  assert.equal((await outcome(session.fetch(new Request(`${ORIGIN}/api`)))).error, cause);
  assert.deepEqual(server.reasons, ['start']);
});

test('a token inside the flight margin is not sent: it might be dead on arrival', async (t) => {
  const { session, server } = await signedIn(t);
  const first = server.latest;
  clock.sleep(58_000);
  await clock.within(session.fetch('/api'));
  assert.notEqual(server.calls[0].bearer, `Bearer ${first}`);
  assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
});

test('a token that is overdue but good is sent at once, and renewed behind the request', async (t) => {
  const { session, server } = await signedIn(t);
  const first = server.latest;
  clock.sleep(55_000);
  await clock.within(session.fetch('/api'));
  await settle();
  assert.equal(server.calls[0].bearer, `Bearer ${first}`);
  assert.equal(server.refreshes.length, 2);
});

test('where refreshing fails, a token is used down to its last moment', async (t) => {
  const { session, server } = await signedIn(t);
  server.refresh = () => new Response('', { status: 500 });
  await clock.pass(59_500);
  await clock.within(session.fetch('/api'));
  assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
  const late = session.fetch('/api');
  await clock.pass(500);
  const dead = session.fetch('/api');
  assert.equal(await outcome(dead), 'pending');
  assert.equal((await clock.within(late)).status, 200);
  await clock.pass(10_000);
  assert.equal((await outcome(dead)).error.code, 'timeout');
});
