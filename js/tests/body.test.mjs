import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ORIGIN, clock, expired, outcome, problem, settle, signedIn } from './world.mjs';

const bytes = new TextEncoder().encode('h\u00e9llo \u0000 w\u00f6rld');

function form() {
  const form = new FormData();
  form.append('name', 'v\u00e4lue');
  form.append('file', new Blob([bytes], { type: 'application/x-mine' }), 'f.bin');
  return form;
}

// Every kind of body, how to make it, and what arrives. A stream can't be sent twice.
const KINDS = {
  'a string': { make: () => 'h\u00e9llo \u0000 w\u00f6rld', type: 'text/plain;charset=UTF-8' },
  'an empty string': { make: () => '', type: 'text/plain;charset=UTF-8', expected: '' },
  'a Blob': { make: () => new Blob([bytes], { type: 'application/x-mine' }), type: 'application/x-mine' },
  'URLSearchParams': {
    make: () => new URLSearchParams({ a: '\u00e9', b: '&' }),
    type: 'application/x-www-form-urlencoded;charset=UTF-8',
    expected: 'a=%C3%A9&b=%26',
  },
  'FormData': { make: form, type: /^multipart\/form-data; boundary=/, expected: /name="file"; filename="f.bin"\r\nContent-Type: application\/x-mine\r\n\r\n.*llo/ },
  'an ArrayBuffer': { make: () => bytes.slice().buffer, type: null },
  'a typed array': { make: () => bytes.slice(), type: null },
  'a view of a part': { make: () => new Uint8Array([9, 9, ...bytes, 9]).subarray(2, 2 + bytes.length), type: null },
  'a DataView': { make: () => new DataView(bytes.slice().buffer), type: null },
  'a stream': {
    make: () =>
      new ReadableStream({
        type: 'bytes',
        start(controller) {
          controller.enqueue(bytes.slice(0, 4));
          controller.enqueue(bytes.slice(4));
          controller.close();
        },
      }),
    type: null,
    more: { duplex: 'half' },
    once: true,
  },
};

function arrived({ body, headers }, { type, expected = Buffer.from(bytes).toString() }, what) {
  const text = body?.toString() ?? '';
  if (expected instanceof RegExp) assert.match(text, expected, what);
  else assert.equal(text, expected, what);
  if (type instanceof RegExp) assert.match(headers.get('content-type'), type, what);
  else assert.equal(headers.get('content-type'), type, what);
}

// The two ways in which a request is made.
const WAYS = {
  'by init': (session, init) => session.fetch('/api', init),
  'as a Request': (session, init) => session.fetch(new Request(`${ORIGIN}/api`, init)),
};

for (const [what, kind] of Object.entries(KINDS)) {
  for (const [way, send] of Object.entries(WAYS)) {
    const init = () => ({ method: 'POST', body: kind.make(), ...kind.more });

    test(`${what} arrives unchanged ${way}`, async (t) => {
      const { session, server } = await signedIn(t);
      assert.equal((await clock.within(send(session, init()))).status, 200);
      arrived(server.calls[0], kind);
      assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
    });

    test(`${what} arrives unchanged ${way} after it was held back`, async (t) => {
      const { session, server } = await expired(t);
      const promise = send(session, init());
      assert.equal((await clock.within(promise)).status, 200);
      assert.equal(server.calls.length, 1);
      arrived(server.calls[0], kind);
      assert.equal(server.calls[0].bearer, `Bearer ${server.latest}`);
    });

    // Whether a Request was made of a stream cannot be told, so all of them are kept to be sent again.
    const once = kind.once && way === 'by init';
    test(`${what} ${way} is ${once ? 'not ' : ''}sent again after a 401`, async (t) => {
      const { session, server } = await signedIn(t);
      const first = server.latest;
      server.api = ({ bearer }) => (bearer === `Bearer ${first}` ? problem(401, 'invalid_token') : new Response('fine'));
      const response = await clock.within(send(session, init()));
      assert.equal(response.status, once ? 401 : 200);
      assert.equal(server.calls.length, once ? 1 : 2);
      for (const call of server.calls) arrived(call, kind);
      assert.deepEqual(server.reasons, ['start', 'rejected']);
    });
  }
}

