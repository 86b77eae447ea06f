// The cycle with the true numbers: a token of 60 s, renewed every 50.

import assert from 'node:assert/strict';

import { calls, events, keepCalling, openSignedIn, refreshes } from './app.mjs';
import { scenario } from './scenario.mjs';
import { timely, until } from './wait.mjs';

// The first refresh is due 50 s after sign-in, the third 150; each may be late by the stagger, 1 s.
scenario('three refreshes come 50 s apart, and a call every second is never refused', { server: {}, timeout: 200_000 }, async (world) => {
  const { proxy } = world;
  const page = await openSignedIn(world);
  await keepCalling(page, 1_000);
  const signedIn = proxy.requests('/auth/v1/sessions', 'POST').at(-1).t;
  const timed = () => refreshes(world).filter(({ reason }) => reason === 'timer');
  await until(() => timed().length >= 3 && timed()[2].status, { what: 'three refreshes', timeout: 170_000, every: 500 });

  const times = [signedIn, ...timed().map(({ t }) => t)];
  const gaps = times.slice(1).map((t, place) => t - times[place]);
  world.t.diagnostic(`ms between refreshes: ${gaps.join(', ')}`);
  // The stagger is 0 to 1 s; a busy machine may add to it, but never takes away.
  for (const gap of gaps) {
    assert.ok(gap >= 49_900, `${gap} ms`);
    timely(gap <= 52_000, `${gap} ms`);
  }
  assert.deepEqual(timed().map(({ status }) => status), [200, 200, 200]);
  assert.deepEqual(refreshes(world).map(({ reason }) => reason), ['start', 'timer', 'timer', 'timer']);

  const made = (await calls(page)).filter(({ done }) => done);
  timely(made.length >= 145, `${made.length} calls`);
  assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
  assert.equal((await events(page, 'refreshed')).length, 3);
  assert.equal((await events(page, 'degraded')).length, 0);
});
