// What must compile, and what must not. Nothing here runs.

import { createSession, SessionError } from 'fiftyten';
import type {
  Credentials,
  DegradedDetail,
  RefreshReason,
  Session,
  SessionErrorCode,
  SessionEventMap,
  SessionOptions,
  SessionStatus,
  SignedOutDetail,
  TokenClaims,
  WasmSource,
} from 'fiftyten';

// Whether two types are the same.
type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const same = <One, Other>(_: Same<One, Other>): void => {};

// Creating.

const session = createSession();
same<typeof session, Session>(true);
createSession({});
createSession({ url: '/auth' });
createSession({
  url: new URL('https://app.test/auth'),
  allowedOrigins: ['https://api.app.test', new URL('https://b.test')],
  pollWhileHidden: true,
  requestLimit: 10_000,
  readyLimit: 4_000,
  fetch: globalThis.fetch,
  wasm: '/assets/fiftyten_bg.wasm',
});
createSession({ url: undefined, wasm: undefined, requestLimit: undefined });
createSession({ allowedOrigins: Object.freeze(['https://api.app.test']) });
createSession({ allowedOrigins: ['https://api.app.test'] as const });
createSession({ fetch: async (input, init) => new Response(String(input) + String(init?.method)) });
// @ts-expect-error an option that does not exist
createSession({ baseUrl: '/auth' });
// @ts-expect-error a number in the wrong unit is still a number, but not a text
createSession({ requestLimit: '10s' });
// @ts-expect-error one origin is a list of one
createSession({ allowedOrigins: 'https://api.app.test' });
// @ts-expect-error not a function
createSession({ fetch: 5 });
// @ts-expect-error not null
createSession({ url: null });
// @ts-expect-error not a text
createSession('/auth');

declare const bytes: Uint8Array;
declare const compiled: WebAssembly.Module;
declare const answer: Promise<Response>;
for (const wasm of ['/x', new URL('x:'), bytes, bytes.buffer as ArrayBuffer, compiled, new Response(), new Request('/x')]) {
  createSession({ wasm });
}
createSession({ wasm: answer });
const source: Promise<WasmSource> = Promise.resolve(bytes);
createSession({ wasm: source });
// @ts-expect-error not a source
createSession({ wasm: 5 });
// @ts-expect-error not a source
createSession({ wasm: true });

// The state.

same<typeof session.ready, Promise<void>>(true);
same<typeof session.status, SessionStatus>(true);
same<typeof session.user, string | undefined>(true);
same<typeof session.id, string | undefined>(true);
same<typeof session.expiresIn, number | undefined>(true);
same<typeof session.refreshIn, number | undefined>(true);
// @ts-expect-error it is read only
session.status = 'signedout';
// @ts-expect-error it may be undefined
session.expiresIn.toFixed();
// @ts-expect-error there is no such state
if (session.status === 'expired') session.close();

// Its claims.

session.claims?.sub.toUpperCase();
session.claims?.roles?.includes('admin');
// @ts-expect-error nobody may be signed in
session.claims.sub;
// @ts-expect-error unknown to this application
session.claims?.plan;
// @ts-expect-error frozen
session.claims?.roles?.push('admin');

interface Mine {
  plan: 'free' | 'paid';
  readonly teams: readonly { id: string }[];
}
const mine = createSession<Mine>({ url: '/auth' });
same<typeof mine, Session<Mine>>(true);
same<NonNullable<typeof mine.claims>['plan'], 'free' | 'paid'>(true);
same<NonNullable<typeof mine.claims>['sub'], string>(true);
mine.claims?.teams[0]?.id;
// @ts-expect-error frozen
if (mine.claims) mine.claims.plan = 'paid';
// @ts-expect-error not one of the values
if (mine.claims?.plan === 'gold') mine.close();
// @ts-expect-error claims are an object
createSession<string>();
const claims: TokenClaims | undefined = mine.claims;
void claims;

// Requests.

const { fetch } = session;
same<typeof fetch, typeof globalThis.fetch>(true);
globalThis.fetch = session.fetch;
const response: Promise<Response> = session.fetch('/api', { method: 'POST', body: new FormData(), keepalive: true });
void response;
session.fetch(new Request('/api'), { signal: AbortSignal.timeout(1_000) });
session.fetch(new URL('https://app.test/'));
// @ts-expect-error no URL
session.fetch(5);
// @ts-expect-error a value that fetch does not know
session.fetch('/api', { mode: 'corss' });
// @ts-expect-error a request needs a URL
session.fetch();

