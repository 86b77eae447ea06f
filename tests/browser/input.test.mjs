// Bad input, in a real page: from the app, from the server, and from the module itself. Each is a typed
// error that says what to do; nothing hangs, and nothing breaks.

import assert from 'node:assert/strict';

import { call, events, openApp, openSignedIn, refreshes, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { sleep, until } from './wait.mjs';

const server = {};
const REFRESH = '/auth/v1/refresh';

const uncaught = (page) => page.console.filter(({ type }) => type === 'uncaught' || type === 'crash');

// ---- from the app

// What each bad set of options is, as an expression, and what the error must speak of.
const badOptions = {
  'null': 'the argument',
  '42': 'the argument',
  '"/auth"': 'the argument',
  '() => ({})': 'the argument',
  '["/auth"]': 'there is no option 0',
  '{ URL: "/auth" }': 'there is no option URL',
  '{ url: 42 }': 'url',
  '{ url: "" }': 'url',
  '{ url: "http://" }': 'url',
  '{ url: "ftp://localhost/auth" }': 'url',
  '{ url: "javascript:alert(1)" }': 'url',
  '{ url: "/auth?x=1" }': 'url',
  '{ url: "https://user:secret@localhost/auth" }': 'url',
  '{ url: { toString: () => "/auth" } }': 'url',
  '{ allowedOrigins: "https://api.example.com" }': 'allowedOrigins',
  '{ allowedOrigins: ["*"] }': 'allowedOrigins',
  '{ allowedOrigins: ["https://api.example.com/v1"] }': 'allowedOrigins',
  '{ allowedOrigins: [null] }': 'allowedOrigins',
  '{ requestLimit: 0 }': 'requestLimit',
  '{ requestLimit: -1 }': 'requestLimit',
  '{ requestLimit: NaN }': 'requestLimit',
  '{ requestLimit: Infinity }': 'requestLimit',
  '{ requestLimit: 2 ** 31 }': 'requestLimit',
  '{ requestLimit: 10n }': 'requestLimit',
  '{ readyLimit: "4s" }': 'readyLimit',
  '{ pollWhileHidden: "no" }': 'pollWhileHidden',
  '{ fetch: "fetch" }': 'fetch',
  '{ wasm: null }': 'wasm',
  '{ wasm: 7 }': 'wasm',
};

scenario('bad options are refused at once, by name', { server }, async (world) => {
  const page = await world.newPage('/t/plain.html');
  await page.evaluate(async () => {
    window.createSession = (await import('/npm/fiftyten/index.js')).createSession;
  });
  for (const [options, about] of Object.entries(badOptions)) {
    const error = await page.evaluate((options) => {
      try {
        window.createSession((0, eval)(`(${options})`));
        return { message: 'it was accepted' };
      } catch ({ name, code, retryable, message }) {
        return { name, code, retryable, message };
      }
    }, options);
    assert.deepEqual([error.name, error.code, error.retryable], ['SessionError', 'invalid_option', false], `${options}: ${error.message}`);
    assert.ok(error.message.startsWith(about), `${options}: ${error.message}`);
    assert.ok(!error.message.includes('secret'), 'no password in the text of an error');
  }
  assert.deepEqual(refreshes(world), [], 'nothing was started');
  // An option that is undefined is not there.
  assert.equal(await page.evaluate(() => {
    const session = window.createSession({ url: undefined, requestLimit: undefined, wasm: undefined });
    return session.ready.then(() => session.status);
  }), 'signedout');
  assert.deepEqual(uncaught(page), []);
});

const MEGABYTE = 1_000_000;

scenario('credentials of every kind are refused with an error that says why', { server }, async (world) => {
  const page = await openApp(world);
  await page.evaluate(() => window.app.session.ready);
  const asked = () => world.proxy.requests('/auth/v1/sessions').length;
  const signIn = (credentials) =>
    page.evaluate(async (credentials) => {
      const error = await window.app.session.signIn((0, eval)(`(${credentials})`)).then(() => ({}), (error) => error);
      return { name: error.name, code: error.code, message: error.message };
    }, credentials);
  const nobody = ['', 'undefined', 'null', '42', '"a@b.example"', '[]', '() => {}', '{}', 'Symbol("x")', '10n'];
  const wrong = ['undefined', 'null', '42', '""', '{}', '["p"]', 'new String("p")', 'Symbol("p")', '{ toString: () => "p" }', `"p".repeat(${MEGABYTE})`];
  const bad = [
    ...nobody.map((text) => text || 'void 0'),
    ...wrong.map((text) => `{ email: "a@b.example", password: ${text} }`),
    ...wrong.map((text) => `{ email: ${text}, password: "p" }`),
  ];
  for (const credentials of bad) {
    const error = await signIn(credentials);
    assert.deepEqual([error.name, error.code], ['SessionError', 'invalid_argument'], `${credentials}: ${error.message}`);
    assert.ok(/(email|password) must be/.test(error.message), error.message);
    assert.ok(error.message.length < 500);
  }
  assert.equal(asked(), 0, 'none of them was sent');

  // As texts they are fine: the server has its say.
  const strange = {
    'letters of all sorts': ['"zoë@exämple.test"', '"пароль 密码 \u{1f511}\\u0000\\r\\n\\"}"', 'invalid_credentials'],
    'half of a pair': ['"a@b.example"', '"\\ud83d"', 'bad_request'],
    'longer than the server takes': ['"a@b.example"', '"\u{1f511}".repeat(512) + ""', 'bad_request'],
    'markup': ['"<img src=x onerror=alert(1)>"', '"\' OR 1=1 --"', 'invalid_credentials'],
  };
  for (const [what, [email, password, code]] of Object.entries(strange)) {
    const error = await signIn(`{ email: ${email}, password: ${password} }`);
    assert.deepEqual([error.name, error.code], ['SessionError', code], `${what}: ${error.message}`);
  }
  assert.equal(asked(), Object.keys(strange).length);
  assert.equal(await status(page), 'signedout');
  assert.deepEqual(uncaught(page), []);
});

// Arguments of fetch, as expressions. Each is tried with the browser's own and with the session's: they
// answer the same, or reject with an error of the same name, and never throw.
const badCalls = [
  'undefined',
  'null',
  '""',
  '" "',
  '"\\0"',
  '{}',
  '[]',
  '42',
  '10n',
  '() => {}',
  'Symbol("x")',
  'Object.create(null)',
  '{ toString() { throw new RangeError("mine") } }',
  '{ url: "/api/me", method: "GET" }',
  '"http://"',
  '"http://["',
  '"http://a b/"',
  '"http://localhost:99999/"',
  '"http://user:password@localhost/api/me"',
  '"/" + "x".repeat(100_000)',
  '"https://"',
  '"//"',
  '"ftp://localhost/x"',
  '"file:///etc/hostname"',
  '"chrome://version"',
  '"javascript:alert(1)"',
  '"mailto:a@b.example"',
  '"about:blank"',
  '"blob:nothing"',
  '"data:text/plain,hello"',
  '"data:,%"',
  '"ws://localhost/x"',
  '"/t/%zz"',
  '"/t/plain.html#fragment"',
  '"/nowhere"',
  'new URL("/t/plain.html", location.href)',
  'new Request("/t/plain.html")',
  '"/t/plain.html", null',
  '"/t/plain.html", 42',
  '"/t/plain.html", "GET"',
  '"/t/plain.html", () => {}',
  '"/t/plain.html", { get method() { throw new RangeError("mine") } }',
  '"/t/plain.html", { method: "" }',
  '"/t/plain.html", { method: "GE T" }',
  '"/t/plain.html", { method: "TRACE" }',
  '"/t/plain.html", { method: Symbol("GET") }',
  '"/t/plain.html", { body: "a body" }',
  '"/t/plain.html", { method: "HEAD", body: "a body" }',
  '"/t/plain.html", { headers: 42 }',
  '"/t/plain.html", { headers: "a: b" }',
  '"/t/plain.html", { headers: null }',
  '"/t/plain.html", { headers: [["a"]] }',
  '"/t/plain.html", { headers: { "a b": "c" } }',
  '"/t/plain.html", { headers: { a: "b\\nc: d" } }',
  '"/t/plain.html", { headers: { a: "\\u{1f511}" } }',
  '"/t/plain.html", { headers: { a: Symbol("b") } }',
  '"/t/plain.html", { headers: { a: { toString() { throw new RangeError("mine") } } } }',
  '"/t/plain.html", { mode: "navigate" }',
  '"/t/plain.html", { mode: "any" }',
  '"/t/plain.html", { credentials: "all" }',
  '"/t/plain.html", { cache: "never" }',
  '"/t/plain.html", { cache: "only-if-cached" }',
  '"/t/plain.html", { redirect: "back" }',
  '"/t/plain.html", { referrer: "http://[" }',
  '"/t/plain.html", { referrerPolicy: "sometimes" }',
  '"/t/plain.html", { integrity: "sha256-AAAA" }',
  '"/t/plain.html", { keepalive: "yes" }',
  '"/t/plain.html", { method: "POST", keepalive: true, body: "x".repeat(70_000) }',
  '"/t/plain.html", { method: "POST", body: new ReadableStream() }',
  '"/t/plain.html", { window: 42 }',
  '"/t/plain.html", { duplex: "full" }',
  '"/t/plain.html", { priority: "first" }',
  '"/t/plain.html", { signal: 42 }',
  '"/t/plain.html", { signal: null }',
  '"/t/plain.html", { signal: AbortSignal.abort() }',
  '"/t/plain.html", { signal: AbortSignal.abort(new RangeError("mine")) }',
  '(() => { const used = new Request("/t/plain.html", { method: "POST", body: "x" }); used.text(); return used })()',
];

// Runs in the page: where the two differ. All of the session's are made at once.
async function differences(all) {
  const make = (args) => (0, eval)(`() => [${args}]`)();
  const outcome = (fetch, args) => {
    try {
      return fetch(...args).then(
        async (answer) => {
          const body = await answer.text().catch((error) => error.name);
          return `${answer.status} ${answer.type} ${new URL(answer.url || 'none:').pathname} ${body.length}`;
        },
        (error) => `rejects with ${error.name}`,
      );
    } catch (error) {
      return `throws ${error.name}`;
    }
  };
  const native = await Promise.all(all.map((args) => outcome(window.fetch.bind(window), make(args))));
  const ours = await Promise.all(all.map((args) => outcome(window.app.session.fetch, make(args))));
  const different = all.flatMap((args, place) =>
    ours[place] === native[place] ? [] : [{ args: args.slice(0, 80), native: native[place], ours: ours[place] }],
  );
  return { different, rejected: native.filter((one) => one.startsWith('rejects')).length };
}

async function assertSame(page, when) {
  const { different, rejected } = await page.evaluate(differences, badCalls);
  assert.deepEqual(different, [], when);
  assert.ok(rejected > 30 && rejected < badCalls.length - 15, `${rejected} of ${badCalls.length} reject`);
}

scenario('session.fetch answers bad calls just as fetch does: signed out, signed in, and held back', { server, timeout: 120_000 }, async (world) => {
  const { proxy } = world;
  const page = await openApp(world);
  await page.evaluate(() => window.app.session.ready);
  await assertSame(page, 'signed out');
  await page.close();
  const signedIn = await openSignedIn(world, { clock: true });
  await assertSame(signedIn, 'signed in');
  // No call finds a token that lives: they wait for the one refresh, if there is anything to wait for.
  const before = refreshes(world).length;
  proxy.fault(REFRESH, { delay: 2_000 });
  await signedIn.clock.sleep(120_000);
  await assertSame(signedIn, 'held back');
  assert.equal(refreshes(world).length, before + 1);
  for (const one of [page, signedIn]) assert.deepEqual(uncaught(one), []);
});

// ---- from the server

const JSON_TYPE = { 'content-type': 'application/json' };
const ME = { id: 'a-session', user: 'a-user' };
const GOOD = { token: 'aa.bb.cc', expires_in_ms: 60_000, refresh_in_ms: 50_000, session: ME };

const strangeGrants = {
  'a token of a megabyte': { ...GOOD, token: 'a'.repeat(MEGABYTE) },
  'a token beyond what a header takes': { ...GOOD, token: 'a'.repeat(8_001) },
  'a user whose name is a megabyte': { ...GOOD, session: { ...ME, user: 'u'.repeat(MEGABYTE) } },
  'a negative life': { ...GOOD, expires_in_ms: -60_000, refresh_in_ms: -70_000 },
  'a life of ten thousand years': { ...GOOD, expires_in_ms: 1e4 * 365 * 86_400_000 },
  'renewal before it was made': { ...GOOD, refresh_in_ms: -1e15 },
  '16 MB of something': 'x'.repeat(16 * MEGABYTE),
  'a list in a list in a list': '['.repeat(100_000),
};

// Markup that an app lets its users write may name an element like what a script reads of the document.
scenario("elements that are named like the document's own properties change nothing", { server }, async (world) => {
  const page = await openSignedIn(world);
  const carried = (path) => world.proxy.requests(path).at(-1).headers.authorization;
  for (const kind of ['img', 'form', 'object', 'embed']) {
    await page.evaluate((kind) => {
      const named = document.createElement(kind);
      named.name = named.id = 'baseURI';
      document.body.append(named);
      if (document.baseURI === location.href) throw new Error(`${kind} hides nothing`);
    }, kind);
    assert.equal((await call(page, '/api/me')).status, 200, kind);
    assert.match(carried('/api/me'), /^Bearer /, kind);
    assert.equal((await call(page, 'api-of-the-folder')).status, 404, kind);
    assert.match(carried('/t/api-of-the-folder'), /^Bearer /, kind);
    await page.evaluate(() => document.body.lastElementChild.remove());
  }
});

scenario('a server that grants what is no token is not believed, and a call fails in time', { server, timeout: 120_000 }, async (world) => {
  const { proxy } = world;
  const page = await openSignedIn(world, { clock: true, options: { requestLimit: 1_000 } });
  for (const [what, body] of Object.entries(strangeGrants)) {
    await page.reload();
    await page.evaluate(() => window.app.session.ready);
    const since = proxy.records.length;
    const strange = proxy.fault(REFRESH, { status: 200, headers: JSON_TYPE, body });
    await page.clock.sleep(120_000);
    const { error, took } = await call(page);
    strange.remove();
    assert.equal(error, 'timeout', what);
    assert.ok(took >= 990, `${what}: after ${took} ms`);
    assert.equal(await status(page), 'signedin', what);
    const told = (await events(page)).filter(({ kind }) => kind === 'degraded' || kind === 'signedout');
    assert.deepEqual(told.map(({ kind, failure }) => [kind, failure]), [['degraded', 'unreadable']], what);
    assert.deepEqual(proxy.records.slice(since).filter(({ path }) => path === '/api/me'), [], `${what}: no call left`);
    await until(async () => (await call(page)).status === 200, { what: `recovery from ${what}`, timeout: 20_000 });
  }
  assert.deepEqual(uncaught(page), []);
});

scenario('a sign-in that is answered with nonsense fails with an error that can be read', { server }, async (world) => {
  const { proxy, server } = world;
  const page = await openApp(world);
  await page.evaluate(() => window.app.session.ready);
  const signIn = async (fault) => {
    const injected = proxy.fault('/auth/v1/sessions', fault);
    const error = await page.evaluate(
      (email, password) =>
        window.app.session.signIn({ email, password }).then(
          () => ({ code: 'none' }),
          ({ name, code, message, retryAfter }) => ({ name, code, message, retryAfter }),
        ),
      server.email,
      server.password,
    );
    injected.remove();
    assert.ok(error.message?.length < 1_000, `${error.message?.length} characters`);
    assert.equal(await status(page), 'signedout');
    return error;
  };
  for (const [what, body] of Object.entries(strangeGrants)) {
    assert.equal((await signIn({ status: 201, headers: JSON_TYPE, body })).code, 'unexpected_answer', what);
  }
  const words = { code: 'bad_request', detail: '\u{1f511}'.repeat(MEGABYTE / 4) };
  assert.equal((await signIn({ status: 400, body: words })).code, 'bad_request');
  assert.equal((await signIn({ status: 400, body: { code: { toString: 1 }, detail: ['x'] } })).code, 'unexpected_answer');
  const waits = { '-7': undefined, '1e9': undefined, NaN: undefined, '99999999999999999999': undefined, '7': 7_000 };
  for (const [header, retryAfter] of Object.entries(waits)) {
    const error = await signIn({ status: 429, headers: { 'retry-after': header } });
    assert.deepEqual([error.code, error.retryAfter], ['rate_limited', retryAfter], header);
  }
  assert.deepEqual(uncaught(page), []);
});

// ---- from the module itself

// Runs in the page. `waiting` keeps what becomes of everything that waits.
function makeWait(email, password) {
  const { session } = window.app;
  const outcome = (promise) => promise.then((value) => `resolved with ${value?.status}`, (error) => error.code ?? error.name);
  window.waiting = [];
  const wait = (promise) => window.waiting.push(outcome(promise));
  for (let count = 0; count < 20; count += 1) {
    wait(count % 2 ? session.fetch('/api/me') : session.fetch(new Request('/api/me', { method: 'POST', body: 'x' })));
  }
  wait(session.getToken());
  wait(session.signIn({ email, password }));
}

// Runs in the page. The module's memory has no such address: it traps, as it would by a defect.
async function trap() {
  const glue = await import('/npm/fiftyten/wasm/fiftyten_bg.js');
  try {
    glue.Core.prototype.gate.call({ __wbg_ptr: 0xfffffff0 });
    return 'nothing happened';
  } catch (error) {
    return `${error.code}: ${error.cause?.name}`;
  }
}

// Runs in the page. What becomes of everything that is asked for from then on.
async function afterwards() {
  const { session } = window.app;
  const outcome = (promise) => promise.then((value) => `resolved with ${value?.status}`, (error) => error.code ?? error.name);
  const { createSession } = await import('/npm/fiftyten/index.js');
  const another = createSession();
  const calls = [
    session.ready,
    session.getToken(),
    session.fetch('/api/me'),
    session.fetch(new Request('/api/me')),
    session.signIn({ email: 'a@b.example', password: 'p' }),
    session.signOut(),
    another.ready,
    another.getToken(),
    another.fetch('/api/me'),
  ];
  const { status, user, id, claims, expiresIn } = session;
  return { calls: await Promise.all(calls.map(outcome)), properties: [status, user, id, claims, expiresIn].map((one) => one ?? null) };
}

// Everything that the module listens to, and the time of every timer that it can have set.
async function stirUp(page) {
  await page.evaluate(() => {
    for (const kind of ['visibilitychange', 'resume', 'pointerdown', 'keydown']) document.dispatchEvent(new Event(kind));
    for (const kind of ['pageshow', 'focus', 'online']) dispatchEvent(new Event(kind));
  });
  await page.hide();
  await page.show();
  await sleep(4_000);
}

const quick = { tokenLifetime: '4s', refreshIn: '2s' };

scenario('a trap in the module fails all that waits, and everything from then on, with an error that says so', { server: quick, timeout: 90_000 }, async (world) => {
  const { proxy, server } = world;
  const page = await openSignedIn(world, { clock: true });
  await page.evaluate(() => window.app.session.fetch('/api/me'));
  for (const path of [REFRESH, '/auth/v1/sessions']) proxy.fault(path, { hang: true });
  await page.clock.sleep(60_000);
  const before = proxy.requests('/api/me').length;
  await page.evaluate(makeWait, server.email, server.password);
  await until(() => proxy.requests('/auth/v1/sessions').length === 2, { what: 'everything to be on its way' });

  assert.equal(await page.evaluate(trap), 'crashed: RuntimeError');
  const told = page.console.length;
  assert.deepEqual(await page.evaluate(() => Promise.all(window.waiting)), Array(22).fill('crashed'));
  const { calls, properties } = await page.evaluate(afterwards);
  // The first session's `ready` had been settled before.
  assert.deepEqual(calls, ['resolved with undefined', ...Array(8).fill('crashed')]);
  assert.deepEqual(properties, ['closed', null, null, null, null]);
  const refreshed = refreshes(world).length;
  proxy.faults.clear();
  await stirUp(page);
  assert.equal(await page.evaluate(trap), 'nothing happened', 'it is dead already');
  await page.evaluate(() => window.app.session.close());
  assert.equal(await status(page), 'closed');
  assert.deepEqual(page.console.slice(told).filter(({ text }) => !text.startsWith('Failed to load resource')), []);
  assert.equal(refreshes(world).length, refreshed, 'no refresh after the end');
  assert.equal(proxy.requests('/api/me').length, before, 'no call left');

  await page.reload();
  assert.equal((await call(page)).status, 200, 'a reload is all it takes');
});

scenario('a trap before the first answer fails ready, too', { server: quick }, async (world) => {
  world.proxy.fault(REFRESH, { hang: true });
  const page = await openApp(world);
  await until(() => refreshes(world).length > 0, { what: 'the first refresh' });
  await page.evaluate(() => {
    window.ready = window.app.session.ready.then(() => 'resolved', (error) => error.code);
    window.held = window.app.session.fetch('/api/me').then(() => 'resolved', (error) => error.code);
  });
  assert.equal(await page.evaluate(trap), 'crashed: RuntimeError');
  assert.deepEqual(await page.evaluate(() => Promise.all([window.ready, window.held])), ['crashed', 'crashed']);
  assert.equal(await status(page), 'closed');
});

// Something that the module calls throws although it never does: here the page breaks its own clock.
scenario('an exception out of a timer of the module is a trap like any other', { server: quick, timeout: 90_000 }, async (world) => {
  const { proxy, server } = world;
  const page = await openSignedIn(world, { clock: true });
  proxy.fault(REFRESH, { hang: true });
  proxy.fault('/auth/v1/sessions', { hang: true });
  await page.clock.sleep(60_000);
  await page.evaluate(makeWait, server.email, server.password);
  await page.evaluate(() => {
    performance.now = () => {
      throw new RangeError('broken');
    };
  });
  // The time-out of the refresh is the first timer there is.
  assert.deepEqual(await page.evaluate(() => Promise.all(window.waiting)), Array(22).fill('crashed'));
  const told = uncaught(page).length;
  assert.ok(told <= 1, `told ${told} times`);
  await stirUp(page);
  assert.equal(uncaught(page).length, told, 'and not again');
  assert.equal(await status(page), 'closed');
});

scenario("after a trap the browser's own fetch can be put back", { server }, async (world) => {
  const page = await openSignedIn(world);
  await page.evaluate(() => {
    window.native = window.fetch;
    window.app.session.install();
  });
  const look = () =>
    page.evaluate(async () => {
      const outcome = (url) => fetch(url).then(({ status }) => status, (error) => error.code ?? error.name);
      return { isNative: window.fetch === window.native, here: await outcome('/api/me'), elsewhere: await outcome('data:text/plain,hello') };
    });
  assert.deepEqual(await look(), { isNative: false, here: 200, elsewhere: 200 });
  await page.evaluate(trap);
  assert.deepEqual(await look(), { isNative: false, here: 'crashed', elsewhere: 200 });
  await page.evaluate(() => window.app.session.uninstall());
  assert.deepEqual(await look(), { isNative: true, here: 401, elsewhere: 200 });
});
