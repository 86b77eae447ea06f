// The back/forward cache: a page that is left in the middle of whatever it does is kept whole, holds nothing
// that others need, and sends nothing of what has ended meanwhile.

import assert from 'node:assert/strict';

import { askedBy, calls, events, keepCalling, openApp, openSignedIn, refreshes, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale, carried } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';
const server = { tokenLifetime: '6s', refreshIn: '3s' };
const CYCLE = 3_000;
const keepsPolling = { pollWhileHidden: true };

const locks = (page) =>
  page.evaluate(async () => {
    const { held, pending } = await navigator.locks.query();
    return { held: held.length, pending: pending.length };
  });

// One tab that comes and goes, and one that stays and goes on.
async function openTwo(world) {
  const leaving = await openSignedIn(world, { tab: 'leaving', options: keepsPolling });
  const staying = await openApp(world, { tab: 'staying', options: keepsPolling });
  await staying.until(() => window.app.session.status === 'signedin');
  await keepCalling(staying, 300);
  return { leaving, staying };
}

// What the page calls in the very moment in which it is back.
async function callWhenBack(page) {
  await page.evaluate(() => {
    addEventListener('pageshow', () => {
      const one = () => window.app.session.fetch('/api/me', { cache: 'no-store' }).then(({ status }) => status, (error) => error.code);
      window.first = Promise.all(Array.from({ length: 3 }, one));
    }, { once: true, capture: true });
  });
  return () => page.evaluate(() => window.first);
}

const away = ({ proxy }) => `${proxy.url}/t/away.html`;

async function assertStayingWell(world, staying) {
  const made = (await calls(staying)).filter(({ done }) => done);
  timely(made.length >= 4, `${made.length} calls`);
  assert.deepEqual([...new Set(made.map((call) => call.status ?? call.error))], [200]);
  assert.equal(await status(staying), 'signedin');
}

scenario('a page is kept while the others refresh and tell it so', { server }, async (world) => {
  const { leaving, staying } = await openTwo(world);
  const outcomes = await callWhenBack(leaving);
  const left = Date.now();
  // Rejects where the page was not kept; a message to an open channel would be a reason.
  await leaving.throughHistory(away(world), async () => {
    const told = async () => (await events(staying, 'refreshed')).filter(({ t }) => t > left).length;
    await until(async () => (await told()) >= 2, { what: 'two refreshes in the other tab', timeout: 3 * CYCLE });
  });
  assert.deepEqual(await outcomes(), [200, 200, 200]);
  await assertStayingWell(world, staying);
  assertNoneStale(world);
});

scenario('a page that is left in the midst of a refresh is kept, and gives the lock to the others', { server }, async (world) => {
  const { leaving, staying } = await openTwo(world);
  // The other one stands still until the lock is where it is to be.
  await staying.freeze();
  world.proxy.fault((record) => record.path === REFRESH && askedBy(record) === 'leaving', { answerDelay: 20_000 });
  await until(async () => (await locks(leaving)).held === 1, { what: 'the lock in the hand of the tab that leaves', timeout: 2 * CYCLE, every: 20 });
  const outcomes = await callWhenBack(leaving);
  const left = Date.now();
  await leaving.throughHistory(away(world), async () => {
    // Asked from the page that it went to.
    assert.deepEqual(await locks(leaving), { held: 0, pending: 0 });
    await staying.resume();
    const others = () => refreshes(world).filter(({ t, status }) => t > left && status === 200);
    await until(() => others().length >= 2, { what: 'two refreshes in the other tab', timeout: 4 * CYCLE });
    world.proxy.faults.clear();
  });
  assert.deepEqual(await outcomes(), [200, 200, 200]);
  await assertStayingWell(world, staying);
  assertNoneStale(world);
});

scenario('a page that is left while it waits for the lock is kept, and does not get it', { server }, async (world) => {
  const { leaving, staying } = await openTwo(world);
  // The lock is in other hands, and stays there.
  const name = `fiftyten:${world.proxy.url}/auth${REFRESH.slice('/auth'.length)}`;
  await staying.evaluate((name) => {
    navigator.locks.request(name, () => new Promise((resolve) => (window.release = resolve)));
  }, name);
  await until(async () => (await locks(staying)).held === 1, { what: 'the lock to be taken' });
  // It waits for 0.9 s of every 3: the look is a quick one.
  await until(async () => (await leaving.evaluate(async (name) => (await navigator.locks.query()).pending.filter((lock) => lock.name === name).length, name)) > 0, { what: 'somebody to wait for the lock', timeout: 2 * CYCLE, every: 10 });
  const outcomes = await callWhenBack(leaving);
  await leaving.throughHistory(away(world), async () => {
    await staying.evaluate(() => window.release());
    const free = async () => (await locks(staying)).pending === 0 && (await locks(staying)).held === 0;
    await until(free, { what: 'the lock to be nobody\'s', timeout: 5_000 });
    await sleep(CYCLE);
  });
  assert.deepEqual(await outcomes(), [200, 200, 200]);
  await assertStayingWell(world, staying);
  assertNoneStale(world);
});

scenario('a sign-out elsewhere is known to a page that was away before its first call leaves', { server }, async (world) => {
  const { leaving, staying } = await openTwo(world);
  const outcomes = await callWhenBack(leaving);
  let ended;
  await leaving.throughHistory(away(world), async () => {
    ended = await staying.evaluate(async () => {
      clearInterval(window.calling);
      await window.app.session.signOut();
      return Date.now();
    });
  });
  // The token that it had was still good by its own clock: what is held back for it is not sent in nobody's name.
  assert.deepEqual(await outcomes(), Array(3).fill('signed_out'));
  await until(async () => (await status(leaving)) === 'signedout', { what: 'the page to know' });
  assert.deepEqual(carried(world, ended + 1).filter(({ t }) => t > ended), []);
  assert.equal((await events(leaving, 'signedout')).length, 2, 'before the sign-in, and now');
});

scenario('a new session elsewhere is known to a page that was away before its first call leaves', { server }, async (world) => {
  const { leaving, staying } = await openTwo(world);
  await leaving.evaluate(() => (window.before = window.app.session.id));
  const outcomes = await callWhenBack(leaving);
  await leaving.throughHistory(away(world), async () => {
    await staying.evaluate(async (email, password) => {
      await window.app.session.signOut();
      await window.app.session.signIn({ email, password });
    }, world.server.email, world.server.password);
  });
  assert.deepEqual(await outcomes(), [200, 200, 200]);
  await until(() => leaving.evaluate(() => window.app.session.status === 'signedin' && window.app.session.id !== window.before), { what: 'the new session' });
  assert.equal(await leaving.evaluate(() => window.app.session.id), await staying.evaluate(() => window.app.session.id));
  assert.deepEqual(carried(world).filter(({ status }) => status === 401), []);
});
