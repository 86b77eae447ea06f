// What codes mean, for people.

const REASONS = {
  start: 'The page was opened.',
  timer: 'In the background: the token was due.',
  wake: 'The page woke up and found the token overdue.',
  request: 'A call found the token expired, and waited for this.',
  rejected: 'An API answered 401.',
  retry: 'The attempt before had failed.',
  tab: 'Another tab of this browser refreshed, for this one too.',
  'sign-in': 'E-mail address and password, for a session and its first token.',
  'sign-out': 'Ends the session on the server.',
};

const ENDINGS = {
  signed_out: 'You signed out.',
  session_revoked: 'This session was ended from elsewhere.',
  session_expired: 'This session reached the end of its lifetime.',
  no_session: 'There is no session any more.',
};

const FAILURES = {
  network: 'the server cannot be reached',
  timeout: 'the server does not answer in time',
  unreadable: 'the server answers something else than a token',
  origin_rejected: 'the server refuses this page’s origin: open the page at the address that the server printed',
  other_session: 'the server speaks of another session',
};

export const reasonInWords = (reason) => REASONS[reason] ?? '';

export const endingInWords = (reason) => ENDINGS[reason] ?? 'The session has ended.';

export const failureInWords = ({ failure, status }) =>
  FAILURES[failure] ?? `the server answers ${status ?? 'with an error'}`;

// How Chromium, Firefox and WebKit say that there was no answer.
const UNREACHABLE = /failed to fetch|networkerror|load failed/i;

// An error of the SDK has a code and says what to do; what fetch throws says neither.
export function errorInWords(error) {
  if (error?.name === 'SessionError') {
    const said = error.message.replace(` (${error.code})`, '');
    return { code: error.code, text: `${said.charAt(0).toUpperCase()}${said.slice(1)}.` };
  }
  if (error?.name === 'TypeError' && UNREACHABLE.test(error.message)) {
    return { code: 'network', text: 'The server could not be reached.' };
  }
  return { code: error?.name ?? 'error', text: String(error?.message ?? error) };
}

export const seconds = (ms, digits = 1) => `${(ms / 1000).toFixed(digits)} s`;

// Short times need a decimal, long ones don't.
export function duration(ms) {
  if (ms >= 10_000) return seconds(ms, 0);
  if (ms >= 1_000) return seconds(ms);
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

// "Chrome on Linux": as much of a User-Agent as helps to recognise one's own device.
export function deviceInWords(agent = '') {
  const first = (names) => names.find(([sign]) => agent.includes(sign))?.[1];
  const browser = first([
    ['Edg', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari'],
    ['curl/', 'curl'],
  ]);
  const system = first([
    ['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'],
    ['Linux', 'Linux'],
  ]);
  if (!browser) return agent.slice(0, 40) || 'Unknown device';
  return system ? `${browser} on ${system}` : browser;
}
