// An app in a frame: of a page of its own origin, of another origin of its site, and of another site.

import assert from 'node:assert/strict';

import { Proxy } from './proxy.mjs';
import { scenario } from './scenario.mjs';
import { Server } from './server.mjs';
import { unpackedTarball } from './tarball.mjs';
import { assertNoneStale } from './tokens.mjs';

const numbers = { tokenLifetime: '6s', refreshIn: '3s' };
const API_HEADERS = { 'access-control-allow-headers': 'authorization', 'access-control-max-age': '600' };

// A server behind one origin, and a second origin of the same site that is on its allow-list. To a browser
// `localhost` and `127.0.0.1` are different sites, and ports make no site.
async function start(world) {
  const { proxy } = world;
  const sibling = await Proxy.start();
  const server = await Server.start({ publicUrl: proxy.url, allowedOrigin: sibling.url, ...numbers });
  proxy.upstream = server.address;
  for (const one of [proxy, sibling]) one.serve('/npm/fiftyten/', unpackedTarball());
  // The demo's API is not the package's: that other origins may call it is its own affair.
  proxy.header('/api/*', { ...API_HEADERS, 'access-control-allow-origin': sibling.url });
  const options = JSON.stringify({ url: `${proxy.url}/auth`, allowedOrigins: [proxy.url], requestLimit: 3_000, readyLimit: 1_000 });
  const search = new URLSearchParams({ options });
  return {
    server,
    sibling,
    own: `${proxy.url}/t/session.html`,
    siblings: `${sibling.url}/t/session.html?${search}`,
    strangers: `${elsewhere(sibling.url)}/t/session.html?${search}`,
    api: `${proxy.url}/api/me`,
    end: async () => {
      await server.remove();
      await sibling.stop();
    },
  };
}

const elsewhere = (url) => url.replace('localhost', '127.0.0.1');

// Opens a page on `top` with the app of `url` in a frame; resolves with what runs a function in the frame.
async function embed(world, top, url) {
  const page = await world.newPage();
  await page.goto(`${top}/t/plain.html`);
  await page.evaluate(async (url) => {
    const frame = document.createElement('iframe');
    frame.src = url;
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
    document.body.append(frame);
    await loaded;
  }, url);
  return page.frame(url);
}

const signIn = (frame, { email, password }) =>
  frame.evaluate(
    async (email, password) => {
      const { session } = window.app;
      await session.ready;
      return session.signIn({ email, password }).then(() => 'signed in', ({ code, retryable, message }) => ({ code, retryable, message }));
    },
    email,
    password,
  );

const told = (frame, kind) => frame.evaluate((kind) => window.app.events.filter((event) => event.kind === kind), kind);

for (const [what, top, url] of [
  ['a page of its own origin', ({ proxy }) => proxy.url, ({ own }) => own],
  ['a page of another origin of its site', (_, { sibling }) => sibling.url, ({ own }) => own],
]) {
  scenario(`an app in ${what} is signed in, and stays so`, {}, async (world) => {
    const parts = await start(world);
    try {
      const frame = await embed(world, top(world, parts), url(parts));
      assert.equal(await signIn(frame, parts.server), 'signed in');
      await frame.waitForFunction(() => window.app.events.filter(({ kind }) => kind === 'refreshed').length >= 2, { timeout: 12_000 });
      assert.equal(await frame.evaluate(() => window.app.session.fetch('/api/me').then(({ status }) => status)), 200);
      // By the cookie alone.
      const again = await embed(world, world.proxy.url, parts.own);
      assert.equal(await again.evaluate(() => window.app.session.ready.then(() => window.app.session.status)), 'signedin');
      assertNoneStale(world);
    } finally {
      await parts.end();
    }
  });
}

scenario('an app of another origin of the site is signed in by the same server, framed or not', {}, async (world) => {
  const parts = await start(world);
  try {
    const frame = await embed(world, world.proxy.url, parts.siblings);
    assert.equal(await signIn(frame, parts.server), 'signed in');
    await frame.waitForFunction(() => window.app.events.some(({ kind }) => kind === 'refreshed'), { timeout: 12_000 });
    const token = await frame.evaluate(() => window.app.session.getToken());
    assert.ok(token);
    const alone = await world.newPage();
    await alone.goto(parts.siblings);
    await alone.until(() => window.app?.session.status === 'signedin');
    assertNoneStale(world);
  } finally {
    await parts.end();
  }
});

scenario('an app embedded in a page of another site is signed out, and signing in says why', {}, async (world) => {
  const parts = await start(world);
  try {
    // Signed in where it is at home.
    const home = await world.newPage();
    await home.goto(parts.own);
    await home.evaluate(async (email, password) => {
      await window.app.session.ready;
      await window.app.session.signIn({ email, password });
    }, parts.server.email, parts.server.password);
    const frame = await embed(world, elsewhere(world.proxy.url), parts.own);
    assert.equal(await frame.evaluate(() => window.app.session.ready.then(() => window.app.session.status)), 'signedout');
    assert.deepEqual((await told(frame, 'signedout')).map(({ reason }) => reason), ['no_session']);
    // A call goes out as it would without the package, and getToken says that nobody is signed in.
    assert.equal(await frame.evaluate(() => window.app.session.fetch('/api/me').then(({ status }) => status)), 401);
    assert.equal(await frame.evaluate(() => window.app.session.getToken().catch(({ code }) => code)), 'signed_out');

    const { code, retryable, message } = await signIn(frame, parts.server);
    assert.deepEqual([code, retryable], ['cookie_blocked', false]);
    assert.match(message, /embedded in one of another site/);
    assert.equal(await frame.evaluate(() => window.app.session.status), 'signedout');
    assert.deepEqual((await told(frame, 'refreshed')), []);
    // Nobody else has lost anything by that.
    assert.equal(await home.evaluate(() => window.app.session.fetch('/api/me').then(({ status }) => status)), 200);
    await home.show();
    await home.until(() => window.app.events.some(({ kind }) => kind === 'refreshed'));
    assert.equal(await home.evaluate(() => window.app.session.status), 'signedin');
  } finally {
    await parts.end();
  }
});

scenario('an app of another site has no session, and its errors name what to look at', {}, async (world) => {
  const parts = await start(world);
  try {
    for (const top of [world.proxy.url, elsewhere(parts.sibling.url)]) {
      const frame = await embed(world, top, parts.strangers);
      // The browser keeps the answers from it, so all it knows is that there are none.
      const messages = await frame.evaluate(async (api) => {
        const { session } = window.app;
        await session.ready;
        const failed = (promise) => promise.then((value) => String(value), ({ name, code, message }) => `${name} ${code}: ${message}`);
        return Promise.all([failed(session.fetch(api)), failed(session.getToken()), failed(session.signIn({ email: 'a@b.example', password: 'p' }))]);
      }, parts.api);
      for (const message of messages) assert.match(message, /^SessionError (timeout|network): .*same site, and on its allow-list/);
      assert.equal(await frame.evaluate(() => window.app.session.status), 'loading');
    }
    assert.deepEqual(world.proxy.requests('/api/me').filter(({ method }) => method === 'GET'), [], 'nothing left without a token');
  } finally {
    await parts.end();
  }
});
