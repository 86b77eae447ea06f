// Where the token is not, and what a hostile script in the page can do all the same. What is shown here
// stands in SECURITY.md.

import assert from 'node:assert/strict';

import { openApp, openSignedIn } from './app.mjs';
import { scenario } from './scenario.mjs';
import { until } from './wait.mjs';

const API = /^\/api\//;
const server = {};

// ---- an app that keeps its session to itself, and a script that is loaded after it

async function openPrivate(world, { before } = {}) {
  await (await openSignedIn(world)).close();
  const page = await world.newPage();
  if (before) await page.runAtStart(before);
  await page.goto(`${world.proxy.url}/t/private.html`);
  await rounds(page, 2);
  return page;
}

// Waits until the app has made all its calls so many times more.
async function rounds(page, count) {
  const made = () => page.evaluate(() => Number(document.body.dataset.rounds ?? 0));
  const before = await made();
  await until(async () => (await made()) >= before + count, { what: 'the app to make its calls', timeout: 20_000 });
}

// Loads a script of the tests into the page, as an advertisement or a tag manager would.
async function addScript(page, path) {
  await page.evaluate(async (src) => {
    const script = Object.assign(document.createElement('script'), { src });
    const loaded = new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }));
    document.head.append(script);
    await loaded;
  }, path);
}

// All secrets that the proxy has seen so far, each by a name: tokens without what stands before their
// signature, for that is what makes them worth anything, and cookies.
function secrets({ proxy, server }) {
  const sent = (name) => new Set(proxy.records.map(({ headers }) => headers[name]).filter(Boolean));
  const tokens = [...sent('authorization')].map((value) => value.split('.').at(-1));
  const cookies = [...sent('cookie')].map((value) => value.split('fiftyten=').at(-1).split(';')[0]);
  assert.ok(tokens.length > 0 && tokens.every((text) => text.length > 80), 'there are tokens to look for');
  assert.ok(cookies.length > 0 && cookies.every((text) => text.length === 43), 'there are cookies to look for');
  const named = (name, values) => values.map((value, place) => [`${name} ${place + 1}`, value]);
  return Object.fromEntries([...named('token', tokens), ...named('cookie', cookies), ['password', server.password]]);
}

const search = (page, needles) => page.evaluate((needles) => window.search(needles), needles);

// The token that the app's latest call carried.
const latestToken = ({ proxy }) => proxy.requests(API).findLast(({ headers }) => headers.authorization).headers.authorization.slice('Bearer '.length);

function assertNotIn(text, needles, where) {
  for (const [name, needle] of Object.entries(needles)) assert.ok(!text.includes(needle), `the ${name} stands in ${where}`);
}

scenario('a script that looks everywhere finds the token, the cookie and the password nowhere', { server: { tokenLifetime: '4s', refreshIn: '2s' } }, async (world) => {
  const page = await openPrivate(world);
  await addScript(page, '/t/search.js');
  // A second token, too: what the first leaves behind would show.
  await page.until(() => window.log.some(({ type }) => type === 'refreshed' && window.log.length > 10), { timeout: 20_000 });
  await until(() => Object.keys(secrets(world)).includes('token 2'), { what: 'a second token', timeout: 20_000 });
  const needles = secrets(world);
  const { found, objects, texts } = await search(page, needles);
  world.t.diagnostic(`looked for ${Object.keys(needles).length} secrets in ${objects} objects and ${texts} texts`);
  assert.deepEqual(found, []);
  assert.ok(objects > 3_000, `only ${objects} objects were reached`);
  for (const { text } of page.console) assertNotIn(text, needles, 'the console');
  assert.ok(page.console.some(({ text }) => text.startsWith('refreshed')), 'the app logs its events');
  for (const { path, query, headers } of world.proxy.records) {
    assertNotIn(JSON.stringify([path, query, headers.referer ?? '']), needles, 'a URL');
  }
});