test('what the caller changes after the call changes nothing that is sent while held back', async (t) => {
  const { session, server } = await expired(t);
  const array = bytes.slice();
  const params = new URLSearchParams({ a: '1' });
  const data = form();
  const headers = { 'x-mine': 'then' };
  const list = new Headers(headers);
  const url = new URL('/then', ORIGIN);
  const init = { method: 'POST', body: 'then', headers };
  const all = [
    session.fetch('/1', { method: 'POST', body: array }),
    session.fetch('/2', { method: 'POST', body: params }),
    session.fetch('/3', { method: 'POST', body: data }),
    session.fetch('/4', { method: 'POST', body: array.buffer }),
    session.fetch('/5', init),
    session.fetch('/6', { headers: list }),
    session.fetch(url),
  ];
  array.fill(0);
  params.set('a', 'now');
  data.set('name', 'now');
  list.set('x-mine', 'now');
  url.pathname = '/now';
  Object.assign(headers, { 'x-mine': 'now', authorization: 'Basic now' });
  Object.assign(init, { method: 'DELETE', body: 'now' });
  await clock.within(Promise.all(all));
  const by = Object.fromEntries(server.calls.map((call) => [call.path, call]));
  arrived(by['/1'], KINDS['a typed array']);
  assert.equal(by['/2'].body.toString(), 'a=1');
  assert.match(by['/3'].body.toString(), /v\u00e4lue/);
  arrived(by['/4'], KINDS['an ArrayBuffer']);
  assert.equal(by['/5'].method, 'POST');
  assert.equal(by['/5'].body.toString(), 'then');
  assert.equal(by['/5'].headers.get('x-mine'), 'then');
  assert.equal(by['/6'].headers.get('x-mine'), 'then');
  assert.ok(by['/then']);
  for (const { bearer } of server.calls) assert.equal(bearer, `Bearer ${server.latest}`);
});

test('what the caller changes after the call changes nothing that is sent again after a 401', async (t) => {
  const { session, server } = await signedIn(t, { allowedOrigins: [] });
  const first = server.latest;
  server.api = ({ bearer }) => (bearer === `Bearer ${first}` ? problem(401, 'invalid_token') : new Response('fine'));
  const headers = { 'x-mine': 'then' };
  const list = new Headers(headers);
  const url = new URL('/then', ORIGIN);
  const init = { method: 'POST', body: 'then', headers };
  const all = [session.fetch('/1', init), session.fetch('/2', { headers: list }), session.fetch(url)];
  url.host = 'evil.test';
  Object.assign(headers, { 'x-mine': 'now', authorization: 'Basic now' });
  list.set('x-mine', 'now');
  list.set('authorization', 'Basic now');
  Object.assign(init, { method: 'DELETE', body: 'now' });
  const answers = await clock.within(Promise.all(all));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  const again = Object.fromEntries(server.calls.slice(3).map((call) => [call.path, call]));
  assert.deepEqual(Object.keys(again).sort(), ['/1', '/2', '/then']);
  assert.equal(again['/1'].method, 'POST');
  assert.equal(again['/1'].body.toString(), 'then');
  assert.equal(again['/1'].headers.get('x-mine'), 'then');
  assert.equal(again['/2'].headers.get('x-mine'), 'then');
  assert.equal(again['/then'].url, `${ORIGIN}/then`);
  for (const { bearer } of server.calls.slice(3)) assert.equal(bearer, `Bearer ${server.latest}`);
});

test('a Request is used up by sending it, as with fetch', async (t) => {
  const { session } = await signedIn(t);
  const request = new Request(`${ORIGIN}/api`, { method: 'POST', body: 'x' });
  await session.fetch(request);
  assert.equal(request.bodyUsed, true);
  const { error } = await outcome(session.fetch(request));
  assert.ok(error instanceof TypeError);
  const free = new Request(`${ORIGIN}/api`);
  await session.fetch(free);
  assert.equal((await session.fetch(free)).status, 200);
});

test('a Request that is held back is used up from the moment of the call', async (t) => {
  const { session, server } = await expired(t);
  const request = new Request(`${ORIGIN}/api`, { method: 'POST', body: 'x' });
  const first = session.fetch(request);
  assert.ok((await outcome(session.fetch(request))).error instanceof TypeError);
  assert.equal((await clock.within(first)).status, 200);
  assert.equal(server.calls.length, 1);
  assert.equal(server.calls[0].body.toString(), 'x');
});

test("the caller's Request keeps its own headers", async (t) => {
  const { session } = await signedIn(t);
  const request = new Request(`${ORIGIN}/api`);
  await session.fetch(request);
  assert.equal(request.headers.get('authorization'), null);
});

test('the body of the answer that is not handed over is cancelled', async (t) => {
  const { session, server } = await signedIn(t);
  for (const send of Object.values(WAYS)) {
    clock.sleep(20_000);
    const { latest } = server;
    const cancelled = [];
    server.api = ({ bearer }) => {
      if (bearer !== `Bearer ${latest}`) return new Response('fine');
      return new Response(new ReadableStream({ cancel: (reason) => void cancelled.push(reason) }), { status: 401 });
    };
    assert.equal(await (await clock.within(send(session, { method: 'POST', body: 'x' }))).text(), 'fine');
    await settle();
    assert.equal(cancelled.length, 1);
  }
});

test('an answer whose body cannot be cancelled does no harm', async (t) => {
  const { session, server } = await signedIn(t);
  const first = server.latest;
  server.api = ({ bearer }) => {
    if (bearer !== `Bearer ${first}`) return new Response('fine');
    const response = new Response('no', { status: 401 });
    void response.text(); // a wrapper below has read it
    return response;
  };
  assert.equal((await clock.within(session.fetch('/api'))).status, 200);
});
