// Revoked means revoked: from the acknowledgement to the last accepted call it takes less than one
// token's life, measured at the API.

import assert from 'node:assert/strict';

import { calls, endElsewhere, events, keepCalling, openApp, openSignedIn, signIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { sleep, timely, until } from './wait.mjs';

// Somebody who took the token along uses it until it is refused, ten times a second: resolves with
// when the last call was accepted (epoch ms). Another path than the page's, to tell them apart.
async function useUntilRefused({ proxy }, token, from) {
  let accepted = 0;
  for (;;) {
    const at = Date.now();
    const answer = await fetch(`${proxy.url}/api/orders`, { headers: { authorization: `Bearer ${token}` } });
    await answer.text();
    if (answer.status === 401) return accepted;
    assert.equal(answer.status, 200);
    accepted = at;
    assert.ok(at - from < 70_000, 'the token is accepted for ever');
    await sleep(100);
  }
}

const token = (page) => page.evaluate(() => window.app.session.getToken());

// Ends the session of a page that calls its API ten times a second, and checks what follows.
// Resolves with how long calls went on being accepted, in ms: the page's own, and those of a copy.
async function endAndWatch(world, page, life) {
  const { proxy } = world;
  const own = crypto.randomUUID();
  await keepCalling(page, 100, `/api/me?page=${own}`);
  const copy = await token(page);
  const acknowledged = await endElsewhere(world, page);
  const byCopy = useUntilRefused(world, copy, acknowledged);
  await until(async () => (await status(page)) === 'signedout' && Date.now() > (await events(page, 'signedout')).at(-1).t + 1_000, {
    what: 'the page to be signed out',
    timeout: life + 10_000,
    every: 200,
  });
  const made = (await calls(page)).filter(({ done }) => done);
  const last = Math.max(...made.filter((call) => call.status === 200).map((call) => call.at));
  const accepted = { page: last - acknowledged, copy: (await byCopy) - acknowledged };
  for (const [who, ms] of Object.entries(accepted)) {
    assert.ok(ms < life, `${who}: accepted ${ms} ms after the acknowledgement`);
  }
  const [out] = await events(page, 'signedout').then((all) => all.slice(-1));
  assert.equal(out.reason, 'session_revoked');
  // Until it knew, every call was answered 200: no user saw an error before the end.
  const seen = made.filter(({ at }) => at < out.t - 50);
  assert.deepEqual(seen.filter((call) => call.status !== 200), []);
  // And from then on the page sends no token.
  const after = proxy.requests('/api/me').filter(({ t, query }) => query.page === own && t > out.t + 500);
  assert.ok(after.length > 0);
  assert.ok(after.every(({ headers }) => !headers.authorization));
  return { ...accepted, seen: seen.length };
}

scenario('a session ended elsewhere is dead within 60 s, with the true numbers', { server: {}, timeout: 120_000 }, async (world) => {
  const page = await openSignedIn(world);
  await sleep(2_000);
  const accepted = await endAndWatch(world, page, 60_000);
  timely(accepted.seen > 10, `${accepted.seen} calls before the end`);
  world.t.diagnostic(`accepted after the acknowledgement: page ${accepted.page} ms, copied token ${accepted.copy} ms`);
});

const compressed = { tokenLifetime: '6s', refreshIn: '4s' };

scenario('a session ended at any moment is dead within one token life', { server: compressed, timeout: 240_000 }, async (world) => {
  const rounds = process.env.FIFTYTEN_LONG === '1' ? 20 : 6;
  const longest = { page: 0, copy: 0 };
  let seen = 0;
  for (let round = 0; round < rounds; round += 1) {
    // Four users at a time, each at another moment of the cycle.
    const one = async (place) => {
      const context = await world.browser.newContext();
      const page = await openApp(world, { context });
      await signIn(world, page);
      await sleep(place * 1_000 + Math.random() * 1_000);
      const accepted = await endAndWatch(world, page, 6_000);
      // None where the page's own refresh came in the very moment.
      seen += accepted.seen;
      for (const who of Object.keys(longest)) longest[who] = Math.max(longest[who], accepted[who]);
      await page.close();
    };
    await Promise.all([0, 1, 2, 3].map(one));
  }
  timely(seen > 10 * rounds, `${seen} calls before the ends`);
  world.t.diagnostic(`${4 * rounds} sessions; accepted at most: page ${longest.page} ms, copied token ${longest.copy} ms`);
});