// Where apps, and other packages, do put it. `name` is a global's that nobody has.
const places = {
  localStorage: (secret) => localStorage.setItem('session', JSON.stringify({ token: secret })),
  'sessionStorage, a key': (secret) => sessionStorage.setItem(`token:${secret}`, '1'),
  'document.cookie': (secret) => (document.cookie = `token=${secret}`),
  'the database plant': (secret) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open('plant');
      opening.onupgradeneeded = () => opening.result.createObjectStore('s').add({ deep: { token: secret } }, 1);
      opening.onsuccess = () => resolve(opening.result.close());
      opening.onerror = reject;
    }),
  'the cache plant': async (secret) => (await caches.open('plant')).put('/x', new Response('', { headers: { 'x-token': secret } })),
  location: (secret) => (location.hash = secret),
  'history.state': (secret) => history.replaceState({ user: { token: secret } }, ''),
  'window.name': (secret) => (window.name = secret),
  'a global': (secret, name) => (globalThis[name] = { list: [{ token: `Bearer ${secret}` }] }),
  'a symbol of a global': (secret, name) => (globalThis[name] = { [Symbol('hidden')]: { token: secret } }),
  'a hidden property': (secret, name) => Object.defineProperty(globalThis, name, { value: [secret], enumerable: false }),
  'a map': (secret, name) => (globalThis[name] = new Map([[{}, new Set([{ secret }])]])),
  'a getter of a prototype': (secret, name) => (globalThis[name] = new (class { get token() { return secret; } })()),
  'a prototype of the platform': (secret) => (Headers.prototype.last = secret),
  'a static of a class': (secret, name) => (globalThis[name] = class { static inner = { secret }; }),
  'the source of a function': (secret, name) => (globalThis[name] = new Function(`return '${secret}'`)),
  'a promise': (secret, name) => (globalThis[name] = Promise.resolve({ secret })),
  'a rejected promise': (secret, name) => (globalThis[name] = Promise.reject(new Error(secret))).catch(() => {}),
  'the message of an error': (secret, name) => (globalThis[name] = { cause: new Error(`no ${secret}`) }),
  bytes: (secret, name) => (globalThis[name] = new TextEncoder().encode(`....${secret}....`).subarray(0, 4)),
  'the memory of a module': (secret, name) => {
    globalThis[name] = { memory: new WebAssembly.Memory({ initial: 1 }) };
    new Uint8Array(globalThis[name].memory.buffer).set(new TextEncoder().encode(secret), 4_000);
  },
  'a table of a module': (secret, name) => {
    globalThis[name] = new WebAssembly.Table({ element: 'externref', initial: 2 });
    globalThis[name].set(1, { secret });
  },
  headers: (secret, name) => (globalThis[name] = new Headers({ authorization: secret })),
  'an attribute': (secret) => (document.body.dataset.token = secret),
  'a comment': (secret) => document.body.append(document.createComment(secret)),
  'a field': (secret) => (document.body.appendChild(document.createElement('input')).value = secret),
  'a shadow root': (secret) => (document.body.attachShadow({ mode: 'open' }).innerHTML = `<p title="${secret}">`),
  'an element, beside what it shows': (secret) => (document.body.session = { secret }),
  'a listener of an element': (secret) => (document.body.onclick = Object.assign(() => {}, { secret })),
  'a style sheet': (secret) => (document.head.appendChild(document.createElement('style')).textContent = `p { --token: ${secret} }`),
  'the name of a measurement': (secret) => performance.mark(secret),
  'the URL of a request': async (secret) => (await fetch(`/t/plain.html?token=${secret}`)).text(),
  'the console': (secret) => console.info('session', { secret }),
  'the detail of an event': (secret) => dispatchEvent(new ErrorEvent('error', { error: { detail: secret } })),
  'a frame': async (secret, name) => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.contentWindow[name] = { secret };
  },
};

