// A tab that the browser discards to save memory: it is loaded anew when its user comes back to it, with
// nothing left of what it had in memory.

import assert from 'node:assert/strict';

import puppeteer from 'puppeteer-core';

import { askedBy, call, calls, events, keepCalling, openApp, openSignedIn, status } from './app.mjs';
import { Chromium } from './chromium.mjs';
import { scenario } from './scenario.mjs';
import { REFRESH, longestDelay } from './strike.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, timely, until } from './wait.mjs';

const server = { tokenLifetime: '12s', refreshIn: '8s' };
const SLACK = 4_000;
const BOUND = longestDelay(SLACK);
const DISCARDS = 'chrome://discards/';

// The browser's own page for that is for developers, and has to be allowed.
const state = { internal_only_uis_enabled: true };

// Runs in the browser's page of what can be discarded: the button for the first tab with this in its title.
function find(title) {
  const tab = document.querySelector('discards-main')?.shadowRoot.querySelector('discards-tab');
  const row = [...(tab?.shadowRoot.querySelectorAll('tbody tr') ?? [])].find((one) => one.innerText.includes(title));
  const actions = [...(row?.querySelectorAll('*') ?? [])].filter((one) => !one.children.length);
  return actions.find((one) => one.textContent.includes('[Urgent Discard]'));
}

// Discards a tab, as the browser does when memory is short: the one whose title `choose` resolves with, which
// is asked when all is ready.
async function discard(connection, choose) {
  // Takes hold of no page by itself: it could not be discarded then.
  const browser = await puppeteer.connect({ ...connection, targetFilter: (target) => target.type() === 'browser' });
  try {
    const session = await browser.target().createCDPSession();
    const { targetId } = await session.send('Target.createTarget', { url: DISCARDS });
    const { sessionId } = await session.send('Target.attachToTarget', { targetId, flatten: true });
    const page = session.connection().session(sessionId);
    const run = async (what, title) => {
      const expression = `(${find})(${JSON.stringify(title)})${what}`;
      const { result } = await page.send('Runtime.evaluate', { expression, returnByValue: true });
      return result.value;
    };
    await until(() => run(' !== undefined', ''), { what: 'the tabs that can be discarded', timeout: 15_000, every: 200 });
    await run('.click()', await choose());
    await sleep(1_000);
    await session.send('Target.closeTarget', { targetId });
  } finally {
    await browser.disconnect();
  }
}

scenario('a tab that is discarded while it refreshes comes back signed in, and the other does not miss it', { server, timeout: 90_000 }, async (world) => {
  const { proxy } = world;
  const browser = await Chromium.launch({ state });
  const own = { proxy, server: world.server, newPage: (path, options) => browser.newPage(proxy.url + path, options) };
  try {
    const at = new Map();
    for (const tab of ['one', 'two']) {
      const page = await (at.size ? openApp : openSignedIn)(own, { tab, options: { pollWhileHidden: true } });
      await page.until(() => window.app.session.status === 'signedin');
      await page.evaluate((tab) => {
        document.title = `tab ${tab}`;
        window.mark = 'alive';
        sessionStorage.setItem('mark', 'kept');
      }, tab);
      await keepCalling(page, 500);
      at.set(tab, await page.evaluate(() => ({ url: location.href, id: window.app.session.id })));
    }
    await browser.coverPages();

    // Whichever refreshes next is discarded while it waits for the answer.
    let struck;
    const choose = async () => {
      const from = Date.now();
      proxy.fault(REFRESH, { answerDelay: 30_000 }, { times: 1 });
      const held = () => proxy.requests(REFRESH).find(({ t, fault, duration }) => t >= from && fault && duration === null);
      struck = await until(held, { what: 'a refresh to be held', timeout: 16_000, every: 5 });
      return `tab ${askedBy(struck)}`;
    };
    await browser.letGo((connection) => discard(connection, choose));
    const victim = askedBy(struck);
    assert.equal(struck.status, null, 'it had no answer');
    // It was not given up by the page, which waits for 0.4 of the slack.
    timely(struck.duration < 0.4 * SLACK - 100, `the refresh ended after ${struck.duration} ms`);

    const still = await browser.pageAt(at.get(victim === 'one' ? 'two' : 'one').url);
    // Headless Chromium loads a discarded tab anew by itself, a moment later: either of the two may make the next
    // refresh. The other tab has its token in time, whoever does.
    const has = async () => (await events(still, 'refreshed')).find(({ t }) => t > struck.t);
    const { t } = await until(has, { what: 'the other tab to have a new token', timeout: BOUND + 2_000 });
    world.t.diagnostic(`the other tab had a new token ${t - struck.t} ms after the refresh that was struck`);
    assert.ok(t - struck.t <= BOUND, `${t - struck.t} ms`);
    await sleep(SLACK);
    assert.deepEqual([...new Set((await calls(still)).filter(({ done }) => done).map((one) => one.status ?? one.error))], [200]);

    const back = await browser.pageAt(at.get(victim).url);
    await back.show();
    await back.until(() => window.app?.session.status === 'signedin');
    const seen = await back.evaluate(() => ({ mark: window.mark, kept: sessionStorage.getItem('mark'), discarded: document.wasDiscarded, id: window.app.session.id }));
    assert.deepEqual(seen, { kept: 'kept', discarded: true, id: at.get(victim).id });
    assert.equal((await call(back)).status, 200);
    assert.deepEqual(await events(back, 'signedout'), []);
    assert.equal(await status(back), 'signedin');
    // A page that begins anew asks at once, whatever the others know.
    const reasons = proxy.requests(REFRESH).filter((record) => record.t > struck.t && askedBy(record) === victim).map(({ query }) => query.reason);
    assert.equal(reasons[0], 'start');
    assertNoneStale(world);
  } finally {
    await browser.close();
  }
});
