// The server is killed in the middle of everything and started again.

import assert from 'node:assert/strict';

import { call, events, openApp, signIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { sleep, until } from './wait.mjs';

// Another client, without a browser: signs in, and resolves with its cookie.
async function signInElsewhere({ proxy, server }) {
  const answer = await fetch(`${proxy.url}/auth/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-fiftyten': '1', origin: proxy.url },
    body: JSON.stringify({ email: server.email, password: server.password }),
  });
  if (answer.status === 503) return sleep(500).then(() => signInElsewhere({ proxy, server }));
  assert.equal(answer.status, 201);
  return answer.headers.getSetCookie()[0].split(';')[0];
}

const asClient = ({ proxy }, cookie, method, path) =>
  fetch(`${proxy.url}/auth${path}`, { method, headers: { cookie, 'x-fiftyten': '1', origin: proxy.url } });

const compressed = { tokenLifetime: '4s', refreshIn: '2s' };
const TABS = 6;
const KILLS = process.env.FIFTYTEN_LONG === '1' ? 30 : 4;

scenario('a server killed in a storm of refreshes signs nobody out and forgets no revocation', { server: compressed, timeout: 400_000 }, async (world) => {
  const { server, proxy } = world;
  const pages = [];
  for (let tab = 0; tab < TABS; tab += 1) {
    const page = await openApp(world, { context: await world.browser.newContext() });
    await signIn(world, page);
    pages.push(page);
  }
  const ended = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const cookies = await Promise.all([1, 2, 3].map(() => signInElsewhere(world)));
    // All tokens at once, so that the kill comes into the midst of them.
    const storm = Promise.all(
      pages.map((page) =>
        page.evaluate(async () => {
          window.storm = true;
          while (window.storm) await window.app.session.fetch('/api/me').then((answer) => answer.text(), () => new Promise((go) => setTimeout(go, 50)));
        }),
      ),
    );
    await sleep(1_500 + Math.random() * 2_000);
    // Ends sessions until the server dies; only what was acknowledged counts.
    const revoking = (async () => {
      for (const cookie of cookies) {
        const answer = await asClient(world, cookie, 'DELETE', '/v1/session').catch(() => undefined);
        if (answer?.status === 204) ended.push(cookie);
      }
    })();
    // In the first round after an acknowledgement, so that there is one; then at any moment.
    if (kill === 0) await until(() => ended.length > 0, { what: 'a sign-out to be acknowledged', every: 1 });
    await sleep(Math.random() * 60);
    await server.kill();
    await revoking;
    const down = 200 + Math.random() * 4_000;
    await sleep(down);
    for (const page of pages) assert.equal(await status(page), 'signedin', 'while the server is down');
    await server.restart();
    for (const page of pages) await page.evaluate(() => (window.storm = false));
    await storm;
    for (const page of pages) {
      await until(async () => (await call(page)).status === 200, { what: 'the page to recover by itself', timeout: 15_000 });
    }
  }
  for (const page of pages) {
    const out = await events(page, 'signedout');
    assert.deepEqual(out.map(({ reason }) => reason), ['no_session'], 'only before it signed in');
    assert.equal(await status(page), 'signedin');
  }
  assert.ok(ended.length > 0, 'some sign-outs were acknowledged before a kill');
  for (const cookie of ended) {
    const answer = await asClient(world, cookie, 'POST', '/v1/refresh?reason=start&active=0');
    assert.equal(answer.status, 401, 'a session that was ended stays ended');
    assert.equal((await answer.json()).code, 'session_revoked');
  }
  world.t.diagnostic(`${KILLS} kills, ${ended.length} acknowledged sign-outs kept, ${proxy.requests('/auth/v1/refresh').length} refreshes`);
});