scenario('the same search finds a token wherever it is put', { server }, async (world) => {
  const page = await world.newPage('/t/plain.html');
  await page.evaluate(() => import('/npm/fiftyten/index.js').then(() => undefined));
  await addScript(page, '/t/search.js');
  const needles = Object.fromEntries(Object.keys(places).map((place) => [place, `planted-${crypto.randomUUID()}`]));
  const hidden = `planted-${crypto.randomUUID()}`;
  assert.deepEqual((await search(page, { ...needles, hidden })).found, []);
  for (const [place, plant] of Object.entries(places)) await page.evaluate(plant, needles[place], crypto.randomUUID());
  // The one place that no script can look into: what a function or a module keeps to itself.
  await page.evaluate((secret) => {
    globalThis.closed = () => secret.length;
  }, hidden);
  const { found } = await search(page, { ...needles, hidden });
  const names = new Set(found.map(({ name }) => name));
  assert.deepEqual(Object.keys(places).filter((place) => !names.has(place)), [], 'not found');
  assert.ok(!names.has('hidden'));
  world.t.diagnostic(`found in all of ${names.size} places`);
});

// ---- what shows itself: the session object, and errors

scenario('a session that a script can reach shows no token, and one that signs in no password', { server }, async (world) => {
  const { proxy, server } = world;
  const page = await openSignedIn(world);
  await page.evaluate(() => window.app.session.fetch('/api/me'));
  await addScript(page, '/t/search.js');
  // Again, and not answered: the password is on its way.
  proxy.fault('/auth/v1/sessions', { hang: true });
  await page.evaluate((email, password) => {
    const credentials = { email, password };
    window.signingIn = window.app.session.signIn(credentials).catch((error) => error.code);
  }, server.email, server.password);
  await until(() => proxy.requests('/auth/v1/sessions').length === 2, { what: 'a sign-in on its way' });
  const needles = secrets(world);
  const { found } = await search(page, needles);
  assert.deepEqual(found, []);

  const shown = await page.evaluate(() => {
    const { session } = window.app;
    const tried = (show) => {
      try {
        return show();
      } catch (error) {
        return `${error.stack} ${error.message}`;
      }
    };
    const properties = (value) => {
      const all = {};
      for (let holder = value; holder; holder = Object.getPrototypeOf(holder)) {
        for (const key of Reflect.ownKeys(holder)) all[String(key)] = tried(() => String(value[key]));
      }
      return all;
    };
    const inspect = [
      () => JSON.stringify(session),
      () => String(session),
      () => `${session.fetch} ${session.getToken} ${session.constructor}`,
      () => JSON.stringify(Object.entries(session)),
      () => JSON.stringify({ ...session }),
      () => JSON.stringify(structuredClone(session)),
      () => JSON.stringify(session.claims),
      () => JSON.stringify(properties(session)),
      () => JSON.stringify(properties(session.fetch)),
      // A receiver that is no session.
      () => session.getToken.call({}),
      () => Object.getOwnPropertyDescriptor(session.constructor.prototype, 'claims').get.call({}),
    ];
    console.log(session, '%o', session);
    console.dir(session);
    return inspect.map((show) => String(tried(show)));
  });
  for (const text of shown) assertNotIn(text, needles, text.slice(0, 100));
  // Nor is there anything on it that would lead further.
  assert.deepEqual(await page.evaluate(() => Reflect.ownKeys(window.app.session)), ['fetch']);
  for (const { text } of page.console) assertNotIn(text, needles, 'the console');
});

