// Clocks: sleep, and a system time that is wrong.

import assert from 'node:assert/strict';

import { callAtOnce, openSignedIn, refreshes, status } from '../app.mjs';
import { assertNoneStale } from '../tokens.mjs';
import { assertRefreshFirst } from './token.mjs';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

// With the true numbers: within a test nothing is due by itself.
const server = {};

const slept = (monotonic) => async (world) => {
  const { proxy } = world;
  const page = await openSignedIn(world, { clock: true });
  assert.deepEqual(await callAtOnce(page, 3), [200, 200, 200]);
  const before = refreshes(world).length;
  proxy.fault('/auth/v1/refresh', { answerDelay: 500 }, { times: 1 });
  await page.clock.sleep(5 * MINUTE, { monotonic });
  assert.deepEqual(await callAtOnce(page, 20), Array(20).fill(200));
  const more = refreshes(world).slice(before);
  assert.equal(more.length, 1, JSON.stringify(more));
  assert.ok(['wake', 'request'].includes(more[0].reason), more[0].reason);
  assert.equal(assertRefreshFirst(world, proxy.requests('/auth/v1/refresh').at(-1)), 20);
  assert.equal(await status(page), 'signedin');
};

export const wake = [
  { name: 'twenty calls after sleep wait for one refresh', server, body: slept(false) },
  { name: 'twenty calls after sleep that performance.now counted wait for one refresh', server, body: slept(true) },
  {
    name: 'a system time that jumps a day forward and two back costs a refresh each, and no call',
    server,
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      for (const jump of [DAY, -2 * DAY, DAY]) {
        const before = refreshes(world).length;
        await page.clock.jump(jump);
        assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
        assert.ok(refreshes(world).length - before <= 1, `${refreshes(world).length - before} refreshes`);
      }
      assert.equal(assertNoneStale(world), 15);
      assert.equal(await status(page), 'signedin');
    },
  },
  {
    name: 'a page that starts with a clock a day wrong is signed in, and stays it without asking',
    server,
    async body(world) {
      const page = await openSignedIn(world, { clock: true });
      for (const wrong of [DAY, -2 * DAY]) {
        await page.clock.jump(wrong);
        await page.reload();
        const before = refreshes(world).length;
        assert.deepEqual(await callAtOnce(page, 5), Array(5).fill(200));
        assert.ok(refreshes(world).length - before <= 1);
        const left = await page.evaluate(() => window.app.session.expiresIn);
        assert.ok(left > 40_000 && left <= 60_000, `${left} ms left`);
      }
    },
  },
];
