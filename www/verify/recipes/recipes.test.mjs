// The recipes of RECIPES.md, against tokens that are good and tokens that are wrong in one thing each.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Issuer } from './issuer.mjs';
import { RECIPES, Refused } from './recipe.mjs';
import { Server } from './server.mjs';

const now = () => Math.floor(Date.now() / 1_000);

// Another character in the middle of a part.
function tampered(token, part) {
  const parts = token.split('.');
  const place = parts[part].length >> 1;
  const other = parts[part][place] === 'A' ? 'B' : 'A';
  parts[part] = parts[part].slice(0, place) + other + parts[part].slice(place + 1);
  return parts.join('.');
}

const BAD = {
  'that expired 1 s ago': (issuer) => issuer.token({ payload: { iat: now() - 61, exp: now() - 1 } }),
  'in the second it expires': (issuer) => issuer.token({ payload: { iat: now() - 60, exp: now() } }),
  'that never expires': (issuer) => issuer.token({ payload: { exp: undefined } }),
  'that lives for more than 10 min': (issuer) => issuer.token({ payload: { exp: now() + 660 } }),
  'issued 20 s in the future': (issuer) => issuer.token({ payload: { iat: now() + 20, exp: now() + 80 } }),
  'for another audience': (issuer) => issuer.token({ payload: { aud: 'https://other.example' } }),
  'for an audience that begins alike': (issuer) => issuer.token({ payload: { aud: `${issuer.origin}/` } }),
  'without an audience': (issuer) => issuer.token({ payload: { aud: undefined } }),
  'of another issuer': (issuer) => issuer.token({ payload: { iss: 'https://evil.example/auth' } }),
  'of an issuer that begins alike': (issuer) => issuer.token({ payload: { iss: `${issuer.origin}/auth/` } }),
  'of another type': (issuer) => issuer.token({ header: { typ: 'at+jwt' } }),
  'of type JWT': (issuer) => issuer.token({ header: { typ: 'JWT' } }),
  'without a type': (issuer) => issuer.token({ header: { typ: undefined } }),
  'without a session': (issuer) => issuer.token({ payload: { sid: undefined } }),
  'with another header than was signed': (issuer) => tampered(issuer.token(), 0),
  'with another payload than was signed': (issuer) => tampered(issuer.token(), 1),
  'with another signature': (issuer) => tampered(issuer.token(), 2),
  'of another key under the same name': (issuer) => issuer.forged(),
  'of a key that nobody published': (issuer) => issuer.token({ header: { kid: 'unknown' } }),
  'under the name of an RSA key': (issuer) => issuer.token({ header: { kid: 'rsa' } }),
  'with the public key as an HMAC secret': (issuer) => issuer.confused(),
  'without a signature': (issuer) => issuer.unsigned(),
  'with a critical extension': (issuer) => issuer.token({ header: { crit: ['x'], x: 1 } }),
  'that is no token': () => 'garbage',
};

for (const { name, start, missing } of RECIPES) {
  test(`recipe for ${name}`, { skip: missing, timeout: 120_000 }, async (t) => {
    const issuer = await Issuer.start();
    const recipe = await start(issuer.origin);
    t.after(async () => {
      await recipe.stop();
      issuer.stop();
    });

    await t.test(`${name} accepts a good token`, async () => {
      assert.equal(await recipe.ask(issuer.token()), 'user-1');
      assert.equal(await recipe.ask(issuer.token({ payload: { iat: now() + 3, exp: now() + 63 } })), 'user-1');
    });
    for (const [what, make] of Object.entries(BAD)) {
      await t.test(`${name} refuses a token ${what}`, async () => {
        await assert.rejects(recipe.ask(make(issuer)), Refused);
      });
    }
    await t.test(`${name} asks for the keys once, however many unknown keys are named`, async () => {
      for (let number = 0; number < 20; number += 1) {
        await assert.rejects(recipe.ask(issuer.token({ header: { kid: `unknown-${number}` } })), Refused);
      }
      assert.equal(await recipe.ask(issuer.token()), 'user-1');
      assert.ok(issuer.fetches <= 2, `asked ${issuer.fetches} times`);
    });
  });

  test(`recipe for ${name}, against the server`, { skip: missing, timeout: 120_000 }, async (t) => {
    const server = await Server.start();
    t.after(() => server.stop());
    const recipe = await start(server.origin);
    t.after(() => recipe.stop());
    const { token, session } = await server.signIn();
    assert.equal(await recipe.ask(token), session.user);
    for (const part of [0, 1, 2]) await assert.rejects(recipe.ask(tampered(token, part)), Refused);
  });
}
