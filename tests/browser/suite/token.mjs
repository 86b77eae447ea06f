// Compressed time, and what the proxy saw of it.

import assert from 'node:assert/strict';

// Compressed time: a token of 6 s, renewed every 3.
export const quick = { tokenLifetime: '6s', refreshIn: '3s' };

// From one refresh to the next, in ms.
export const CYCLE = 3_000;

// With the true numbers, an age in ms at which a token is due for renewal and has time left.
export const OVERDUE = 53_000;

// When a token of 6 s is dead for sure, in ms.
export const DEAD = 7_000;

// That a refresh was answered before any of the calls that came after it, which all carry a token.
// Answers how many there were.
export function assertRefreshFirst({ proxy }, refresh) {
  const answered = refresh.t + refresh.duration;
  const calls = proxy.requests('/api/*').filter(({ t }) => t >= refresh.t);
  for (const { t, headers } of calls) {
    assert.ok(t >= answered, `a call left ${answered - t} ms before the refresh was answered`);
    assert.ok(headers.authorization, 'without a token');
  }
  return calls.length;
}
