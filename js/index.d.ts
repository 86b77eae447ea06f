/**
 * Keeps a short-lived session token live in the browser: renewed before it expires, never sent
 * when it has, and gone within its lifetime once the session is revoked.
 *
 * Importing this module does nothing; {@link createSession} does.
 *
 * @packageDocumentation
 */

/**
 * Starts a session on this page. It returns at once: the WebAssembly module loads, and the server
 * is asked whether somebody is signed in, behind it. Requests made meanwhile through
 * {@link Session.fetch} wait for the answer.
 *
 * Create one session per page and keep it. Pages and dedicated workers of a browser can have one;
 * a server cannot.
 *
 * @example
 * ```ts
 * import { createSession } from 'fiftyten';
 *
 * const session = createSession();
 *
 * session.addEventListener('signedout', ({ detail }) => {
 *   if (detail.session) location.assign('/sign-in');
 * });
 *
 * await session.ready;
 * if (session.status === 'signedout') {
 *   await session.signIn({ email: 'ada@example.com', password: 'correct horse' });
 * }
 * const response = await session.fetch('/api/me');
 * ```
 *
 * @typeParam Claims - the claims that the application itself puts into its tokens. They are taken
 * on trust, not checked.
 * @param options - everything has a default.
 * @throws {@link SessionError} with code `invalid_option`, naming the option and what it must be,
 * or `unsupported_environment` where there is no page.
 */
export function createSession<Claims extends object = Record<never, never>>(options?: SessionOptions): Session<Claims>;

/** What {@link createSession} may be told. Every option has a default; `undefined` stands for it. */
export interface SessionOptions {
  /**
   * Where the refresh server is: its base path on this origin, or an absolute http(s) URL of the
   * same site. Without user name, query or fragment; a slash at its end does not matter.
   *
   * @defaultValue `'/auth'`
   */
  url?: string | URL | undefined;

  /**
   * Origins besides the page's own that are sent the token: scheme, host and port, as in
   * `'https://api.example.com'`. There are no wildcards. All others are never sent it.
   *
   * @defaultValue `[]`
   */
  allowedOrigins?: readonly (string | URL)[] | undefined;

  /**
   * Whether a page that is hidden keeps its token live. One that does not refreshes when it is
   * shown, or when it makes a request. A worker counts as shown.
   *
   * @defaultValue `false`
   */
  pollWhileHidden?: boolean | undefined;

  /**
   * How long a request may be held back for a token, and a sign-in or sign-out may take: whole
   * milliseconds, from 1 to 3,600,000. Then it rejects with code `timeout`. A sign-in that has to
   * wait for the WebAssembly module waits for that as long at most, and then for its answer.
   *
   * @defaultValue `10_000`
   */
  requestLimit?: number | undefined;

  /**
   * How long {@link Session.ready} waits for the first answer: whole milliseconds, from 1 to
   * 3,600,000.
   *
   * @defaultValue `4_000`
   */
  readyLimit?: number | undefined;

  /**
   * What to call instead of the global `fetch`, for the session's own calls and for what
   * {@link Session.fetch} sends. The module is not loaded by it.
   *
   * @defaultValue what stands at `globalThis.fetch` when the session is created
   */
  fetch?: typeof globalThis.fetch | undefined;

  /**
   * The WebAssembly module, where the package's own file can't be found beside its scripts: a URL
   * to fetch it from, an answer, its bytes, or a compiled module; or a promise of one. A page has
   * one module; all its sessions use the first that loads.
   *
   * @defaultValue `new URL('./wasm/fiftyten_bg.wasm', import.meta.url)`, as the package sees it
   */
  wasm?: WasmSource | PromiseLike<WasmSource> | undefined;
}

/** What the WebAssembly module can be had from. */
export type WasmSource = string | URL | Request | Response | ArrayBuffer | ArrayBufferView | WasmModule;

/** `WebAssembly.Module`, where it is declared. */
type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module & object : never;

/**
 * A session, as an application holds it.
 *
 * The token itself is in WebAssembly memory and is handed out by {@link Session.getToken} only.
 *
 * @typeParam Claims - the application's own claims, as given to {@link createSession}.
 */
