// The tabs of one browser: what happens to the session in one of them happens in all.

import assert from 'node:assert/strict';

import { endElsewhere, events, openApp, openSignedIn, refreshes, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const compressed = { tokenLifetime: '12s', refreshIn: '8s' };
const CYCLE = 8_000;
const shortest = { tokenLifetime: '5s', refreshIn: '3s' };
const keepsPolling = { options: { pollWhileHidden: true } };

async function openTabs(world, count) {
  const first = await openSignedIn(world, keepsPolling);
  const pages = [first];
  while (pages.length < count) {
    const page = await openApp(world, keepsPolling);
    await page.until(() => window.app.session.status === 'signedin');
    pages.push(page);
  }
  return pages;
}

scenario('signing out in one tab reaches all others within a second', { server: compressed }, async (world) => {
  const pages = await openTabs(world, 6);
  const done = await pages[2].evaluate(async () => {
    await window.app.session.signOut();
    return Date.now();
  });
  for (const page of pages) {
    await until(async () => (await status(page)) === 'signedout', { what: 'the tab to be signed out', timeout: 3_000 });
    const out = (await events(page, 'signedout')).at(-1);
    assert.equal(out.reason, 'signed_out');
    timely(out.t - done < 1_000, `${out.t - done} ms`);
  }
  const from = Date.now();
  await sleep(2 * CYCLE);
  assert.deepEqual(refreshes(world).filter(({ t }) => t > from), []);
});

scenario('a session ended elsewhere ends in all tabs at once, with one refresh', { server: compressed }, async (world) => {
  const pages = await openTabs(world, 6);
  await sleep(2_000);
  await endElsewhere(world, pages[0]);
  const from = Date.now();
  for (const page of pages) {
    await until(async () => (await status(page)) === 'signedout', { what: 'the tab to be signed out', timeout: CYCLE + 5_000 });
    assert.equal((await events(page, 'signedout')).at(-1).reason, 'session_revoked');
  }
  assert.ok(refreshes(world).filter(({ t }) => t > from).length <= 2);
});

scenario('signing in in one tab signs the others in', { server: compressed }, async (world) => {
  const pages = [await openApp(world), await openApp(world), await openApp(world)];
  for (const page of pages) await page.until(() => window.app.session.status === 'signedout');
  await pages[1].evaluate((email, password) => window.app.session.signIn({ email, password }), world.server.email, world.server.password);
  for (const page of [pages[1], pages[2]]) {
    await page.show();
    await until(async () => (await status(page)) === 'signedin', { what: 'the tab to be signed in', timeout: 4_000 });
  }
});

// As they do after a sleep, or when the browser lets the timers of hidden tabs run once a minute. The tab that
// refreshes gives its lock back when the token is on its way: else the next may get the lock before it hears.
scenario('hidden tabs that all call in the moment after the token ended refresh once', { server: shortest, timeout: 180_000 }, async (world) => {
  const pages = [await openSignedIn(world)];
  while (pages.length < 12) pages.push(await openApp(world));
  for (const page of pages) await page.until(() => window.app.session.status === 'signedin');
  // Nobody polls: another tab is in front.
  await world.newPage('/t/plain.html');
  const rounds = [];
  while (rounds.length < 6) {
    await sleep(5_500);
    const from = Date.now();
    const callAt = (at) => {
      const moment = new Promise((resolve) => setTimeout(resolve, at - Date.now()));
      window.made = moment.then(() => window.app.session.fetch('/api/me')).then(({ status }) => status, ({ code }) => code);
    };
    await Promise.all(pages.map((page) => page.evaluate(`(${callAt})(${from + 1_500})`)));
    const made = await Promise.all(pages.map((page) => page.evaluate(() => window.made)));
    assert.deepEqual([...new Set(made)], [200]);
    rounds.push(refreshes(world).filter(({ t }) => t >= from).map(({ t, reason }) => `${reason} after ${t - from} ms`));
  }
  const told = rounds.map((round) => round.join(' and ')).join('; ');
  world.t.diagnostic(`refreshes of ${pages.length} tabs: ${told}`);
  assert.ok(rounds.every((round) => round.length >= 1));
  timely(rounds.flat().length <= rounds.length + 1, told);
  assertNoneStale(world);
});

// Any script of the origin can write to the channel: what is not of the protocol, or not possible, is nothing.
scenario('nonsense on the channel is nothing to a tab', { server: compressed }, async (world) => {
  const page = await openSignedIn(world);
  const before = refreshes(world).length;
  const heard = await page.evaluate(async () => {
    const { session } = window.app;
    const channel = new BroadcastChannel(`fiftyten:${location.origin}/auth/v1/refresh`);
    const good = {
      v: 1, token: 'a.b.c', expires_in_ms: 60_000, refresh_in_ms: 50_000,
      session: { id: session.id, user: session.user }, sent_at: Date.now(), confirmed: true, active: false,
    };
    const nonsense = [
      undefined, null, 0, '', 'Bearer x', [], {}, new Blob([]), new Map(), 1n, { v: '1' }, { v: 2, ended: session.id, reason: 'session_revoked' },
      { v: 1, ended: session.id }, { v: 1, ended: session.id, reason: 'because' }, { v: 1, ended: 7, reason: 'session_revoked' },
      { v: 1, ended: {}, reason: {} }, { ...good, token: 'x'.repeat(1 << 20) }, { ...good, token: 'a b' }, { ...good, token: 7 },
      { ...good, expires_in_ms: -1 }, { ...good, expires_in_ms: NaN }, { ...good, expires_in_ms: 1e300 }, { ...good, refresh_in_ms: 60_000 },
      { ...good, sent_at: 'now' }, { ...good, sent_at: NaN }, { ...good, sent_at: Date.now() + 3_600_000 }, { ...good, sent_at: -1e300 },
      { ...good, session: null }, { ...good, session: { id: 7, user: {} } }, { ...good, confirmed: 1 }, { ...good, active: undefined },
    ];
    for (const one of nonsense) channel.postMessage(one);
    // What arrives last is heard last.
    channel.postMessage({ ...good, token: 'the.good.one', sent_at: Date.now() });
    for (;;) {
      if ((await session.getToken()) === 'the.good.one') return { status: session.status, count: nonsense.length };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  assert.deepEqual(heard, { status: 'signedin', count: 31 });
  assert.equal(refreshes(world).length, before);
  assert.deepEqual(await events(page, 'signedout').then((all) => all.filter(({ reason }) => reason !== 'no_session')), []);
  assert.deepEqual(page.console.filter(({ type }) => type === 'uncaught'), []);
});
