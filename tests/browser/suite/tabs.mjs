// Several tabs of one browser.

import assert from 'node:assert/strict';

import { calls, endElsewhere, events, keepCalling, openApp, openSignedIn, refreshes, signIn, status } from '../app.mjs';
import { assertNoneStale } from '../tokens.mjs';
import { sleep, timely, until } from '../wait.mjs';
import { CYCLE } from './token.mjs';

const TABS = 4;
const keepsPolling = { options: { pollWhileHidden: true } };

async function openTabs(world, count = TABS) {
  const pages = [await openSignedIn(world, keepsPolling)];
  while (pages.length < count) {
    const page = await openApp(world, keepsPolling);
    await page.until(() => window.app.session.status === 'signedin');
    pages.push(page);
  }
  return pages;
}

const becomes = (page, wanted, timeout) =>
  until(async () => (await status(page)) === wanted, { what: `the tab to be ${wanted}`, timeout });

// By the page's own clock, so that it does not matter how long the driver takes to ask.
async function assertWithin(ms, page, kind, done) {
  const { t } = (await events(page, kind)).at(-1);
  assert.ok(t - done < ms, `${t - done} ms`);
}

export const tabs = [
  {
    name: 'four tabs refresh once a cycle and hand the token over, and no call is refused',
    timeout: 90_000,
    async body(world) {
      const pages = await openTabs(world);
      for (const page of pages) await keepCalling(page, 200);
      // Until the refreshes of opening them are over.
      await sleep(CYCLE + 1_000);
      const from = Date.now();
      const cycles = 4;
      await sleep(cycles * CYCLE);
      const counted = refreshes(world).filter(({ t }) => t >= from);
      world.t.diagnostic(`${counted.length} refreshes in ${cycles} cycles of ${TABS} tabs`);
      // As many cycles can hold one refresh more, and a late one less.
      timely(counted.length >= cycles - 2 && counted.length <= cycles + 1, JSON.stringify(counted));
      let handedOver = 0;
      for (const page of pages) {
        const made = (await calls(page)).filter(({ done }) => done);
        timely(made.length > 10, `${made.length} calls`);
        assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
        handedOver += (await events(page, 'refreshed')).filter(({ reason, t }) => reason === 'tab' && t >= from).length;
      }
      timely(handedOver >= counted.length * (TABS - 1) - TABS, `${handedOver} handed over, ${counted.length} refreshes`);
      assert.ok(assertNoneStale(world) > 100);
    },
  },
  {
    name: 'signing out in one tab reaches the others within a second',
    async body(world) {
      const pages = await openTabs(world);
      const done = await pages[1].evaluate(async () => {
        await window.app.session.signOut();
        return Date.now();
      });
      for (const page of pages) {
        await becomes(page, 'signedout', 10_000);
        assert.equal((await events(page, 'signedout')).at(-1).reason, 'signed_out');
        await assertWithin(1_000, page, 'signedout', done);
      }
      const from = Date.now();
      await sleep(CYCLE + 1_500);
      assert.deepEqual(refreshes(world).filter(({ t }) => t > from), []);
    },
  },
  {
    // They ask the server before they believe it: a moment later, by timers that run once a second in a hidden tab.
    name: 'signing in in one tab reaches the others within two seconds',
    async body(world) {
      const pages = [await openApp(world, keepsPolling), await openApp(world, keepsPolling), await openApp(world, keepsPolling)];
      for (const page of pages) await becomes(page, 'signedout', 10_000);
      await signIn(world, pages[1]);
      const done = (await events(pages[1], 'signedin')).at(-1).t;
      for (const page of pages) {
        await becomes(page, 'signedin', 10_000);
        await assertWithin(2_000, page, 'signedin', done);
      }
    },
  },
  {
    name: 'a session ended elsewhere ends in all tabs, by one refresh or two',
    async body(world) {
      const pages = await openTabs(world);
      await sleep(1_000);
      await endElsewhere(world, pages[0]);
      const from = Date.now();
      for (const page of pages) {
        await becomes(page, 'signedout', CYCLE + 10_000);
        assert.equal((await events(page, 'signedout')).at(-1).reason, 'session_revoked');
      }
      assert.ok(refreshes(world).filter(({ t }) => t > from).length <= 2);
    },
  },
  {
    name: 'a tab that is killed while it refreshes leaves the others without a refused call',
    needs: ['crash'],
    timeout: 90_000,
    body: (world) => lost(world, (page) => page.crash()),
  },
  {
    name: 'a tab that is stopped while it refreshes leaves the others without a refused call',
    needs: ['stopRenderer'],
    timeout: 90_000,
    body: (world) => lost(world, (page) => page.stopRenderer()),
  },
  {
    name: 'without Web Locks and BroadcastChannel each tab keeps itself fresh, and hears of a sign-out later',
    needs: ['runAtStart'],
    async body(world) {
      const pages = [await openAlone(world), await openAlone(world)];
      await signIn(world, pages[0]);
      await pages[1].reload();
      for (const page of pages) await becomes(page, 'signedin', 10_000);
      for (const page of pages) await keepCalling(page, 200);
      for (const page of pages) {
        const own = async () => (await events(page, 'refreshed')).map(({ reason }) => reason).filter((reason) => reason !== 'start');
        await until(async () => (await own()).length >= 2, { what: 'two refreshes of the tab', timeout: 30_000 });
        assert.ok(!(await own()).includes('tab'));
        const made = (await calls(page)).filter(({ done }) => done);
        timely(made.length >= 2, `${made.length} calls`);
        assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
      }
      await pages[0].evaluate(() => window.app.session.signOut());
      await becomes(pages[1], 'signedout', CYCLE + 10_000);
      for (const page of pages) assert.deepEqual(page.console.filter(({ type }) => type === 'uncaught'), []);
    },
  },
];

