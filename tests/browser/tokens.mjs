// The tokens that the proxy saw, and whether each was still good when it arrived.

import assert from 'node:assert/strict';

export const claims = (authorization) => JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url'));

// The calls that carried a token, as the proxy recorded them, each with `left`: ms until its token's end.
export const carried = ({ proxy }, from = 0) =>
  proxy
    .requests('/api/*')
    .filter(({ t, headers }) => t >= from && headers.authorization)
    .map((record) => ({ ...record, left: claims(record.headers.authorization).exp * 1_000 - record.t }));

// Every call that came through carried a token that lived when it arrived, and none was refused. Resolves
// with how many there were.
export function assertNoneStale(world, from = 0) {
  const all = carried(world, from);
  for (const { left, status } of all) {
    assert.ok(left > 0, `a token arrived ${-left} ms after its end`);
    assert.notEqual(status, 401, 'a call was refused');
  }
  return all.length;
}
