// Strict pages, and what a page keeps.

import assert from 'node:assert/strict';

import { call, events, openApp, openSignedIn, signIn } from '../app.mjs';
import { until } from '../wait.mjs';

const APP = '/t/session.html';
const STRICT = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'";

// Where a text stands among what outlives the page.
const stored = (page, needle) =>
  page.evaluate(async (needle) => {
    const found = [];
    const look = (where, text) => text.includes(needle) && found.push(where);
    for (const [where, storage] of [['localStorage', localStorage], ['sessionStorage', sessionStorage]]) {
      look(where, JSON.stringify(Object.entries(storage)));
    }
    look('cookie', document.cookie);
    look('history', JSON.stringify(history.state) + location.href);
    look('name', window.name);
    // Nothing at all has any business there.
    if ((await caches.keys()).length > 0) found.push('caches');
    if ((await indexedDB.databases()).length > 0) found.push('indexedDB');
    return found;
  }, needle);

export const policy = [
  {
    name: 'a strict Content-Security-Policy is no hindrance',
    async body(world) {
      world.proxy.header(APP, { 'content-security-policy': STRICT });
      const page = await openApp(world);
      await page.evaluate(() => {
        window.violations = [];
        addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => violations.push([effectiveDirective, blockedURI]));
      });
      await signIn(world, page);
      assert.equal((await call(page)).status, 200);
      await until(async () => (await events(page, 'refreshed')).length > 0, { what: 'a refresh' });
      assert.deepEqual(await page.evaluate(() => window.violations), []);
      // The policy is in force.
      const blocked = await page.evaluate(async () => {
        const name = (error) => error.name;
        const elsewhere = await fetch(location.href.replace('localhost', '127.0.0.1')).catch(name);
        try {
          document.createElement('p').innerHTML = '<b>text</b>';
          return [elsewhere, 'not blocked'];
        } catch (error) {
          return [elsewhere, name(error)];
        }
      });
      assert.deepEqual(blocked, ['TypeError', 'TypeError']);
      const kinds = await page.evaluate(() => window.violations.map(([kind]) => kind));
      assert.ok(kinds.includes('connect-src'), kinds.join());
    },
  },
  {
    name: "without 'wasm-unsafe-eval' every call fails, and says what is missing",
    async body(world) {
      world.proxy.header(APP, { 'content-security-policy': "default-src 'none'; script-src 'self'; connect-src 'self'" });
      const page = await openApp(world);
      const seen = await page.evaluate(async () => {
        const { session } = window.app;
        const told = (promise) => promise.then(() => ['it worked'], ({ code, message }) => [code, message.includes("'wasm-unsafe-eval'")]);
        return Promise.all([session.ready, session.fetch('/api/me'), session.getToken(), session.signOut()].map(told));
      });
      for (const one of seen) assert.deepEqual(one, ['wasm_blocked', true]);
      assert.equal(world.proxy.requests('/api/me').length, 0, 'no call left without a token');
    },
  },
  {
    name: 'the token stands in nothing that outlives the page',
    async body(world) {
      const page = await openSignedIn(world);
      await until(async () => (await events(page, 'refreshed')).length > 0, { what: 'a refresh' });
      assert.equal((await call(page)).status, 200);
      const token = await page.evaluate(() => window.app.session.getToken());
      assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.deepEqual(await stored(page, token), []);
      // The search finds what is there.
      await page.evaluate((token) => sessionStorage.setItem('planted', `so ${token} it is`), token);
      assert.deepEqual(await stored(page, token), ['sessionStorage']);
    },
  },
];
