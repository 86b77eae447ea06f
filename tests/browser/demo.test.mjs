// The demo page, used as a person would use it.

import assert from 'node:assert/strict';

import { refreshes } from './app.mjs';
import { scenario } from './scenario.mjs';

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
