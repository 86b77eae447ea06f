// The tab that refreshes for all is crashed, frozen, stopped or closed in the midst of it, with the lock in
// its hand: the others lose no more than the wait for the lock, and none of their calls fails.

import assert from 'node:assert/strict';

import { askedBy, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { BLOWS, REFRESH, longestDelay, strike } from './strike.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const server = { tokenLifetime: '12s', refreshIn: '8s' };
const SLACK = 4_000;
const TABS = 5;

const BOUND = longestDelay(SLACK);

// In a profile of its own, so that the others neither hear of it nor share its lock.
async function openTabs(world, what) {
  const context = await world.browser.newContext();
  const own = { ...world, newPage: (path, options) => world.newPage(path, { ...options, context }) };
  const pages = new Map();
  for (let place = 1; place <= TABS; place += 1) {
    const tab = `${what} ${place}`;
    const options = { tab, noteMade: true, options: { pollWhileHidden: true } };
    const page = place === 1 ? await openSignedIn(own, options) : await openApp(own, options);
    await page.until(() => window.app.session.status === 'signedin');
    await page.findRenderer();
    await keepCalling(page, 250);
    pages.set(tab, page);
  }
  // None is in front: timers of hidden tabs run once a second, all together, and so does what they do.
  await world.browser.newPage(undefined, { context });
  return pages;
}

async function strikeAndWatch(world, what, pages, { blow, back }) {
  const { proxy } = world;
  const all = new Set(pages.keys());
  const { tab, page, record } = await strike(world, pages, { blow });
  pages.delete(tab);

  const next = () => proxy.requests(REFRESH).find((other) => other.t > record.t && pages.has(askedBy(other)) && other.status === 200);
  await until(next, { what: `another tab to refresh: ${what}`, timeout: SLACK + 4_000 });
  const delay = next().t - record.t;
  timely(delay <= BOUND, `${what}: ${delay} ms`);
  // Past the end of every token there was.
  await sleep(SLACK + 1_500);
  const inCycle = proxy.requests(REFRESH).filter((one) => all.has(askedBy(one)) && one.t >= record.t && one.t < record.t + 7_500);
  const told = inCycle.map((one) => `${one.query.reason} of ${askedBy(one)} after ${one.t - record.t} ms`).join(', ');
  world.t.diagnostic(`${what}: ${told}`);
  timely(inCycle.length <= 3, `${inCycle.length} refreshes: ${told}`);
  for (const [name, other] of pages) {
    const made = (await calls(other)).filter(({ done }) => done);
    timely(made.length >= 10, `${name}: ${made.length} calls`);
    assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200], name);
    const slowest = Math.max(...made.map(({ at, done }) => done - at));
    timely(slowest <= 0.4 * SLACK + 1_000, `${name}: a call took ${slowest} ms`);
    assert.deepEqual(await events(other, 'degraded'), [], name);
  }

  if (!back) return;
  await back(page);
  await page.show();
  await until(async () => (await page.evaluate(() => window.app.session.expiresIn)) > SLACK, { what: `the struck tab to recover: ${what}` });
  assert.equal(await status(page), 'signedin', what);
  await sleep(500);
  const refused = (await calls(page)).filter((call) => call.done && call.status !== 200);
  // Off the network, a call is not answered at all.
  assert.deepEqual(refused.filter(({ error }) => error !== 'TypeError' || what !== 'taken off the network'), [], what);
}

scenario('whatever befalls the tab that refreshes, the others are no later than the lock allows', { server, timeout: 120_000 }, async (world) => {
  const groups = [];
  for (const [what, blow] of Object.entries(BLOWS)) groups.push([what, await openTabs(world, what), blow]);
  await Promise.all(groups.map(([what, pages, blow]) => strikeAndWatch(world, what, pages, blow)));
  assertNoneStale(world);
});
