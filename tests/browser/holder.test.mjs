// The tab that refreshes for all is crashed, frozen, stopped or closed in the midst of it, with the lock in
// its hand: the others lose no more than the wait for the lock, and none of their calls fails.

import assert from 'node:assert/strict';

import { askedBy, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { BLOWS, REFRESH, strike } from './strike.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, until } from './wait.mjs';

const server = { tokenLifetime: '12s', refreshIn: '8s' };
const SLACK = 4_000;
const TABS = 5;

// From the first tab's refresh on: the stagger of another, its being later where it is hidden, its wait for
// the lock, and that for the second one; each timer of a hidden tab may be late by a second.
const BOUND = (0.1 + 0.2 + 0.3 + 0.1) * SLACK + 3_000;

async function openTabs(world) {
  const pages = new Map();
  for (let place = 1; place <= TABS; place += 1) {
    const tab = `tab ${place}`;
    const options = { tab, options: { pollWhileHidden: true } };
    const page = place === 1 ? await openSignedIn(world, options) : await openApp(world, options);
    await page.until(() => window.app.session.status === 'signedin');
    await page.findRenderer();
    await keepCalling(page, 250);
    pages.set(tab, page);
  }
  // None is in front: timers of hidden tabs run once a second, all together, and so do what they do.
  await world.browser.coverPages();
  return pages;
}

for (const [what, { blow, back }] of Object.entries(BLOWS)) {
  scenario(`the tab that refreshes is ${what}: the others are no later than the lock allows`, { server }, async (world) => {
    const { proxy } = world;
    const pages = await openTabs(world);
    const { tab, page, record } = await strike(world, pages, { blow });
    pages.delete(tab);

    const next = () => proxy.requests(REFRESH).find((other) => other.t > record.t && askedBy(other) !== tab && other.status === 200);
    await until(next, { what: 'another tab to refresh', timeout: SLACK + 4_000 });
    const delay = next().t - record.t;
    world.t.diagnostic(`${what}: another tab's refresh came ${delay} ms after the one that was struck`);
    assert.ok(delay <= BOUND, `${delay} ms`);
    // Past the end of every token there was.
    await sleep(SLACK + 1_500);
    const inCycle = proxy.requests(REFRESH).filter(({ t }) => t >= record.t && t < record.t + 7_500);
    world.t.diagnostic(inCycle.map((one) => `${one.t - record.t} ms ${askedBy(one)} ${one.query.reason}`).join(', '));
    assert.ok(inCycle.length <= 3, `${inCycle.length} refreshes: ${JSON.stringify(inCycle.map(askedBy))}`);
    for (const [name, other] of pages) {
      const made = (await calls(other)).filter(({ done }) => done);
      assert.ok(made.length >= 10, `${name}: ${made.length} calls`);
      assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200], name);
      const slowest = Math.max(...made.map(({ at, done }) => done - at));
      assert.ok(slowest <= 0.4 * SLACK + 1_000, `${name}: a call took ${slowest} ms`);
      assert.deepEqual(await events(other, 'degraded'), [], name);
    }

    if (back) {
      await back(page);
      await page.show();
      await until(async () => (await page.evaluate(() => window.app.session.expiresIn)) > SLACK, { what: 'the struck tab to recover' });
      assert.equal(await status(page), 'signedin');
      await sleep(500);
      const refused = (await calls(page)).filter((call) => call.done && call.status !== 200 && what !== 'taken off the network');
      assert.deepEqual(refused, []);
    }
    assertNoneStale(world);
  });
}
