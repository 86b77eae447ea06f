// Another user signs in, in one tab of many: the others follow, and nothing that was asked for by one user
// is sent in the name of the other.

import assert from 'node:assert/strict';

import { askedBy, call, calls, events, keepCalling, openApp, openSignedIn, signIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { Server } from './server.mjs';
import { assertNoneStale, carried, claims } from './tokens.mjs';
import { until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';
const numbers = { tokenLifetime: '12s', refreshIn: '8s' };

const user = (page) => page.evaluate(() => window.app.session.user);

// The demo has one account. A second server behind the same origin has another: one that knows nothing of
// the first one's tokens, and so would refuse every call that is sent with the wrong one.
async function switchServers(world) {
  const second = await Server.start({ publicUrl: world.proxy.url, ...numbers });
  return {
    second,
    async signInThere(page) {
      world.proxy.upstream = second.address;
      await signIn({ server: second }, page);
    },
  };
}

scenario('another user who signs in in one tab is signed in in all the others, and in a hidden one when it is shown', { server: numbers }, async (world) => {
  const { second, signInThere } = await switchServers(world);
  try {
    const polling = { pollWhileHidden: true };
    const switching = await openSignedIn(world, { tab: 'switching', options: polling });
    const following = await openApp(world, { tab: 'following', options: polling });
    const hidden = await openApp(world, { tab: 'hidden' });
    for (const page of [following, hidden]) await page.until(() => window.app.session.status === 'signedin');
    await switching.show();
    const before = await user(switching);
    await signInThere(switching);
    const after = await user(switching);
    assert.notEqual(after, before);
    await until(async () => (await user(following)) === after, { what: 'the other tab to follow', timeout: 5_000 });
    assert.equal((await call(following)).status, 200);
    // The hidden one asks for nothing; it believes what another tab has asked the server about.
    assert.equal(world.proxy.requests(REFRESH).filter((record) => askedBy(record) === 'hidden').length, 1, 'at its start');
    await hidden.show();
    await until(async () => (await user(hidden)) === after, { what: 'the hidden tab to follow', timeout: 5_000 });
    assert.equal((await call(hidden)).status, 200);
    for (const page of [switching, following, hidden]) assert.equal(await status(page), 'signedin');
    for (const page of [following, hidden]) {
      assert.deepEqual((await events(page, 'signedin')).map(({ user }) => user), [before, after]);
      assert.deepEqual(await events(page, 'signedout'), []);
    }
    assertNoneStale(world);
  } finally {
    await second.remove();
  }
});

scenario('a call that is held back while another user signs in fails, and is never sent', { server: numbers }, async (world) => {
  const { second, signInThere } = await switchServers(world);
  try {
    const polling = { pollWhileHidden: true };
    const switching = await openSignedIn(world, { tab: 'switching', options: polling });
    const holding = await openApp(world, { tab: 'holding', options: polling });
    await holding.until(() => window.app.session.status === 'signedin');
    const before = await user(holding);
    await keepCalling(switching, 1_000);
    const fault = world.proxy.fault(REFRESH, { status: 503 });
    await until(() => holding.evaluate(() => window.app.session.expiresIn === 0), { what: 'a token to run out', timeout: 15_000 });
    await holding.evaluate(() => {
      const one = () => window.app.session.fetch('/api/me?held', { cache: 'no-store' }).then(({ status }) => status, (error) => error.code);
      window.held = Promise.all([one(), one(), one()]);
    });
    assert.equal(world.proxy.requests('/api/me').filter(({ query }) => 'held' in query).length, 0);
    await signInThere(switching);
    fault.remove();
    assert.deepEqual(await holding.evaluate(() => window.held), Array(3).fill('session_changed'));
    const after = await user(switching);
    await until(async () => (await user(holding)) === after, { what: 'the other tab to follow', timeout: 5_000 });
    assert.notEqual(after, before);
    assert.equal(world.proxy.requests('/api/me').filter(({ query }) => 'held' in query).length, 0);
    assert.equal((await call(holding)).status, 200);
    // And each call of the tab that switched was either held for one user and failed, or sent for one and accepted.
    const made = (await calls(switching)).filter(({ done }) => done).map((one) => one.status ?? one.error);
    assert.deepEqual(made.filter((one) => ![200, 'session_changed'].includes(one)), []);
    const users = new Set(carried(world).map(({ headers }) => claims(headers.authorization).sub));
    assert.deepEqual([...users].sort(), [before, after].sort());
    assertNoneStale(world);
  } finally {
    await second.remove();
  }
});