const token: Promise<string> = session.getToken();
void token;
session.getToken({ signal: AbortSignal.timeout(1_000) });
session.getToken({ signal: undefined });
// @ts-expect-error not an option
session.getToken({ force: true });
// @ts-expect-error a promise is no token
const text: string = session.getToken();
void text;

// Signing in and out.

const credentials: Credentials = { email: 'ada@app.test', password: 'x' };
same<ReturnType<typeof session.signIn>, Promise<void>>(true);
session.signIn(credentials);
session.signIn({ ticket: 'x' });
session.signOut().catch((error: SessionError) => error.retryable);
// @ts-expect-error both are needed
session.signIn({ email: 'ada@app.test' });
// @ts-expect-error a text is needed
session.signIn({ email: 'ada@app.test', password: 5 });
// @ts-expect-error one argument
session.signIn('ada@app.test', 'x');

// Events.

session.addEventListener('refreshed', function (event) {
  same<typeof event.type, 'refreshed'>(true);
  same<typeof event.detail.reason, RefreshReason | 'tab'>(true);
  same<typeof event.detail.took, number>(true);
  same<typeof event.detail.expiresIn, number>(true);
  this.getToken();
});
session.addEventListener('degraded', ({ detail }) => {
  same<typeof detail, DegradedDetail>(true);
  same<typeof detail.status, number | undefined>(true);
  if (detail.failure === 'status') detail.status?.toFixed();
  // @ts-expect-error no such failure
  if (detail.failure === 'revoked') return;
});
session.addEventListener('recovered', ({ detail }) => detail.failures.toFixed());
session.addEventListener('signedin', async ({ detail }) => detail.user + detail.session, { once: true });
session.addEventListener('signedout', ({ detail }) => {
  same<typeof detail, SignedOutDetail>(true);
  same<typeof detail.reason, 'signed_out' | 'session_revoked' | 'session_expired' | 'no_session'>(true);
  same<typeof detail.user, string | undefined>(true);
});
session.addEventListener('signedout', { handleEvent: (event) => event.detail.reason }, true);
session.addEventListener('signedout', null);
session.addEventListener('signedout', (event: Event) => event.type);
session.addEventListener('signedout', (event: CustomEvent<SignedOutDetail>) => event.detail);
const listener = (event: SessionEventMap['signedin']): void => void event.detail.user;
session.addEventListener('signedin', listener, { signal: AbortSignal.timeout(1_000) });
session.removeEventListener('signedin', listener);
mine.addEventListener('signedin', function () {
  this.claims?.plan;
});
// @ts-expect-error a name that does not exist
session.addEventListener('signedOut', () => {});
// @ts-expect-error another event's detail
session.addEventListener('recovered', ({ detail }) => detail.reason);
// @ts-expect-error another event's listener
session.addEventListener('signedout', listener);
// @ts-expect-error read only
session.addEventListener('recovered', ({ detail }) => (detail.failures = 0));
const target: EventTarget = session;
void target;

// The rest.

session.install();
session.uninstall();
session.close();
session[Symbol.dispose]();
const disposable: { [Symbol.dispose](): void } = session;
void disposable;

// Errors.

try {
  await session.ready;
} catch (error) {
  if (error instanceof SessionError) {
    same<typeof error.code, SessionErrorCode>(true);
    same<typeof error.retryable, boolean>(true);
    same<typeof error.retryAfter, number | undefined>(true);
    same<typeof error.status, number | undefined>(true);
    same<typeof error.cause, unknown>(true);
    const asError: Error = error;
    void asError;
    switch (error.code) {
      case 'rate_limited':
        setTimeout(() => {}, error.retryAfter ?? 0);
        break;
      // @ts-expect-error no such code
      case 'expired':
        break;
    }
    // @ts-expect-error read only
    error.code = 'busy';
  }
  const { code } = error as SessionError;
  void code;
}
// @ts-expect-error the package makes them
new SessionError('timeout');

// A switch over all codes is complete.
export function explain(code: SessionErrorCode): string {
  switch (code) {
    case 'signed_out':
    case 'session_changed':
    case 'timeout':
    case 'unavailable':
    case 'network':
    case 'origin_rejected':
    case 'invalid_credentials':
    case 'rate_limited':
    case 'bad_request':
    case 'unexpected_answer':
    case 'busy':
    case 'closed':
    case 'crashed':
    case 'invalid_option':
    case 'invalid_argument':
    case 'unsupported_environment':
    case 'cookie_blocked':
    case 'wasm_blocked':
    case 'wasm_unavailable':
      return code;
  }
}

// A function that takes any session takes one with claims.
declare function show(session: Session): void;
show(session);
show(mine);
const options: SessionOptions = { requestLimit: 5_000 };
createSession(options);
