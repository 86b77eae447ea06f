// A tab that the browser discards to save memory: it is loaded anew when its user comes back to it, with
// nothing left of what it had in memory.

import assert from 'node:assert/strict';

import puppeteer from 'puppeteer-core';

import { askedBy, call, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { Chromium } from './chromium.mjs';
import { scenario } from './scenario.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';
const server = { tokenLifetime: '12s', refreshIn: '8s' };
const DISCARDS = 'chrome://discards/';

// The browser's own page for that is for developers, and has to be allowed.
const state = { internal_only_uis_enabled: true };

// Runs in the browser's page of what can be discarded: clicks for the tab with this title.
function click(title) {
  const tab = document.querySelector('discards-main')?.shadowRoot.querySelector('discards-tab');
  const row = [...(tab?.shadowRoot.querySelectorAll('tbody tr') ?? [])].find((one) => one.innerText.includes(title));
  const actions = [...(row?.querySelectorAll('*') ?? [])].filter((one) => !one.children.length);
  const action = actions.find((one) => one.textContent.includes('[Urgent Discard]'));
  action?.click();
  return Boolean(action);
}

// Discards the tab with this title, as the browser does when memory is short.
async function discard(connection, title) {
  // Takes hold of no page by itself: it could not be discarded then.
  const browser = await puppeteer.connect({ ...connection, targetFilter: (target) => target.type() === 'browser' });
  try {
    const session = await browser.target().createCDPSession();
    const { targetId } = await session.send('Target.createTarget', { url: DISCARDS });
    const { sessionId } = await session.send('Target.attachToTarget', { targetId, flatten: true });
    const page = session.connection().session(sessionId);
    const clicked = async () => {
      const expression = `(${click})(${JSON.stringify(title)})`;
      const { result } = await page.send('Runtime.evaluate', { expression, returnByValue: true });
      return result.value;
    };
    await until(clicked, { what: 'the tab among those that can be discarded', timeout: 15_000, every: 200 });
    await sleep(1_000);
    await session.send('Target.closeTarget', { targetId });
  } finally {
    await browser.disconnect();
  }
}

scenario('a tab that was discarded comes back signed in, and the others do not miss it', { server, timeout: 90_000 }, async (world) => {
  const { proxy } = world;
  const browser = await Chromium.launch({ state });
  const own = { proxy, server: world.server, newPage: (path, options) => browser.newPage(proxy.url + path, options) };
  try {
    const other = await openSignedIn(own, { tab: 'other', options: { pollWhileHidden: true } });
    const victim = await openApp(own, { tab: 'victim', options: { pollWhileHidden: true } });
    await victim.until(() => window.app.session.status === 'signedin');
    await victim.evaluate(() => {
      document.title = 'the one to discard';
      window.mark = 'alive';
      sessionStorage.setItem('mark', 'kept');
    });
    await keepCalling(other, 500);
    const [at, otherAt] = await Promise.all([victim, other].map((page) => page.evaluate(() => location.href)));
    const id = await victim.evaluate(() => window.app.session.id);
    await browser.coverPages();
    const from = Date.now();
    await browser.letGo((connection) => discard(connection, 'the one to discard'));

    const still = await browser.pageAt(otherAt);
    // Headless Chromium loads a discarded tab anew by itself, a moment later: either of the two may make the next
    // refresh. The other tab has its token in time, whoever does.
    const next = () => proxy.requests(REFRESH).find((record) => record.t > from && record.query.reason === 'timer' && record.status === 200);
    await until(next, { what: 'the refresh that is due', timeout: 14_000 });
    const has = async () => (await events(still, 'refreshed')).some(({ t }) => t >= next().t);
    await until(has, { what: 'the other tab to have its token', timeout: 2_000 });
    assert.deepEqual([...new Set((await calls(still)).filter(({ done }) => done).map((one) => one.status ?? one.error))], [200]);

    const back = await browser.pageAt(at);
    await back.show();
    await back.until(() => window.app?.session.status === 'signedin');
    const seen = await back.evaluate(() => ({ mark: window.mark, kept: sessionStorage.getItem('mark'), discarded: document.wasDiscarded, id: window.app.session.id }));
    assert.deepEqual(seen, { kept: 'kept', discarded: true, id });
    assert.equal((await call(back)).status, 200);
    assert.deepEqual(await events(back, 'signedout'), []);
    assert.equal(await status(back), 'signedin');
    // A page that begins anew asks at once, whatever the others know.
    const reasons = proxy.requests(REFRESH).filter((record) => record.t > from && askedBy(record) === 'victim').map(({ query }) => query.reason);
    assert.equal(reasons[0], 'start');
    assertNoneStale(world);
  } finally {
    await browser.close();
  }
});
