// The session, as an application holds it.

import { SessionError } from './errors.js';
import { Allowed, install, send } from './fetch.js';
import { Link } from './link.js';
import { readOptions } from './options.js';

// The core says -1 for what there is not.
const known = (ms) => (ms >= 0 ? ms : undefined);

const STATUS = ['loading', 'signedin', 'signedout', 'closed'];

export function createSession(options) {
  if (typeof location === 'undefined') {
    throw new SessionError('unsupported_environment', {
      about: 'a session belongs to a browser page or a worker, not to a server: create it in code that runs in the browser',
    });
  }
  return new Session(readOptions(options));
}

class Session extends EventTarget {
  #link;
  #allowed;
  #signingOut;
  #uninstall;

  constructor(options) {
    super();
    this.#allowed = new Allowed(options.origins, options.core.url);
    this.#link = new Link(options, (kind, detail) => this.dispatchEvent(new CustomEvent(kind, { detail })));
  }

  get ready() {
    return this.#link.ready;
  }

  get status() {
    return this.#link.closed ? 'closed' : STATUS[this.#link.core?.status() ?? 0];
  }

  get user() {
    return this.#link.core?.user();
  }

  get id() {
    return this.#link.core?.id();
  }

  get claims() {
    return this.#link.claims;
  }

  get expiresIn() {
    return known(this.#link.core?.expires_in());
  }

  get refreshIn() {
    return known(this.#link.core?.refresh_in());
  }

  // An arrow: it is handed to other libraries without its object.
  fetch = (input, init) => send(this.#link, this.#allowed, this.#link.native, input, init);

  async getToken(options) {
    const { signal } = options ?? {};
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new SessionError('invalid_argument', { about: 'signal must be an AbortSignal' });
    }
    signal?.throwIfAborted();
    const pass = this.#link.pass() ?? (await this.#link.hold(signal));
    if (!pass.bearer) throw new SessionError('signed_out');
    return pass.bearer.slice('Bearer '.length);
  }

  async signIn(credentials) {
    const { email, password, ticket } = credentials ?? {};
    const isTicket = ticket !== undefined;
    const body = isTicket ? { ticket } : { email, password };
    for (const [name, value] of Object.entries(body)) {
      if (typeof value !== 'string' || value === '' || value.length > 1024) {
        throw new SessionError('invalid_argument', { about: `${name} must be a text of 1 to 1024 characters` });
      }
    }
    await this.#link.call((core) => core.sign_in(JSON.stringify(body), isTicket));
    // In a page of another site the session would be over with its first token, and nothing would say why.
    if (globalThis.top !== globalThis.self && globalThis.top && !(await this.#link.hasCookie())) {
      await this.signOut();
      throw new SessionError('cookie_blocked');
    }
  }

  signOut() {
    this.#signingOut ??= this.#link
      .call((core) => core.sign_out())
      .finally(() => (this.#signingOut = undefined));
    return this.#signingOut;
  }

  reportActivity() {
    this.#link.core?.active();
  }

  install() {
    if (this.#link.closed) throw new SessionError('closed');
    this.#uninstall ??= install(this.#link, this.#allowed);
  }

  uninstall() {
    this.#uninstall?.();
    this.#uninstall = undefined;
  }

  close() {
    this.uninstall();
    this.#link.close();
  }
}

if (Symbol.dispose) Session.prototype[Symbol.dispose] = Session.prototype.close;