export interface Session<Claims extends object = Record<never, never>> extends EventTarget {
  /**
   * Settles when it is known whether somebody is signed in, or after `readyLimit` ms without an
   * answer. It does not reject for the network's sake: `status` is `'loading'` then, and becomes
   * what it is later.
   *
   * Rejects with a {@link SessionError} if there never will be an answer: `wasm_blocked`,
   * `unsupported_environment` or `crashed`.
   */
  readonly ready: Promise<void>;

  /** Where the session stands now. */
  readonly status: SessionStatus;

  /** The user's id: the token's `sub`. `undefined` while nobody is signed in. */
  readonly user: string | undefined;

  /** The session's id, new at every sign-in: the token's `sid`. `undefined` while nobody is signed in. */
  readonly id: string | undefined;

  /**
   * The claims of the latest token, frozen; `undefined` while nobody is signed in. They are for
   * display: only a server that checks the signature may decide by them.
   */
  readonly claims: Readonly<TokenClaims & Claims> | undefined;

  /**
   * How many milliseconds the token may still be used, by this page's conservative clock; 0 if it
   * is past its deadline, `undefined` while nobody is signed in.
   */
  readonly expiresIn: number | undefined;

  /**
   * How many milliseconds until the token is due for renewal; 0 if it is overdue, `undefined` while
   * nobody is signed in. A visible page renews it then, and up to a second later.
   */
  readonly refreshIn: number | undefined;

  /**
   * `fetch`, with the token as `Authorization: Bearer …` on requests to the page's own origin and
   * the allowed ones. Everything else goes as it is: other origins, `no-cors`, requests with an
   * `Authorization` of their own, the session's own calls, and everything while nobody is signed in.
   *
   * While there is no live token the request is held back for one, `requestLimit` ms at most; one
   * with `keepalive` never is. An answer of 401 means one refresh and one more try, unless the
   * body is a stream. It can be handed on without its object.
   *
   * Rejects as `fetch` does, with the reason of an aborted signal, or with a {@link SessionError}
   * if it was held back or the session is over: `timeout`, `unavailable`, `signed_out`,
   * `session_changed`, `origin_rejected`, `closed`, `crashed`, `wasm_unavailable`, `wasm_blocked`,
   * `unsupported_environment`.
   */
  readonly fetch: typeof globalThis.fetch;

  /**
   * A token that is live now, for what `fetch` can't carry, such as the first message of a
   * WebSocket. Ask each time: it lives for seconds, so it should not be kept.
   *
   * Waits as a request does. Rejects with a {@link SessionError}, those of {@link Session.fetch},
   * or with the reason of `options.signal`.
   */
  getToken(options?: {
    /** Ends the wait. */
    signal?: AbortSignal | undefined;
  }): Promise<string>;

  /**
   * Signs in, with a password or with a ticket. It settles when `status`, `user` and the token are those of the new session.
   *
   * Rejects with a {@link SessionError}: `invalid_credentials`, `rate_limited` (see
   * {@link SessionError.retryAfter}), `invalid_argument`, `bad_request`, `network`, `timeout`,
   * `unavailable`, `unexpected_answer`, `origin_rejected`, `cookie_blocked`, `busy`, and as
   * {@link Session.fetch} where the module is concerned.
   */
  signIn(credentials: Credentials | Ticket): Promise<void>;

  /**
   * Signs out, which ends the session on the server. The token is withheld from the very call on.
   *
   * Rejects with a {@link SessionError} if the server could not be told: `network`, `timeout` and
   * `unavailable` are worth another try. The session is as it was then, because its cookie is
   * still there. Resolves if there is nothing to end.
   */
  signOut(): Promise<void>;

  /**
   * Puts this session's {@link Session.fetch} over `globalThis.fetch`, on top of whatever wrapper
   * stands there. Does nothing if it is there.
   *
   * @throws {@link SessionError} with code `closed`.
   */
  install(): void;

  /**
   * Says that the user is there. A session ends when its user has not been active for so long as the server
   * allows (24 h by default). A page notices pointers, keys and being turned to by itself; a worker can't, and
   * for other ways to be active, such as watching a film, the application has to say so. It is told to the
   * server with the next refresh; calling it often costs nothing.
   */
  reportActivity(): void;

  /** Takes it away again. Where another wrapper covers it, it stays below and lets everything pass. */
  uninstall(): void;

