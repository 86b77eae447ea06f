// The tabs of one browser: what happens to the session in one of them happens in all.

import assert from 'node:assert/strict';

import { endElsewhere, events, openApp, openSignedIn, refreshes, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { sleep, until } from './wait.mjs';

const compressed = { tokenLifetime: '12s', refreshIn: '8s' };
const CYCLE = 8_000;
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
    assert.ok(out.t - done < 1_000, `${out.t - done} ms`);
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
