// The world of a session in tests: a page, a server that answers as told, and a clock. What is
// tested is the package itself, with its WebAssembly module.

import { readFileSync } from 'node:fs';
import { clock, settle } from './clock.mjs';

export { clock, settle };

export const ORIGIN = 'https://app.test';
export const WASM = readFileSync(new URL('../wasm/fiftyten_bg.wasm', import.meta.url));

// The page.
globalThis.location = new URL('/orders/7?page=2', ORIGIN);
setBase(location.href);
// Node has channels and no locks; here every session is alone. Tabs are the browser tests'.
delete globalThis.BroadcastChannel;

// Where relative URLs start: for Node's Request, and for a document if there is one.
export function setBase(href) {
  Object.defineProperty(globalThis, Symbol.for('undici.globalOrigin.1'), {
    value: new URL(href),
    configurable: true,
    writable: true,
  });
  if (globalThis.document) globalThis.document.base = href;
}

// Node 20 removes a capturing listener only if it is told so by an object.
class Target extends EventTarget {
  // What the user does: Node has no way to dispatch an event that `isTrusted`.
  byUser(type) {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, isTrusted: true });
  }

  #listeners = new Map();

  addEventListener(kind, listener, options) {
    super.addEventListener(kind, listener, options);
    this.#listeners.set(kind, (this.#listeners.get(kind) ?? new Set()).add(listener));
  }

  removeEventListener(kind, listener, options) {
    this.#listeners.get(kind)?.delete(listener);
    super.removeEventListener(kind, listener, typeof options === 'boolean' ? { capture: options } : options);
  }
}

// A document, for the length of a test. The global scope becomes an event target too.
export function openDocument(t) {
  const document = new Target();
  const scope = new Target();
  Object.assign(document, { hidden: false, base: location.href });
  globalThis.document = document;
  globalThis.Node = { prototype: { get baseURI() { return this.base; } } };
  for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) {
    globalThis[name] = scope[name].bind(scope);
  }
  t.after(() => {
    delete globalThis.document;
    delete globalThis.Node;
    Object.assign(globalThis, nowhere);
  });
  return {
    document,
    scope,
    show(visible) {
      document.hidden = !visible;
      document.dispatchEvent(new Event('visibilitychange'));
    },
  };
}

// In Node there is neither; the module attaches itself to what it finds.
const nowhere = { addEventListener() {}, removeEventListener() {}, dispatchEvent() {} };
Object.assign(globalThis, nowhere);

export const json = (status, body, headers = {}) =>
  new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });

export const problem = (status, code, more = {}, headers = {}) =>
  new Response(JSON.stringify({ type: 'about:blank', status, code, ...more }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// A promise to be settled by hand.
export function gate() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// A server with a session, and an API. Each of its answers can be replaced: `server.refresh`,
// `server.signIn`, `server.signOut` and `server.api` are called with what came in.
export class Server {
  user = 'ada';
  session = 's1';
  claims = { roles: ['admin'], permissions: ['orders:read'] };
  expiresIn = 60_000;
  refreshIn = 50_000;
  url = `${ORIGIN}/auth`;
  // Everything that came in, in order.
  log = [];
  #minted = 0;

  refresh = () => this.grant();
  signIn = () => this.grant(201);
  signOut = () => new Response(null, { status: 204 });
  api = () => json(200, { ok: true });

  token() {
    this.#minted += 1;
    const payload = { sub: this.user, sid: this.session, iat: this.#minted, ...this.claims };
    return `${base64url({ alg: 'none' })}.${base64url(payload)}.secret${this.#minted}`;
  }

  grant(status = 200) {
    this.latest = this.token();
    return json(status, {
      token: this.latest,
      expires_in_ms: this.expiresIn,
      refresh_in_ms: this.refreshIn,
      session: { id: this.session, user: this.user },
    });
  }

  get refreshes() {
    return this.log.filter(({ path }) => path.startsWith('/auth/v1/refresh'));
  }

  get reasons() {
    return this.refreshes.map(({ path }) => new URL(path, ORIGIN).searchParams.get('reason'));
  }

  get calls() {
    return this.log.filter(({ url }) => !url.startsWith(`${this.url}/v1/`));
  }

  // As native fetch: it reads its arguments at once, never throws, and heeds the signal.
  fetch = async (input, init) => {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    const { url, method, headers, signal } = request;
    const { pathname, search } = new URL(url);
    const entry = { url, path: pathname + search, method, headers, request, at: clock.now(), args: [input, init] };
    entry.bearer = headers.get('authorization');
    this.log.push(entry);
    const answer = this.#answer(entry, request);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      answer.then(resolve, reject);
    });
  };

  async #answer(entry, request) {
    entry.body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined;
    if (!entry.url.startsWith(`${this.url}/v1/`)) return this.api(entry);
    if (entry.path.startsWith('/auth/v1/refresh')) return this.refresh(entry);
    return entry.method === 'DELETE' ? this.signOut(entry) : this.signIn(entry);
  }
}

export const never = () => new Promise(() => {});

// A session in a world of its own. The package is imported here, not before the page is there.
export async function open(t, options = {}, change = () => {}) {
  const { createSession } = await import('../index.js');
  const server = new Server();
  change(server);
  const session = createSession({ wasm: WASM, fetch: server.fetch, ...options });
  const events = [];
  for (const name of ['refreshed', 'degraded', 'recovered', 'signedin', 'signedout']) {
    session.addEventListener(name, ({ detail }) => events.push({ name, ...detail }));
  }
  t.after(async () => {
    session.close();
    await settle();
  });
  return { session, server, events };
}

// A session that is signed in.
export async function signedIn(t, options, change) {
  const world = await open(t, options, change);
  await clock.within(world.session.ready, 'ready');
  if (world.session.status !== 'signedin') throw new Error(`it is ${world.session.status}`);
  return world;
}

// One that is signed out.
export async function signedOut(t, options, change) {
  const world = await open(t, options, (server) => {
    server.refresh = () => problem(401, 'no_session');
    change?.(server);
  });
  await clock.within(world.session.ready, 'ready');
  await settle();
  if (world.session.status !== 'signedout') throw new Error(`it is ${world.session.status}`);
  return world;
}

// One whose token has run out, while no timer could run.
export async function expired(t, options, change) {
  const world = await signedIn(t, options, change);
  clock.sleep(100_000);
  return world;
}

// What a promise came to, without waiting for it: 'pending', { value } or { error }.
export async function outcome(promise) {
  let seen = 'pending';
  promise.then(
    (value) => (seen = { value }),
    (error) => (seen = { error }),
  );
  await settle();
  return seen;
}

// What each of several promises came to. All are looked after from the start, so none counts as
// a rejection that nobody handles.
export const outcomes = (...promises) => Promise.all(promises.map(outcome));