// Runs in the page. Makes the call, which must fail, and tells everything that its error says.
async function errorOf(name) {
  const { session } = window.app;
  const ways = {
    getToken: () => session.getToken(),
    fetch: () => session.fetch('/api/me'),
    signIn: () => session.signIn({ email: 'demo@example.test', password: 'a wrong password, to be kept' }),
    signInWithout: () => session.signIn({ password: 'a wrong password, to be kept' }),
    signInTwice: () => Promise.all([session.signIn(window.credentials), session.signIn(window.credentials)]),
    options: async () => {
      const { createSession } = await import('/npm/fiftyten/index.js');
      createSession({ url: `https://user:${await session.getToken()}@host.example/auth` });
    },
    ready: () => session.ready,
  };
  const error = await ways[name]().then(
    () => ({ name: 'none', message: `${name} did not fail` }),
    (error) => error,
  );
  let all = '';
  for (let one = error; one; one = one.cause) {
    const own = Object.getOwnPropertyNames(one).map((key) => `${key}: ${one[key]}`);
    all += `${one}\n${one.stack}\n${own.join('\n')}\n${JSON.stringify(one)}\n`;
  }
  return { code: error.code, all };
}

// A refresh of somebody else's.
const otherUser = {
  status: 200,
  body: { token: 'aa.bb.cc', expires_in_ms: 60_000, refresh_in_ms: 50_000, session: { id: 'other', user: 'other' } },
};
const problem = (status, code, headers) => ({ status, headers, body: { code, detail: 'the words of the server' } });

// Each with a token that the page has had. `sleep` lets it run out first.
const errors = {
  invalid_option: { way: 'options' },
  invalid_argument: { way: 'signInWithout' },
  invalid_credentials: { way: 'signIn' },
  busy: { way: 'signInTwice' },
  rate_limited: { way: 'signIn', sessions: problem(429, 'rate_limited', { 'retry-after': '7' }) },
  bad_request: { way: 'signIn', sessions: problem(400, 'bad_request') },
  network: { way: 'signIn', sessions: { cut: 'before' } },
  unexpected_answer: { way: 'signIn', sessions: { garbage: true } },
  origin_rejected: { way: 'getToken', sleep: true, refresh: problem(403, 'origin_rejected') },
  unavailable: { way: 'fetch', sleep: true, refresh: { status: 503, headers: { 'retry-after': '60' } } },
  timeout: { way: 'fetch', sleep: true, refresh: { status: 500 } },
  session_changed: { way: 'fetch', sleep: true, refresh: otherUser },
  signed_out: { way: 'getToken', before: () => window.app.session.signOut() },
  closed: { way: 'getToken', before: () => window.app.session.close() },
  crashed: {
    way: 'getToken',
    before: async () => {
      const glue = await import('/npm/fiftyten/wasm/fiftyten_bg.js');
      try {
        glue.Core.prototype.gate.call({ __wbg_ptr: 0xfffffff0 });
      } catch {
        // It was meant to.
      }
    },
  },
};

scenario('no error shows a token, a cookie or a password', { server, timeout: 120_000 }, async (world) => {
  const { proxy, server } = world;
  const seen = {};
  const page = await openSignedIn(world, { clock: true, options: { requestLimit: 3_000 } });
  const credentials = { email: server.email, password: server.password };
  for (const [code, { way, sleep, before, refresh, sessions }] of Object.entries(errors)) {
    await page.reload();
    const id = await page.evaluate(async (credentials) => {
      window.credentials = credentials;
      await window.app.session.ready;
      if (window.app.session.status !== 'signedin') await window.app.session.signIn(credentials);
      await window.app.session.fetch('/api/me');
      return window.app.session.id;
    }, credentials);
    assert.ok(id);
    const faults = [refresh && proxy.fault('/auth/v1/refresh', refresh), sessions && proxy.fault('/auth/v1/sessions', sessions)];
    if (sleep) await page.clock.sleep(120_000);
    if (before) await page.evaluate(before);
    seen[code] = await page.evaluate(errorOf, way);
    faults.forEach((fault) => fault?.remove());
    assert.equal(seen[code].code, code, seen[code].all);
  }
  // Where there is no module at all.
  const without = await world.newPage();
  const ways = {
    unsupported_environment: { way: 'ready', atStart: () => delete globalThis.WebAssembly },
    wasm_unavailable: { way: 'getToken', wasm: { status: 404 } },
    wasm_blocked: { way: 'ready', policy: "script-src 'self'" },
  };
  for (const [code, { way, atStart, wasm, policy }] of Object.entries(ways)) {
    const script = atStart && (await without.runAtStart(atStart));
    const fault = wasm && proxy.fault('/npm/fiftyten/wasm/fiftyten_bg.wasm', wasm);
    if (policy) proxy.header('/t/session.html', { 'content-security-policy': policy });
    await without.goto(`${proxy.url}/t/session.html`);
    seen[code] = await without.evaluate(errorOf, way);
    assert.equal(seen[code].code, code, seen[code].all);
    await script?.remove();
    fault?.remove();
  }
  const needles = { ...secrets(world), 'wrong password': 'a wrong password, to be kept' };
  for (const [code, { all }] of Object.entries(seen)) assertNotIn(all, needles, `the error ${code}`);
  for (const { text } of [...page.console, ...without.console]) assertNotIn(text, needles, 'the console');
  world.t.diagnostic(`${Object.keys(seen).length} codes: ${Object.keys(seen).join(' ')}`);
});

