// `fetch`, with the token on those requests that may carry it. Everything else is the browser's.

// A body that `fetch` reads when it is called and that cannot change until it is called again.
const isFixed = (body) => body == null || typeof body === 'string' || body instanceof Blob;

// A body that can be sent twice; a stream can't.
const isReplayable = (body) =>
  isFixed(body) ||
  body instanceof URLSearchParams ||
  body instanceof FormData ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body);

const isPlain = (value) => {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const isAuthorization = (name) => name.length === 13 && name.toLowerCase() === 'authorization';

// The headers with the token among them; undefined if the caller brought an Authorization of their
// own, null if they need the browser's own reading.
function withToken(headers, bearer) {
  if (headers === undefined) return { authorization: bearer };
  if (headers instanceof Headers) {
    if (headers.has('authorization')) return undefined;
    const copy = new Headers(headers);
    copy.set('authorization', bearer);
    return copy;
  }
  if (headers === null || typeof headers !== 'object' || !isPlain(headers)) return null;
  for (const name in headers) if (isAuthorization(name)) return undefined;
  return { ...headers, authorization: bearer };
}

// Which requests may carry the token: those to allowed origins, but not the session's own calls.
export class Allowed {
  #origins;
  #own;
  #base;
  #baseIsOurs;

  constructor(origins, url) {
    this.#origins = origins;
    this.#own = `${url}/v1/`;
  }

  has(input) {
    // A slash and a letter or digit: a path on this page's own origin, if its base URI is that
    // too. Anything else may be another host in disguise ("//host", "/\host", "/<tab>/host").
    if (typeof input === 'string' && input.charCodeAt(0) === 47 && isWordAt(input, 1) && this.#isOurBase()) {
      return !this.#isOwn(location.origin + input);
    }
    try {
      const url = new URL(input, baseURI());
      return /^https?:$/.test(url.protocol) && this.#origins.has(url.origin) && !this.#isOwn(url.href);
    } catch {
      return false; // the browser's fetch says what is wrong with it
    }
  }

  #isOwn(href) {
    return href.startsWith(this.#own);
  }

  #isOurBase() {
    const base = baseURI();
    if (base !== this.#base) {
      this.#base = base;
      this.#baseIsOurs = new URL(base).origin === location.origin;
    }
    return this.#baseIsOurs;
  }
}

// Not of the document itself: an element that is named so would stand there instead.
const baseURI = () => (globalThis.document && globalThis.Node ? Reflect.get(Node.prototype, 'baseURI', document) : location.href);

function isWordAt(text, at) {
  const code = text.charCodeAt(at) | 32;
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57);
}

// What stood below the wrapper that a session installed.
const below = new WeakMap();

// The global fetch below all sessions: one session's calls are none of another's, and the module
// must not wait for itself.
export function globalFetch() {
  let found = globalThis.fetch;
  while (below.has(found)) found = below.get(found);
  return found.bind(globalThis);
}

// Puts a session over the global fetch, and keeps whatever wrapper stands there in the chain.
// Returns what undoes it.
export function install(link, allowed) {
  const before = globalThis.fetch;
  const native = before.bind(globalThis);
  let on = true;
  const installed = function fetch(input) {
    return on ? send(link, allowed, native, input, arguments[1]) : native(...arguments);
  };
  below.set(installed, before);
  globalThis.fetch = installed;
  return () => {
    on = false;
    // Where somebody wrapped ours, it stays below and lets everything pass.
    if (globalThis.fetch === installed) globalThis.fetch = before;
  };
}

export function send(link, allowed, native, input, init) {
  try {
    const isRequest = input instanceof Request;
    // What is none of these may still be a Request to the browser (a frame's), or say something else
    // when it is read again: it is decided upon as the browser has read it.
    const url = typeof input === 'string' ? input : isRequest ? input.url : input instanceof URL ? input.href : undefined;
    if (url !== undefined && !allowed.has(url)) return native(input, init);
    if (url === undefined || isRequest || !isSimple(init)) return sendRequest(link, allowed, native, input, init);
    return sendSimple(link, allowed, native, url, init);
  } catch (error) {
    return Promise.reject(error); // as fetch does
  }
}

// Whether a request can be sent, and sent again, without building a Request.
const isSimple = (init) =>
  init == null ||
  (typeof init === 'object' && isPlain(init) && isFixed(init.body) && init.mode !== 'no-cors');

async function sendSimple(link, allowed, native, url, init) {
  const pass = link.pass();
  // It has to wait: what it says is fixed now, as fetch does.
  if (!pass) return sendRequest(link, allowed, native, url, init);
  if (!pass.bearer) return native(url, init);
  const headers = withToken(init?.headers, pass.bearer);
  if (headers === undefined) return native(url, init);
  if (headers === null) return sendRequest(link, allowed, native, url, init);
  // Ours: the caller may have changed theirs by the time it is sent again.
  const sent = { ...init, headers };
  // Nor does the page stay where it is: a relative URL means what it means now.
  const base = baseURI();
  const response = await native(url, sent);
  if (response.status !== 401) return response;
  const next = await link.rejected(pass.serial, sent.signal);
  if (!next?.bearer) return response;
  discard(response);
  const again = new Headers(headers);
  again.set('authorization', next.bearer);
  return native(new URL(url, base).href, { ...sent, headers: again });
}

async function sendRequest(link, allowed, native, input, init) {
  const request = new Request(input, init);
  if (!allowed.has(request.url) || request.headers.has('authorization') || request.mode === 'no-cors') {
    return native(request);
  }
  const pass = link.pass() ?? (isKeepalive(request, init) ? link.passAtOnce() : await link.hold(request.signal));
  if (!pass.bearer) return native(request);
  const spare = isReplayable(init?.body) ? request.clone() : undefined;
  request.headers.set('authorization', pass.bearer);
  const response = await native(request);
  const next = response.status === 401 ? await link.rejected(pass.serial, request.signal) : undefined;
  if (!next?.bearer || !spare) {
    discard(spare);
    return response;
  }
  discard(response);
  spare.headers.set('authorization', next.bearer);
  return native(spare);
}

// Nobody will read the body: it need not be kept, or loaded any further.
const discard = (message) => void message?.body?.cancel().catch(() => {});

// Firefox before 133 has no Request.keepalive.
const isKeepalive = (request, init) => request.keepalive ?? init?.keepalive ?? false;
