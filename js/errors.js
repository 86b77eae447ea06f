// The errors of this library: one class, told apart by `code`.

// What to do about each. `{}` stands for what is known of the cause.
const ADVICE = {
  signed_out: 'nobody is signed in: sign in first, or ask `session.status`',
  session_changed: 'another user signed in while the request was held back; it was not sent',
  timeout: 'no answer in time{}; try again',
  unavailable: 'the server asks to wait{}; try again later',
  network: 'the server could not be reached{}; try again',
  origin_rejected:
    'the server refuses this page: its public URL must be the origin of the page, or the origin must be on its allow-list{}',
  invalid_credentials: 'the password does not match, or the ticket is good no longer',
  rate_limited: 'too many attempts{}; try again later',
  bad_request: 'the server did not accept the request{}',
  unexpected_answer: 'the answer is not of the protocol{}: is `url` where the server is?',
  busy: 'a sign-in or a sign-out is under way: wait for it',
  closed: 'the session was closed: create another',
  crashed: 'a defect stopped the WebAssembly module, for good: reload the page',
  invalid_option: '{}',
  invalid_argument: '{}',
  unsupported_environment: '{}',
  cookie_blocked:
    "the browser does not keep the session's cookie: this page is embedded in one of another site, or cookies are blocked",
  wasm_blocked:
    "the page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src directive",
  wasm_unavailable: 'the WebAssembly module could not be loaded{}',
};

// Those that may go away by themselves.
const RETRYABLE = new Set(['timeout', 'unavailable', 'network', 'rate_limited', 'busy', 'wasm_unavailable']);

export class SessionError extends Error {
  constructor(code, { about = '', cause, retryAfter, status } = {}) {
    const advice = (ADVICE[code] ?? code).replace('{}', () => about);
    super(`${advice} (${code})`, cause === undefined ? undefined : { cause });
    this.name = 'SessionError';
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
    if (status !== undefined) this.status = status;
  }
}

// From what src/web/notice.rs tells of an error. `elsewhere`: the server is of another origin than the page.
export function errorFrom({ code, failure, status, retryAfter, detail }, elsewhere) {
  const last = failure === 'status' ? `the refresh was answered ${status}` : failure && `refresh: ${failure}`;
  // Browsers tell a page no more than that, if it is not on the allow-list.
  const hidden = elsewhere && 'network' === (failure ?? code) && "is this page's origin of the same site, and on its allow-list?";
  const about = [last, hidden, detail, retryAfter !== undefined && `for ${Math.ceil(retryAfter / 1000)} s`]
    .filter(Boolean)
    .join('; ');
  return new SessionError(code, { about: about && ` (${about})`, retryAfter, status });
}