// Opens tabs whose calls go on, waits for one to refresh, and has that one lost in the midst of it.
async function lost(world, lose) {
  const { proxy } = world;
  const pages = new Map();
  for (const name of ['1', '2', '3']) {
    const page = await world.newPage(`/t/session.html?tab=${name}&options=${encodeURIComponent(JSON.stringify(keepsPolling.options))}`);
    await page.until(() => window.app !== undefined);
    if (name === '1') await signIn(world, page);
    await becomes(page, 'signedin', 10_000);
    await page.findRenderer();
    pages.set(name, page);
  }
  for (const page of pages.values()) await keepCalling(page, 200);
  const from = Date.now();
  const held = proxy.fault(({ path, query }) => path === '/auth/v1/refresh' && query.reason === 'timer', { hang: true }, { times: 1 });
  await until(() => held.hits === 1, { what: 'a refresh on its way', timeout: 20_000 });
  const { headers } = proxy.requests('/auth/v1/refresh').findLast(({ fault }) => fault);
  const name = new URL(headers.referer).searchParams.get('tab');
  const victim = pages.get(name);
  await lose(victim);
  pages.delete(name);
  const others = [...pages.values()];
  const refreshed = () => refreshes(world).filter(({ t, status }) => t > from && status === 200).length >= 2;
  await until(refreshed, { what: 'two refreshes of the others', timeout: 30_000 });
  for (const page of others) {
    // With the new token: a hidden page, too, calls once a second.
    const last = Date.now();
    await until(async () => (await calls(page)).filter(({ at, done }) => at > last && done).length >= 3, { what: 'three more calls', timeout: 15_000 });
  }
  victim.continueRenderer();
  for (const page of others) {
    const made = (await calls(page)).filter(({ done }) => done);
    assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
    assert.equal(await status(page), 'signedin');
  }
  assert.ok(assertNoneStale(world) >= 3 * others.length);
  world.t.diagnostic(`${others.length} tabs went on`);
}

async function openAlone(world) {
  const page = await world.newPage();
  await page.runAtStart(() => {
    delete globalThis.BroadcastChannel;
    Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined });
  });
  await page.goto(`${world.proxy.url}/t/session.html?options=${encodeURIComponent(JSON.stringify(keepsPolling.options))}`);
  await page.until(() => window.app !== undefined);
  return page;
}
