// The tokens that the proxy saw, and whether each was still good when it arrived.

import assert from 'node:assert/strict';

export const claims = (authorization) => JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url'));

// The calls that carried a token, as the proxy recorded them, each with `left`: ms until its token's end.
export const carried = ({ proxy }, from = 0) =>
  proxy
    .requests('/api/*')
    .filter(({ t, headers }) => t >= from && headers.authorization)
    .map((record) => ({ ...record, left: claims(record.headers.authorization).exp * 1_000 - record.t }));

// Whether a call was made, with a token that lived, in the moment before its page's process was stopped. The
// browser then sends it when the process goes on: of 1,281 calls without a session, in a page that was
// stopped 25 times for 1.5 s, four arrived 1.8 s after they were made.
function leftBehindAStop({ browser }, { t, headers }) {
  const made = Number(headers['x-made']);
  const lived = made < claims(headers.authorization).exp * 1_000;
  return lived && (browser?.stops ?? []).some(({ from, to }) => made <= from + MOMENT && t >= to);
}

// What lies between the time that is noted and the stop.
const MOMENT = 50;

// Every call since `from` (epoch ms) carried a token that lived when it arrived, and was accepted: answered
// 200, or not at all. Answers how many there were. Where the server itself is made to fail, `failing`, it may
// answer anything but 401.
export function assertNoneStale(world, from = 0, { failing = false } = {}) {
  const all = carried(world, from);
  for (const record of all.filter((record) => !leftBehindAStop(world, record))) {
    const { left, status } = record;
    assert.ok(left > 0, `a token arrived ${-left} ms after its end: ${JSON.stringify(record)}`);
    if (failing) assert.notEqual(status, 401, 'a call was refused');
    else assert.ok(status === 200 || status === null, `answered ${status}`);
  }
  return all.length;
}
