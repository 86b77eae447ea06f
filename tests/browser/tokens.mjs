// The tokens that the proxy saw, and whether each was still good when it arrived.

import assert from 'node:assert/strict';

export const claims = (authorization) => JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url'));

// The calls that carried a token, as the proxy recorded them, each with `left`: ms until its token's end.
export const carried = ({ proxy }, from = 0) =>
  proxy
    .requests('/api/*')
    .filter(({ t, headers }) => t >= from && headers.authorization)
    .map((record) => ({ ...record, left: claims(record.headers.authorization).exp * 1_000 - record.t }));

// Every call since `from` (epoch ms) carried a token that lived when it arrived, and was accepted: answered
// 200, or not at all. Answers how many there were. Where the server itself is made to fail, `failing`, it may
// answer anything but 401.
export function assertNoneStale(world, from = 0, { failing = false } = {}) {
  const all = carried(world, from);
  for (const { left, status } of all) {
    assert.ok(left > 0, `a token arrived ${-left} ms after its end`);
    if (failing) assert.notEqual(status, 401, 'a call was refused');
    else assert.ok(status === 200 || status === null, `answered ${status}`);
  }
  return all.length;
}