  /**
   * The end of this object, not of the user's session: timers and listeners go, `globalThis.fetch`
   * is given back, and everything that waits rejects with code `closed`.
   */
  close(): void;

  /** {@link Session.close}, for `using`. */
  [Symbol.dispose](): void;

  /** Listens to one of the events of {@link SessionEventMap}. What a listener throws changes nothing. */
  addEventListener<Name extends keyof SessionEventMap>(
    type: Name,
    listener: SessionEventListener<Name, this> | null,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void;

  /** Ends what {@link Session.addEventListener} began. */
  removeEventListener<Name extends keyof SessionEventMap>(
    type: Name,
    listener: SessionEventListener<Name, this> | null,
    options?: Parameters<EventTarget['removeEventListener']>[2],
  ): void;
}

/**
 * Where a session stands:
 *
 * - `loading`: it is not known yet whether somebody is signed in;
 * - `signedin`: somebody is, though the token may just be on its way;
 * - `signedout`: nobody is, or a sign-out is under way;
 * - `closed`: the object was closed, or its module crashed.
 */
export type SessionStatus = 'loading' | 'signedin' | 'signedout' | 'closed';

/** What {@link Session.signIn} sends. */
export interface Credentials {
  /** The account's e-mail address: 1 to 1024 characters. */
  email: string;
  /** Its password: 1 to 1024 characters. */
  password: string;
}

/** What {@link Session.signIn} sends where the application has a sign-in of its own. */
export interface Ticket {
  /**
   * What the application's server was given by `POST /v1/admin/tickets` for the user that it has
   * authenticated. It is good once, and for 60 s.
   */
  ticket: string;
}

/** The claims that every token has (RFC 7519), and the two for authorization. */
export interface TokenClaims {
  /** Who issued it: the public URL of the refresh server. */
  readonly iss: string;
  /** Whom it is for: the application's public origin. */
  readonly aud: string;
  /** The user's id. */
  readonly sub: string;
  /** The session's id. */
  readonly sid: string;
  /** When it was issued, by the server's clock: seconds since 1970. Do not compare it with this machine's. */
  readonly iat: number;
  /** When it expires, by the server's clock: seconds since 1970. {@link Session.expiresIn} is what to go by. */
  readonly exp: number;
  /** The user's roles. */
  readonly roles?: readonly string[];
  /** The user's permissions. */
  readonly permissions?: readonly string[];
}

/** The events of a session by their names. */
export interface SessionEventMap {
  /** A refresh brought a token. */
  refreshed: SessionEvent<'refreshed', RefreshedDetail>;
  /** A refresh failed, the first since one succeeded. The session stands, and so does a token that has time left. */
  degraded: SessionEvent<'degraded', DegradedDetail>;
  /** A refresh succeeded after some failed. */
  recovered: SessionEvent<'recovered', RecoveredDetail>;
  /** There is a session, or another one than before. */
  signedin: SessionEvent<'signedin', SignedInDetail>;
  /** The session is over, or there is none. */
  signedout: SessionEvent<'signedout', SignedOutDetail>;
}

/** An event of a session. */
export interface SessionEvent<Name extends string, Detail> extends CustomEvent<Detail> {
  readonly type: Name;
}

/** A listener of one of the events. */
export type SessionEventListener<Name extends keyof SessionEventMap, Target = Session> =
  | ((this: Target, event: SessionEventMap[Name]) => unknown)
  | { handleEvent(event: SessionEventMap[Name]): unknown };

/** Why a refresh was made. It stands in the URL of the request too. */
export type RefreshReason =
  /** The first of a page. */
  | 'start'
  /** The token had reached the age at which it is renewed. */
  | 'timer'
  /** The page was shown, focused, resumed or came online past that age. */
  | 'wake'
  /** A request found no live token. */
  | 'request'
  /** A server answered 401 to a request that carried the token. */
  | 'rejected'
  /** The one before had failed. */
  | 'retry';

/** The detail of `refreshed`. */
export interface RefreshedDetail {
  /** Why it was made; `'tab'` if another tab made it and handed the token over. */
  readonly reason: RefreshReason | 'tab';
  /** From sending the request to having the answer, in ms. */
  readonly took: number;
  /** How long the token lives from now, in ms. */
  readonly expiresIn: number;
}

/** The detail of `degraded`. */
export interface DegradedDetail {
  /** Why the refresh was made. */
  readonly reason: RefreshReason;
  /**
   * How it failed: no connection, no answer in time, an HTTP status that says nothing about the
   * session, an answer that can't be read, a page that the server does not allow, or an answer
   * about another session.
   */
  readonly failure: 'network' | 'timeout' | 'status' | 'unreadable' | 'origin_rejected' | 'other_session';
  /** The HTTP status, where `failure` is `'status'`. */
  readonly status?: number;
}

/** The detail of `recovered`. */
export interface RecoveredDetail {
  /** How many refreshes failed before. */
  readonly failures: number;
}

/** The detail of `signedin`. */
export interface SignedInDetail {
  /** The user's id. */
  readonly user: string;
  /** The session's id. */
  readonly session: string;
}

/** The detail of `signedout`. */
export interface SignedOutDetail {
  /**
   * Why: the user signed out here, the session was ended elsewhere, it reached its idle or
   * absolute lifetime, or there is none.
   */
  readonly reason: 'signed_out' | 'session_revoked' | 'session_expired' | 'no_session';
  /** Whose it was, if there was one. */
  readonly user?: string;
  /** Its id, if there was one. */
  readonly session?: string;
}

/**
 * What went wrong:
 *
 * - `signed_out`: nobody is signed in, or the session ended while the request was held back;
 * - `session_changed`: another user signed in while the request was held back, which was not sent;
 * - `timeout`: no token, or no answer, within `requestLimit`;
 * - `unavailable`: the server asks for more patience than the request has, or has trouble of its own;
 * - `network`: the server could not be reached;
 * - `origin_rejected`: the server does not allow this page; a matter of configuration;
 * - `invalid_credentials`: e-mail address and password do not match an account, or the ticket was used
 *   before, has expired, or never was one;
 * - `rate_limited`: too many attempts;
 * - `bad_request`: the server did not accept the request;
 * - `unexpected_answer`: the answer is not of the protocol;
 * - `busy`: a sign-in or sign-out is under way already;
 * - `closed`: the session was closed;
 * - `crashed`: a defect stopped the WebAssembly module; the page must be loaded again;
 * - `invalid_option`, `invalid_argument`: the message names it, and says what it must be;
 * - `unsupported_environment`: there is no page, or no WebAssembly;
 * - `cookie_blocked`: the browser does not keep the session's cookie, because the page is embedded in
 *   one of another site;
 * - `wasm_blocked`: the page's Content-Security-Policy lacks `'wasm-unsafe-eval'`;
 * - `wasm_unavailable`: the module could not be loaded.
 */
export type SessionErrorCode =
  | 'signed_out'
  | 'session_changed'
  | 'timeout'
  | 'unavailable'
  | 'network'
  | 'origin_rejected'
  | 'invalid_credentials'
  | 'rate_limited'
  | 'bad_request'
  | 'unexpected_answer'
  | 'busy'
  | 'closed'
  | 'crashed'
  | 'invalid_option'
  | 'invalid_argument'
  | 'unsupported_environment'
  | 'cookie_blocked'
  | 'wasm_blocked'
  | 'wasm_unavailable';

/**
 * Everything that this package itself throws or rejects with. Tell errors apart by `code`, not by
 * `instanceof` or message: a page may hold two copies of the package.
 *
 * @example
 * ```ts
 * try {
 *   await session.signIn(credentials);
 * } catch (error) {
 *   const { code, retryAfter } = error as SessionError;
 *   if (code === 'invalid_credentials') show('Wrong e-mail address or password.');
 *   else if (code === 'rate_limited') show(`Try again in ${Math.ceil((retryAfter ?? 60_000) / 1_000)} s.`);
 *   else throw error;
 * }
 * ```
 */
export class SessionError extends Error {
  private constructor();
  readonly name: 'SessionError';
  /** What went wrong. */
  readonly code: SessionErrorCode;
  /** Whether the same call may succeed later, without anything being changed. */
  readonly retryable: boolean;
  /** When to try again at the earliest, in ms from now, if the server said so. */
  readonly retryAfter?: number;
  /** The HTTP status of the answer, if there was one and it says something. */
  readonly status?: number;
  /** What was caught, if something was. */
  readonly cause?: unknown;
}

declare global {
  // As TypeScript's own `esnext.disposable` has it, for projects whose `lib` is older.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}
