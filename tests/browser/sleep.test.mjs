// Waking up: a page whose timers stood still for longer than its token lives.

import assert from 'node:assert/strict';

import { callAtOnce, openSignedIn, refreshes, status } from './app.mjs';
import { scenario } from './scenario.mjs';

const MINUTE = 60_000;
const server = {};

// The order in which the proxy saw things: the refresh was answered before the first call came.
function assertRefreshFirst(proxy, refresh) {
  const answered = refresh.t + refresh.duration;
  const calls = proxy.requests('/api/me').filter(({ t }) => t >= refresh.t);
  assert.equal(calls.length, 20);
  for (const { t, headers } of calls) {
    assert.ok(t >= answered, `a call left ${answered - t} ms before the refresh was answered`);
    assert.ok(headers.authorization, 'with a token');
  }
}

for (const [name, monotonic] of [
  ['its monotonic clock stood still', false],
  ['its monotonic clock went on', true],
]) {
  scenario(`after sleep in which ${name}, 20 calls wait for one refresh`, { server }, async (world) => {
    const { proxy } = world;
    const page = await openSignedIn(world, { clock: true });
    assert.deepEqual(await callAtOnce(page, 3), [200, 200, 200]);
    const before = refreshes(world).length;
    const asleep = Date.now();
    await page.clock.sleep(5 * MINUTE, { monotonic });
    proxy.fault('/auth/v1/refresh', { answerDelay: 300 }, { times: 1 });
    assert.deepEqual(await callAtOnce(page, 20), Array(20).fill(200));
    const [, ...more] = refreshes(world).slice(before - 1);
    assert.equal(more.length, 1, JSON.stringify(more));
    assert.ok(['wake', 'request'].includes(more[0].reason), more[0].reason);
    assertRefreshFirst(proxy, proxy.requests('/auth/v1/refresh').findLast(({ t }) => t > asleep));
    assert.equal(await status(page), 'signedin');
  });
}
