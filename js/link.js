// The link to the module. The core knows waiters and calls by number; their promises live here, so
// that whatever becomes of the module, none is left hanging.

import { SessionError, errorFrom } from './errors.js';
import { globalFetch } from './fetch.js';
import { load } from './load.js';

// A load that failed is tried again by itself after these waits in ms, and at every call.
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

export class Link {
  #options;
  #global;
  #fetch;
  #emit;
  #core;
  #opening;
  #retry;
  #unwatch;
  #gone; // the error of every call from now on: closed, or crashed
  #waiters = new Map();
  #calls = new Map();
  #asking = 0;
  #early = new Map(); // what was settled while the core was still being asked
  #claims;
  #release; // gives the lock back that was asked for last
  #ready = Promise.withResolvers?.() ?? withResolvers();

  constructor(options, emit) {
    this.#options = options;
    this.#emit = emit;
    // What stands there now: a script that patches fetch later does not see the tokens.
    this.#global = globalFetch();
    // Bound, because the browser's own must not be called as a method.
    this.#fetch = options.fetch?.bind(globalThis) ?? this.#global;
    this.#ready.promise.catch(() => {});
    const timer = setTimeout(this.#ready.resolve, options.core.readyLimit);
    this.#ready.promise.finally(() => clearTimeout(timer)).catch(() => {});
    this.#openInTime(FIRST_WAIT);
  }

  get ready() {
    return this.#ready.promise;
  }

  get native() {
    return this.#fetch;
  }

  // The core while it can be asked, for what has no answer otherwise.
  get core() {
    return this.#gone ? undefined : this.#core;
  }

  get closed() {
    return this.#gone !== undefined;
  }

  get claims() {
    if (!(this.core?.expires_in() >= 0)) return undefined;
    return (this.#claims ??= deepFreeze(this.core.claims()));
  }

  // What a request may carry now: a pass, or undefined if it must wait. A pass without a bearer
  // lets it go as it is.
  pass() {
    const serial = this.core?.gate() ?? -1;
    // Asked for last: a listener may have closed the session just now.
    if (this.#gone) throw this.#gone;
    if (serial < 0) return undefined;
    return { serial, bearer: serial > 0 ? this.#core.bearer() : undefined };
  }

  // For a request that must not wait: the token down to its last moment, or none.
  passAtOnce() {
    const bearer = this.core?.bearer();
    return { serial: bearer ? this.#core.serial() : 0, bearer };
  }

  // Waits for a pass, within the limit.
  async hold(signal) {
    if (this.#core) return this.#wait(() => this.#core.hold(), signal);
    // One limit for both: the module's loading, and the token.
    return this.#inTime(async (late) => {
      await this.#opened(late);
      return this.pass() ?? this.#wait(() => this.#core.hold(), late);
    }, signal);
  }

  // After a 401: the pass to try again with, or undefined to hand the answer over.
  async rejected(serial, signal) {
    // The core answers 0 to hand it over, -1 to try again at once, or a waiter plus 1.
    const ask = () => (this.core?.rejected(serial) ?? 0) - 1;
    return this.#wait(ask, signal).catch((error) => {
      if (signal?.aborted) throw error;
      return undefined;
    });
  }

  // A sign-in or a sign-out: `start` asks the core for its number.
  async call(start) {
    // Nothing is waited for if there is a core: a sign-out withholds the token at once.
    if (!this.#core && !this.#gone) await this.#inTime((late) => this.#opened(late));
    if (this.#gone) throw this.#gone;
    let id;
    try {
      id = start(this.#core);
    } catch (error) {
      throw typeof error === 'string' ? new SessionError(error) : error;
    }
    // A listener may have closed the session just now.
    if (this.#gone) throw this.#gone;
    if (id === 0) return undefined;
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  // Whether the browser sends the session's cookie. Where the server can't be asked it is given the benefit
  // of the doubt.
  async hasCookie() {
    try {
      const init = { headers: { 'x-fiftyten': '1' }, cache: 'no-store', credentials: 'include' };
      const ask = (signal) => this.#fetch(`${this.#options.core.url}/v1/sessions`, { ...init, signal });
      const { status } = await this.#inTime(ask);
      return status !== 401;
    } catch {
      return true;
    }
  }

  close() {
    if (this.#gone) return;
    const core = this.#core;
    core?.close();
    this.#end(new SessionError('closed'));
    // Later: it may be a listener that closes, called by the very core.
    queueMicrotask(() => core?.free());
  }

  #end(error) {
    this.#gone ??= error;
    clearTimeout(this.#retry);
    this.#unwatch?.();
    this.#release?.();
    for (const { reject } of [...this.#waiters.values(), ...this.#calls.values()]) reject(error);
    this.#calls.clear();
    if (error.code === 'closed') this.#ready.resolve();
    else this.#ready.reject(error);
  }

  #openInTime(wait) {
    this.#open().catch((error) => {
      if (this.#gone) return;
      if (!error.retryable) this.#ready.reject(error);
      else this.#retry = setTimeout(() => this.#openInTime(Math.min(2 * wait, LONGEST_WAIT)), wait);
    });
  }

  #open() {
    this.#opening ??= load(this.#options.wasm, this.#global)
      .then((module) => {
        if (this.#gone) return;
        this.#unwatch = module.watch((error) => this.#end(error));
        const { url, requestLimit, readyLimit, pollWhileHidden } = this.#options.core;
        this.#core = new module.Core(url, requestLimit, readyLimit, pollWhileHidden, this.#host());
      })
      .catch((error) => {
        this.#opening = undefined;
        throw error;
      });
    return this.#opening;
  }

  // Until there is a core to ask.
  #opened(signal) {
    return new Promise((resolve, reject) => {
      const place = this.#register({}, { resolve, reject }, signal);
      this.#open().then(place.resolve, place.reject);
    });
  }

  // Does `work` within the limit of a held request, and no longer than `signal` lets it.
  async #inTime(work, signal) {
    const late = new AbortController();
    const about = () => (this.#core ? '' : ': the module is still loading');
    const timer = setTimeout(
      () => late.abort(new SessionError('timeout', { about: about() })),
      this.#options.core.requestLimit,
    );
    const abort = () => late.abort(signal.reason);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    try {
      return await work(late.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  // Asks the core for a waiter, and waits. The core may settle it before it has answered.
  #wait(ask, signal) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#asking += 1;
      const id = ask();
      this.#asking -= 1;
      const early = this.#early.get(id);
      if (!this.#asking) this.#early.clear();
      if (early) settle({ resolve, reject }, early);
      else if (this.#gone) reject(this.#gone);
      else if (id < 0) resolve(id === -1 ? undefined : this.pass());
      else this.#register(id, { resolve, reject }, signal);
    });
  }

  // Whom `settle`, the signal or the end of it all will settle, whichever is first.
  #register(id, { resolve, reject }, signal) {
    const leave = (how) => (value) => {
      if (!this.#waiters.delete(id)) return;
      signal?.removeEventListener('abort', abort);
      how(value);
    };
    const place = { resolve: leave(resolve), reject: leave(reject) };
    const abort = () => {
      if (typeof id === 'number') this.core?.give_up(id);
      place.reject(signal.reason);
    };
    this.#waiters.set(id, place);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    return place;
  }

  // What src/web/host.rs asks for. None of it throws.
  #host() {
    const elsewhere = new URL(this.#options.core.url).origin !== location.origin;
    const settled = (waiter, outcome) => {
      const place = this.#waiters.get(waiter);
      if (place) settle(place, outcome);
      else if (this.#asking) this.#early.set(waiter, outcome);
    };
    return {
      fetch: this.#fetch,
      settle: (waiter, serial, bearer) => settled(waiter, { pass: { serial, bearer } }),
      fail: (waiter, error) => settled(waiter, { error: errorFrom(error, elsewhere) }),
      finish: (id, error) => {
        const call = this.#calls.get(id);
        this.#calls.delete(id);
        if (error) call?.reject(errorFrom(error, elsewhere));
        else call?.resolve();
      },
      keep: (release) => (this.#release = release),
      ready: () => this.#ready.resolve(),
      emit: (kind, detail) => {
        this.#claims = undefined;
        if (!this.#gone) this.#emit(kind, detail);
      },
    };
  }
}

function settle({ resolve, reject }, { pass, error }) {
  if (error) reject(error);
  else resolve(pass);
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// Claims are handed out by reference: nobody is to change them under somebody else.
function deepFreeze(value) {
  if (value !== null && typeof value === 'object') Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
