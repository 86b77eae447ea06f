// The demo page, used as a person would use it.

import assert from 'node:assert/strict';

import { call, refreshes, signIn, status } from './app.mjs';
import { scenario } from './scenario.mjs';
import { until } from './wait.mjs';

const text = (page, id) => page.evaluate((id) => document.getElementById(id)?.innerText ?? '', id);
const shows = (page, id, words) =>
  page.until((id, words) => document.getElementById(id)?.innerText.includes(words), { values: [id, words], timeout: 15_000 });
const click = (page, label) =>
  page.evaluate((label) => {
    const button = [...document.querySelectorAll('button')].find((one) => one.innerText.trim().startsWith(label));
    if (!button) throw new Error(`no button says "${label}"`);
    button.click();
  }, label);

async function open({ newPage, server }) {
  const page = await newPage('/');
  await page.until(() => !document.getElementById('sign-in')?.closest('[hidden]'));
  await page.evaluate((password) => {
    document.getElementById('password').value = password;
    document.getElementById('sign-in').requestSubmit();
  }, server.password);
  await shows(page, 'who', 'Demo Clerk');
  return page;
}

scenario('a person signs in, calls the API, sleeps and is not kept waiting for more than one refresh', { server: {}, timeout: 90_000 }, async (world) => {
  const page = await open(world);
  await click(page, 'Call it 20 times at once');
  await shows(page, 'summary', '20 × 200');
  assert.match(await text(page, 'summary'), /No refresh was needed/);
  await click(page, 'Payroll');
  await shows(page, 'calls', '403');
  const before = refreshes(world).length;
  await click(page, 'Sleep 5 min, wake with 20 calls');
  await shows(page, 'sleep-summary', '20 × 200');
  assert.match(await text(page, 'sleep-summary'), /1 refresh \(request\)/);
  assert.equal(refreshes(world).length, before + 1);
  await shows(page, 'log', 'request');
  await shows(page, 'counters', 'API calls verified');
  await click(page, 'Sign out');
  await shows(page, 'ending-code', 'signed_out');
  // Its Content-Security-Policy is as strict as can be, and nothing runs into it.
  const unexpected = page.console.filter(({ text }) => !/status of 40[13]/.test(text));
  assert.deepEqual(unexpected.map(({ text }) => text), []);
});

scenario('a person ends the session from elsewhere and sees for how long calls are accepted', { server: { tokenLifetime: '6s', refreshIn: '4s' }, timeout: 90_000 }, async (world) => {
  const page = await open(world);
  await click(page, 'End this session from elsewhere');
  await shows(page, 'revocation', 'calls accepted');
  await shows(page, 'ending-code', 'session_revoked');
  assert.equal(refreshes(world).at(-1).status, 401);
});

scenario('the API decides by the token alone, and never asks the store', { server: {} }, async ({ proxy, server }) => {
  const json = { 'content-type': 'application/json', 'x-fiftyten': '1', origin: proxy.url };
  const body = JSON.stringify({ email: server.email, password: server.password });
  const signedIn = await fetch(`${proxy.url}/auth/v1/sessions`, { method: 'POST', headers: json, body });
  const { token } = await signedIn.json();
  const cookie = signedIn.headers.getSetCookie()[0].split(';')[0];
  const ask = async (path, method = 'GET', headers = { authorization: `Bearer ${token}` }) => {
    const answer = await fetch(proxy.url + path, { method, headers });
    await answer.text();
    return answer.status;
  };
  const stats = async () => (await fetch(`${proxy.url}/demo/stats`)).json();
  const before = await stats();
  for (let call = 0; call < 25; call += 1) assert.equal(await ask('/api/me'), 200);
  assert.equal(await ask('/api/orders'), 200, 'by role');
  assert.equal(await ask('/api/orders/refund', 'POST'), 200, 'by permission');
  assert.equal(await ask('/api/payroll'), 403, 'another role');
  assert.equal(await ask('/api/me', 'GET', {}), 401);
  const after = await stats();
  assert.equal(after.verified - before.verified, 28);
  assert.deepEqual([after.store_reads, after.store_writes], [before.store_reads, before.store_writes]);
  assert.equal(await ask('/auth/v1/refresh?reason=start', 'POST', { ...json, cookie }), 200);
  assert.equal((await stats()).store_reads, after.store_reads + 1, 'and the counter counts');
});

scenario('a person ends another of their sessions from the keyboard, on a phone and in the dark', { server: {}, timeout: 90_000 }, async (world) => {
  // The same account, in another browser.
  const other = await world.newPage('/t/session.html', { context: await world.browser.newContext() });
  await other.until(() => window.app !== undefined);
  await signIn(world, other);
  const page = await open(world);
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.look({ width: 1_200 });
  const light = await colour();
  await page.look({ width: 360, dark: true });
  assert.notEqual(await colour(), light);
  // Nothing sticks out to the side, and all that can be done can be reached with the Tab key.
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} px too wide`);
  await page.show();
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus(); // the first Tab goes to the first of all
  });
  const reached = new Set();
  const focus = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText.trim());
  for (let step = 0; step < 40; step += 1) {
    await page.press('Tab');
    const name = await focus();
    reached.add(name);
    if (name.startsWith('End the session')) break;
  }
  for (const name of ['Sign out', 'Call the API', 'Call it 20 times at once', 'Sleep 5 min', 'End this session from elsewhere', 'End the session']) {
    assert.ok([...reached].some((one) => one.startsWith(name)), `${name}: ${[...reached].join(', ')}`);
  }
  await page.press('Enter');
  await page.until(() => document.querySelectorAll('#sessions li').length === 1);
  assert.match(await text(page, 'sessions'), /this one/);
  // The other browser learns of it at its next refresh: here because its API refuses a call.
  world.proxy.fault('/api/me', { status: 401 }, { times: 1 });
  await call(other);
  await until(async () => (await status(other)) === 'signedout', { what: 'the other browser to be signed out' });
});

scenario('a person sees why each refresh was made', { server: { tokenLifetime: '6s', refreshIn: '3s' }, timeout: 90_000 }, async (world) => {
  const page = await open(world);
  await shows(page, 'log', 'timer');
  world.proxy.fault('/api/me', { status: 401 }, { times: 1 });
  await click(page, 'Call the API');
  await shows(page, 'log', 'rejected');
  await page.hide();
  const hidden = refreshes(world).length;
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  assert.equal(refreshes(world).length, hidden, 'hidden, it asks for nothing');
  await page.show();
  await shows(page, 'log', 'wake');
  world.proxy.fault('/auth/v1/refresh', { status: 503 }, { times: 2 });
  await shows(page, 'log', 'retry');
  await until(() => refreshes(world).at(-1).status === 200, { what: 'recovery' });
});
