// Everything a refresh may be answered that is neither a token nor the authoritative end of the session.
// Each row: its name, the fault (see fault.mjs), and what a `degraded` event says of it.

const ME = { id: 'a-session', user: 'a-user' };
const GOOD = { token: 'aa.bb.cc', expires_in_ms: 8_000, refresh_in_ms: 3_000, session: ME };

const JSON_TYPE = { 'content-type': 'application/json' };
const PROBLEM = { 'content-type': 'application/problem+json' };
const HTML = { 'content-type': 'text/html; charset=utf-8' };
const SIGN_IN_PAGE = '<!doctype html><title>Sign in</title><form method="post"><input name="user"></form>';

const network = { failure: 'network' };
const timeout = { failure: 'timeout' };
const unreadable = { failure: 'unreadable' };
const status = (status) => ({ failure: 'status', status });

// 200 and JSON, but not of the protocol.
const shapes = {
  'nothing in it': {},
  'null': null,
  'a text': 'ok',
  'a number': 42,
  'a list': [GOOD],
  'no token': { ...GOOD, token: undefined },
  'a number for a token': { ...GOOD, token: 42 },
  'an empty token': { ...GOOD, token: '' },
  'a token of two lines': { ...GOOD, token: 'aa.bb.cc\r\nx-injected: 1' },
  'a token that is no header value': { ...GOOD, token: 'aa.bb.\u{1f511}' },
  'no life': { ...GOOD, expires_in_ms: undefined },
  'a life of 0': { ...GOOD, expires_in_ms: 0 },
  'a negative life': { ...GOOD, expires_in_ms: -8_000 },
  'a life of 1e300': { ...GOOD, expires_in_ms: 1e300 },
  'a life that is infinite': JSON.stringify(GOOD).replace('8000', '1e999'),
  'a life that is not a number': { ...GOOD, expires_in_ms: NaN },
  'a life in a text': { ...GOOD, expires_in_ms: '8000' },
  'a life of half a millisecond': { ...GOOD, expires_in_ms: 8_000.5 },
  'a life in seconds': { ...GOOD, expires_in_ms: 8, refresh_in_ms: 3 },
  'renewal after the end': { ...GOOD, refresh_in_ms: 8_000 },
  'renewal at once': { ...GOOD, refresh_in_ms: 0 },
  'negative renewal': { ...GOOD, refresh_in_ms: -1 },
  'no session': { ...GOOD, session: undefined },
  'a text for a session': { ...GOOD, session: 'a-session' },
  'a session of nobody': { ...GOOD, session: { id: 'a-session', user: '' } },
  'a session without an id': { ...GOOD, session: { user: 'a-user' } },
};

// Two seconds later, as a date; the answer's own date goes with it.
const inTwoSeconds = {
  get date() {
    return new Date().toUTCString();
  },
  get 'retry-after'() {
    return new Date(Date.now() + 2_000).toUTCString();
  },
};

const plain = (...statuses) =>
  statuses.map((number) => ({ name: `${number}`, fault: { status: number }, detail: status(number) }));

// `elsewhere` is the URL of a sign-in page at another port. `least` is the shortest time in ms between two
// attempts that the answer asks for.
export const answers = (elsewhere) => [
  { name: 'cut before', fault: { cut: 'before' }, detail: network },
  { name: 'cut in the middle', fault: { cut: 'middle' }, detail: network },
  { name: 'cut after', fault: { cut: 'after' }, detail: network },
  { name: 'garbage', fault: { garbage: true }, detail: unreadable },
  { name: 'truncated', fault: { truncated: true }, detail: unreadable },
  { name: '200, empty', fault: { status: 200, headers: JSON_TYPE }, detail: unreadable },
  { name: '200, HTML', fault: { status: 200, headers: HTML, body: SIGN_IN_PAGE }, detail: unreadable },
  ...Object.entries(shapes).map(([shape, body]) => ({
    name: `200, JSON, ${shape}`,
    fault: { status: 200, headers: JSON_TYPE, body: typeof body === 'string' && body[0] === '{' ? body : JSON.stringify(body) },
    detail: unreadable,
  })),
  { name: '201, a token', fault: { status: 201, body: GOOD }, detail: status(201) },
  ...plain(204),
  { name: '301 to a sign-in page', fault: { status: 301, headers: { location: '/t/plain.html' } }, detail: network },
  { name: '302 to a sign-in page', fault: { status: 302, headers: { location: '/t/plain.html' } }, detail: network },
  { name: '302 to another port', fault: { status: 302, headers: { location: elsewhere } }, detail: network },
  { name: '307 to another port', fault: { status: 307, headers: { location: elsewhere } }, detail: network },
  ...plain(304, 400),
  { name: '400 duplicate_cookie', fault: { status: 400, headers: PROBLEM, body: { code: 'duplicate_cookie' } }, detail: status(400) },
  { name: '401, nothing', fault: { status: 401 }, detail: unreadable },
  { name: '401, HTML', fault: { status: 401, headers: HTML, body: SIGN_IN_PAGE }, detail: unreadable },
  { name: '401, another code', fault: { status: 401, headers: PROBLEM, body: { code: 'invalid_credentials' } }, detail: unreadable },
  { name: '401, an unknown code', fault: { status: 401, headers: PROBLEM, body: { code: 'SESSION_REVOKED' } }, detail: unreadable },
  { name: '401, a list for a code', fault: { status: 401, headers: PROBLEM, body: { code: ['session_revoked'] } }, detail: unreadable },
  ...plain(403),
  { name: '403 session_revoked', fault: { status: 403, headers: PROBLEM, body: { code: 'session_revoked' } }, detail: status(403) },
  {
    name: '403 origin_rejected',
    fault: { status: 403, headers: PROBLEM, body: { code: 'origin_rejected' } },
    detail: { failure: 'origin_rejected' },
  },
  ...plain(404),
  // Only a proxy that the browser was told of may ask for this: the browser makes an error of it.
  { name: '407', fault: { status: 407 }, detail: network },
  ...plain(408, 410, 418, 425, 429),
  { name: '429, seconds', fault: { status: 429, headers: { 'retry-after': '2' } }, detail: status(429), least: 2_000 },
  // The date has whole seconds: one may be lost between the two headers.
  { name: '429, a date', fault: { status: 429, headers: inTwoSeconds }, detail: status(429), least: 1_000 },
  { name: '429, a date gone by', fault: { status: 429, headers: { 'retry-after': new Date(0).toUTCString() } }, detail: status(429) },
  { name: '429, nonsense', fault: { status: 429, headers: { 'retry-after': '-1e9 soon' } }, detail: status(429) },
  ...plain(500, 502, 503),
  { name: '503, seconds', fault: { status: 503, headers: { 'retry-after': '1' } }, detail: status(503), least: 1_000 },
  { name: '500 session_revoked', fault: { status: 500, headers: PROBLEM, body: { code: 'session_revoked' } }, detail: status(500) },
  ...plain(504, 511),
];

// What keeps a connection busy, of which browsers have six for an origin. One of these is enough for a page
// that is just loading: the second attempt has twice the time.
export const slowAnswers = [
  { name: 'hang', fault: { hang: true }, detail: timeout },
  { name: 'an answer too late', fault: { answerDelay: 6_000 }, detail: timeout },
  // The browser asks its user for a password, whom the refresh does not wait for.
  { name: '401 of a gateway', fault: { status: 401, headers: { 'www-authenticate': 'Basic realm="gateway"' } }, detail: timeout },
];