// ---- what such a script can do, and what it can't

// What a patch noted in the page; each is run before or after the app's own scripts. `noted` is a list of
// texts in which a token may stand.
const patches = {
  fetch: () => {
    globalThis.noted = [];
    const before = globalThis.fetch;
    globalThis.fetch = function fetch(input, init) {
      const { url, headers } = new Request(input instanceof Request ? input.clone() : input, init);
      globalThis.noted.push(`${url} ${headers.get('authorization')}`);
      return before.call(this, input, init);
    };
  },
  'Headers.prototype.set': () => {
    globalThis.noted = [];
    const before = Headers.prototype.set;
    Headers.prototype.set = function set(name, value) {
      globalThis.noted.push(`${name}: ${value}`);
      return before.call(this, name, value);
    };
  },
  'JSON.parse': () => {
    globalThis.noted = [];
    const before = JSON.parse;
    JSON.parse = (text, ...rest) => {
      globalThis.noted.push(text);
      return before(text, ...rest);
    };
  },
  'Response.prototype.text': () => {
    globalThis.noted = [];
    const before = Response.prototype.text;
    Response.prototype.text = async function text() {
      const text = await before.call(this);
      globalThis.noted.push(text);
      return text;
    };
  },
  'WebAssembly.instantiate': () => {
    globalThis.noted = [];
    const before = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...values) => {
      const result = await before(...values);
      const { memory } = (result.instance ?? result).exports;
      setInterval(() => (globalThis.noted = [new TextDecoder('latin1').decode(memory.buffer)]), 200);
      return result;
    };
  },
  // A subarray of the module's memory is handed to it, and with that the whole of it.
  'TextDecoder.prototype.decode': () => {
    globalThis.noted = [];
    const before = TextDecoder.prototype.decode;
    TextDecoder.prototype.decode = function decode(bytes, ...rest) {
      if (bytes?.buffer) globalThis.noted = [before.call(new TextDecoder('latin1'), bytes.buffer)];
      return before.call(this, bytes, ...rest);
    };
  },
};

// The glue is a module like any other, and its class can be patched like any other.
const patchGlue = async () => {
  globalThis.noted = [];
  const glue = await import('/npm/fiftyten/wasm/fiftyten_bg.js');
  const before = glue.Core.prototype.gate;
  glue.Core.prototype.gate = function gate() {
    globalThis.noted.push(this.bearer());
    return before.call(this);
  };
};

const noted = (page) => page.evaluate(() => globalThis.noted);

// Whether the patch gets a token that the app uses.
async function assertSees(world, page, what) {
  const sees = async () => (await noted(page)).some((text) => text?.includes(latestToken(world)));
  await until(sees, { what: `${what} to see a token`, timeout: 20_000 });
}

