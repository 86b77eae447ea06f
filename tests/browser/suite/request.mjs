// Calls: refused, replayed, aborted while they are held back, and through the global fetch.

import assert from 'node:assert/strict';

import { call, callAtOnce, openSignedIn, refreshes } from '../app.mjs';
import { until } from '../wait.mjs';

const MINUTE = 60_000;
const server = {};

// What browsers make of a stream that they can't send: two errors, and a body that says nothing.
const WITHOUT_STREAMS = ['TypeError', 'NotSupportedError', '[object ReadableStream]'];

// What the proxy saw from `from` on of calls and refreshes, in the order of arrival.
const seen = ({ proxy }, from) =>
  proxy.records
    .slice(from)
    .filter(({ path }) => path === '/api/me' || path === '/t/echo' || path === '/auth/v1/refresh')
    .map(({ path, query, status }) => [query.reason ?? path, status]);

export const request = [
  {
    name: 'a 401 means one refresh, one more try, and an answer',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      const from = proxy.records.length;
      proxy.fault('/api/me', { status: 401 }, { times: 1 });
      assert.equal((await call(page)).status, 200);
      assert.deepEqual(seen(world, from), [['/api/me', 401], ['rejected', 200], ['/api/me', 200]]);
    },
  },
  {
    name: 'many a 401 at once means one refresh, and one that stays is handed over',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      const before = refreshes(world).length;
      proxy.fault('/api/me', { status: 401, answerDelay: 0 }, { times: 6 });
      assert.deepEqual(await callAtOnce(page, 6), Array(6).fill(200));
      assert.deepEqual(refreshes(world).slice(before).map(({ reason }) => reason), ['rejected']);
      // An API that refuses whatever it gets makes nobody go round in circles.
      const from = proxy.records.length;
      proxy.fault('/api/me', { status: 401 });
      assert.deepEqual(await callAtOnce(page, 6), Array(6).fill(401));
      const again = seen(world, from);
      assert.ok(again.filter(([what]) => what === '/api/me').length <= 12, JSON.stringify(again));
      assert.ok(again.filter(([what]) => what === 'rejected').length <= 1, JSON.stringify(again));
    },
  },
  {
    name: 'a body is sent again whole after a 401',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      for (const kind of ['text', 'form', 'blob', 'request']) {
        proxy.fault('/t/echo', { status: 401 }, { times: 1 });
        const from = proxy.records.length;
        const [status, length] = await page.evaluate(async (kind) => {
          const text = 'é'.repeat(20_000);
          const form = new FormData();
          form.set('file', new Blob([text]), 'name.txt');
          const inputs = {
            text: ['/t/echo', { method: 'POST', body: text }],
            form: ['/t/echo', { method: 'POST', body: form }],
            blob: ['/t/echo', { method: 'POST', body: new Blob([text]) }],
            request: [new Request('/t/echo', { method: 'POST', body: text })],
          };
          const answer = await window.app.session.fetch(...inputs[kind]);
          const body = await answer.text();
          return [answer.status, body.includes(text) ? body.length : 'not what was sent'];
        }, kind);
        assert.equal(status, 200, kind);
        assert.ok(length >= 20_000, `${kind}: ${length}`);
        // A second 401 within ten seconds is replayed with the token there is, without a refresh.
        const calls = seen(world, from).filter(([what]) => what === '/t/echo');
        assert.deepEqual(calls, [['/t/echo', 401], ['/t/echo', 200]], kind);
        await page.reload();
      }
    },
  },
  {
    name: 'a body that is a stream is sent once, just as fetch itself sends it',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      const send = (through) =>
        page.evaluate(async (through) => {
          const body = new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode('piece by piece'));
              controller.close();
            },
          });
          const send = through === 'session' ? window.app.session.fetch : fetch;
          try {
            const answer = await send('/t/echo', { method: 'POST', body, duplex: 'half' });
            return [answer.status, await answer.text()];
          } catch (error) {
            return [error.name];
          }
        }, through);
      const natively = await send('browser');
      assert.deepEqual(await send('session'), natively);
      const before = proxy.requests('/t/echo').length;
      proxy.fault('/t/echo', { status: 401 }, { times: 1 });
      await send('session');
      assert.ok(proxy.requests('/t/echo').length - before <= 1, 'never twice');
      world.t.diagnostic(`a stream as a body: ${JSON.stringify(natively)}`);
    },
  },
  {
    name: 'a body that is a stream arrives whole',
    server,
    async body(world) {
      const page = await openSignedIn(world);
      const answer = await page.evaluate(async () => {
        const send = (through) => {
          const body = new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode('piece by piece'));
              controller.close();
            },
          });
          return through('/t/echo', { method: 'POST', body, duplex: 'half' }).then((answer) => answer.text(), ({ name }) => name);
        };
        return { natively: await send(fetch), through: await send(window.app.session.fetch) };
      });
      if (answer.natively !== 'piece by piece') {
        assert.ok(WITHOUT_STREAMS.includes(answer.natively), answer.natively);
        world.t.skip(`over HTTP/1.1 this browser makes of a stream: ${answer.natively}`);
        return;
      }
      assert.equal(answer.through, answer.natively);
    },
  },
  {
    name: 'a call that is aborted while it is held back rejects at once, and the others go on',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world, { clock: true });
      await page.clock.sleep(5 * MINUTE);
      proxy.fault('/auth/v1/refresh', { answerDelay: 2_500 }, { times: 1 });
      const outcome = await page.evaluate(async () => {
        const { session } = window.app;
        const controller = new AbortController();
        const settled = [];
        const note = (name) => (value) => settled.push([name, value?.status ?? value?.message ?? String(value)]);
        const other = session.fetch('/api/me?other').then(note('other'), note('other'));
        const given = session.fetch('/api/me?aborted', { signal: controller.signal }).then(note('aborted'), note('aborted'));
        const timed = session.fetch('/api/me?timed', { signal: AbortSignal.timeout(200) }).then(note('timed'), ({ name }) => note('timed')(name));
        const before = session.fetch('/api/me?before', { signal: AbortSignal.abort('too early') }).then(note('before'), note('before'));
        setTimeout(() => controller.abort(new Error('changed my mind')), 400);
        await Promise.all([other, given, timed, before]);
        return settled;
      });
      assert.deepEqual(outcome, [['before', 'too early'], ['timed', 'TimeoutError'], ['aborted', 'changed my mind'], ['other', 200]]);
      assert.deepEqual(proxy.requests('/api/me').map(({ query }) => Object.keys(query)[0]), ['other'], 'the aborted ones never left');
      assert.equal(refreshes(world).filter(({ reason }) => reason !== 'start').length, 1);
    },
  },
  {
    name: 'installed, the global fetch carries the token, and uninstalled it does not',
    server,
    async body(world) {
      const { proxy } = world;
      const page = await openSignedIn(world);
      const seen = await page.evaluate(async () => {
        const { session } = window.app;
        const native = globalThis.fetch;
        const get = async (name) => (await fetch(`/api/me?${name}`, { cache: 'no-store' })).status;
        const statuses = [await get('before')];
        session.install();
        session.install();
        statuses.push(await get('installed'));
        statuses.push((await fetch(new Request('/api/me?request'))).status);
        session.uninstall();
        statuses.push(await get('after'));
        return { statuses, same: globalThis.fetch === native };
      });
      assert.deepEqual(seen, { statuses: [401, 200, 200, 401], same: true });
      const carried = proxy.requests('/api/me').map(({ query, headers }) => [Object.keys(query)[0], Boolean(headers.authorization)]);
      assert.deepEqual(carried, [['before', false], ['installed', true], ['request', true], ['after', false]]);
    },
  },
  {
    name: 'another origin is sent no token',
    server,
    async body(world) {
      const { proxy } = world;
      // It would be welcome there.
      const welcome = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization' };
      proxy.header('/t/echo', welcome);
      const page = await openSignedIn(world);
      const other = `${proxy.url.replace('localhost', '127.0.0.1')}/t/echo`;
      const status = await page.evaluate(async (url) => (await window.app.session.fetch(url)).status, other);
      assert.equal(status, 200);
      const seen = proxy.requests('/t/echo').map(({ method, headers }) => [method, headers.authorization]);
      assert.deepEqual(seen, [['GET', undefined]]);
    },
  },
];
