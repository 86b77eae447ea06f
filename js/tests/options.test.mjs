import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ORIGIN, Server, WASM, clock, open, settle, signedIn } from './world.mjs';

const { createSession, SessionError } = await import('../index.js');

// Bad values, and what the error must say of each.
const BAD = {
  url: [
    5,
    null,
    true,
    {},
    [],
    Object.create(null),
    Symbol('x'),
    'javascript:alert(1)',
    'data:text/plain,x',
    'blob:https://app.test/x',
    'ftp://app.test/auth',
    'file:///auth',
    'https://',
    'https://[',
    'http://a b/',
    'https://user@app.test/auth',
    'https://user:pass@app.test/auth',
    '/auth?x=1',
    '/auth#x',
    new URL('https://app.test/auth?x'),
  ],
  allowedOrigins: [
    'https://api.app.test',
    5,
    null,
    {},
    new Set(['https://api.app.test']),
    [5],
    [null],
    [undefined],
    [''],
    ['api.app.test'],
    ['*'],
    ['https://*.app.test'],
    ['https://api.app.test/v1'],
    ['https://api.app.test/?x'],
    ['https://api.app.test/#x'],
    ['https://user@api.app.test'],
    ['null'],
    ['javascript:1'],
    ['//api.app.test'],
    ['/api'],
    ['https://good.test', 'bad'],
    [['https://api.app.test']],
  ],
  pollWhileHidden: [0, 1, 'true', null, {}],
  requestLimit: [0, -1, -0.5, 0.5, 1e9, 3_600_001, NaN, Infinity, -Infinity, '10000', null, {}, 10n, new Date()],
  readyLimit: [0, -1, 0.5, 2 ** 31, NaN, Infinity, '4000', null, [], 4n],
  fetch: [5, null, 'fetch', {}, Promise.resolve()],
  wasm: [5, null, true, () => {}, Symbol('x'), 5n],
};

for (const [name, values] of Object.entries(BAD)) {
  test(`a bad value for ${name} is refused by name, with what it must be`, () => {
    for (const value of values) {
      let error;
      try {
        createSession({ [name]: value }).close();
      } catch (caught) {
        error = caught;
      }
      assert.ok(error instanceof SessionError, `${typeof value}: ${error}`);
      assert.equal(error.code, 'invalid_option');
      assert.equal(error.retryable, false);
      assert.match(error.message, new RegExp(`^${name} must be .+; it is .+ \\(invalid_option\\)$`));
      assert.ok(!/pass|user/.test(error.message), error.message);
      assert.ok(error.message.length < 300);
    }
  });
}

test('the error shows the value, without what should not be in a log, and not all of it', () => {
  assert.throws(() => createSession({ url: 'https://me:hunter2@app.test/' }), ({ message }) => {
    assert.ok(!message.includes('hunter2') && !message.includes('me:'), message);
    return message.includes('it is "https://app.test/"');
  });
  assert.throws(() => createSession({ requestLimit: -5 }), /it is -5/);
  assert.throws(() => createSession({ requestLimit: null }), /it is Null/);
  assert.throws(() => createSession({ allowedOrigins: ['x'.repeat(1_000_000)] }), ({ message }) => message.length < 300);
});

test('an unknown option is refused, and the known ones are named', () => {
  for (const name of ['URL', 'baseUrl', 'allowedorigins', 'toString', '', 'x'.repeat(100_000)]) {
    assert.throws(() => createSession({ [name]: 1 }), ({ code, message }) => {
      assert.ok(message.includes('url, allowedOrigins, pollWhileHidden, requestLimit, readyLimit, fetch, wasm'), message);
      return code === 'invalid_option' && message.length < 400;
    });
  }
  assert.throws(() => createSession(JSON.parse('{"__proto__": {}}')), { code: 'invalid_option' });
});

test('options that are no object are refused', () => {
  for (const options of [null, 5, 'https://app.test', true, () => {}, Symbol('x')]) {
    assert.throws(() => createSession(options), ({ code, message }) => code === 'invalid_option' && /object of options/.test(message));
  }
});

test('nothing has begun when an option is refused', async () => {
  const server = new Server();
  assert.throws(() => createSession({ wasm: WASM, fetch: server.fetch, requestLimit: 0 }));
  await settle();
  assert.deepEqual(server.log, []);
  assert.deepEqual(clock.armed, []);
});

test('undefined is the default', async (t) => {
  const { server } = await signedIn(t, {
    url: undefined,
    allowedOrigins: undefined,
    pollWhileHidden: undefined,
    requestLimit: undefined,
    readyLimit: undefined,
  });
  assert.equal(server.refreshes[0].url, `${ORIGIN}/auth/v1/refresh?reason=start&active=0`);
});

test('the URL of the server may be a path, a text or a URL, with or without a slash behind it', async (t) => {
  const expected = {
    '/auth': 'https://app.test/auth',
    '/auth/': 'https://app.test/auth',
    '/auth//': 'https://app.test/auth',
    '/': 'https://app.test',
    '/a/b': 'https://app.test/a/b',
    '/auth?': 'https://app.test/auth',
    '/auth#': 'https://app.test/auth',
    'https://id.app.test': 'https://id.app.test',
    'HTTPS://ID.app.test:443/x/': 'https://id.app.test/x',
    'http://localhost:8080/auth': 'http://localhost:8080/auth',
  };
  for (const [given, base] of Object.entries(expected)) {
    for (const url of [given, new URL(given, location.href)]) {
      const { session, server } = await open(t, { url });
      await settle();
      assert.ok(server.log[0].url.startsWith(`${base}/v1/refresh?`), `${given}: ${server.log[0].url}`);
      session.close();
    }
  }
});

test('options are read once: what changes them later changes nothing', async (t) => {
  const origins = ['https://api.app.test'];
  const { session, server } = await signedIn(t, { allowedOrigins: origins });
  origins[0] = 'https://evil.test';
  await session.fetch('https://evil.test/');
  await session.fetch('https://api.app.test/');
  assert.deepEqual(server.calls.map(({ bearer }) => bearer !== null), [false, true]);
});