for (const name of ['fetch', 'Headers.prototype.set', 'WebAssembly.instantiate']) {
  scenario(`a script that came before the app and patched ${name} sees the tokens`, { server }, async (world) => {
    const page = await openPrivate(world, { before: patches[name] });
    await assertSees(world, page, name);
  });
}

// The package takes the browser's fetch when the session is made, but not everything else that a token
// passes through: where the script is, no such list would be complete.
scenario('a script that comes later can patch what the token passes through, and sees the next one', { server: { tokenLifetime: '4s', refreshIn: '2s' }, timeout: 120_000 }, async (world) => {
  const page = await openPrivate(world);
  for (const name of ['Headers.prototype.set', 'JSON.parse', 'Response.prototype.text', 'TextDecoder.prototype.decode']) {
    await page.reload();
    await rounds(page, 1);
    await page.evaluate(patches[name]);
    await assertSees(world, page, name);
  }
  await page.reload();
  await rounds(page, 1);
  await page.evaluate(patchGlue);
  await assertSees(world, page, 'a patched glue');
});

scenario('a script that patches fetch after createSession sees no token of session.fetch', { server: { tokenLifetime: '4s', refreshIn: '2s' } }, async (world) => {
  const page = await openPrivate(world);
  await page.evaluate(patches.fetch);
  // The patch works.
  await page.evaluate(() => fetch('/api/me', { headers: { authorization: 'Bearer its own' } }));
  const since = Date.now();
  await rounds(page, 10);
  await until(() => world.proxy.requests('/auth/v1/refresh').some(({ t }) => t > since), { what: 'a refresh', timeout: 10_000 });
  assert.deepEqual(await noted(page), [`${world.proxy.url}/api/me Bearer its own`]);
});

scenario('a script can call getToken of a session that it can reach', { server }, async (world) => {
  const page = await openSignedIn(world);
  await page.evaluate(() => window.app.session.fetch('/api/me'));
  assert.equal(await page.evaluate(() => window.app.session.getToken()), latestToken(world));
  // An app that keeps its session to itself hands it out with every event.
  const other = await openPrivate(world);
  const taken = await other.evaluate(() => window.log.find(({ type }) => type === 'refreshed').target.getToken());
  assert.equal(taken, latestToken(world));
});

scenario('a script can listen to what the tabs tell each other, and hears the next token', { server: { tokenLifetime: '4s', refreshIn: '2s' } }, async (world) => {
  const page = await openPrivate(world);
  await page.evaluate(() => {
    window.heard = [];
    const channel = new BroadcastChannel(`fiftyten:${location.origin}/auth/v1/refresh`);
    channel.onmessage = ({ data }) => window.heard.push(data.token);
  });
  await page.until(() => window.heard.length > 0, { timeout: 10_000 });
  await rounds(page, 2);
  const heard = await page.evaluate(() => window.heard);
  assert.ok(heard.includes(latestToken(world)), 'it is the one that the calls carry');
});

scenario('a script can refresh in a frame of its own, with the cookie that it cannot read', { server }, async (world) => {
  const { proxy } = world;
  const page = await openPrivate(world);
  const taken = await page.evaluate(async () => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    const { fetch } = frame.contentWindow;
    const init = { method: 'POST', headers: { 'x-fiftyten': '1' } };
    return (await fetch('/auth/v1/refresh?reason=start&active=0', init)).json();
  });
  const answer = await fetch(`${proxy.url}/api/me`, { headers: { authorization: `Bearer ${taken.token}` } });
  assert.equal(answer.status, 200, 'it is as good as any, for as long as any');

  assert.ok(proxy.requests('/auth/v1/refresh').at(-1).headers.cookie.includes('fiftyten='), 'the browser sends a cookie');
  const read = await page.evaluate(async () => ({
    own: document.cookie,
    frame: document.querySelector('iframe').contentDocument.cookie,
    store: (await globalThis.cookieStore?.getAll()) ?? [],
  }));
  assert.deepEqual(read, { own: '', frame: '', store: [] });
});
