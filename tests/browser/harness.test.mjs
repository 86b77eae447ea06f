// The harness itself: that each of its means really does what it says. Without the server, except where
// that is the subject.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { end, own } from './cleanup.mjs';
import { evidence } from './evidence.mjs';
import { scenario } from './scenario.mjs';
import { PROGRAM } from './server.mjs';
import { unpackedTarball } from './tarball.mjs';
import { assertNoneStale } from './tokens.mjs';
import { sleep, until, within } from './wait.mjs';

const PLAIN = '/t/plain.html';

// What a script sees of a request: the status and the body, or the error's name.
const look = (path) =>
  fetch(path, { cache: 'no-store' }).then(
    async (answer) => [answer.status, await answer.text().catch((error) => error.name)],
    (error) => [error.name],
  );

// A server that can be closed and opened again on its port.
async function upstream(handle) {
  const server = createServer(handle);
  const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address();
  const close = () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  };
  return { url: `http://127.0.0.1:${port}`, close, open: () => listen(port) };
}

scenario('a fault is seen by fetch as it is described', {}, async ({ proxy, newPage, t }) => {
  let served = 0;
  const behind = await upstream((request, response) => {
    served += 1;
    response.setHeader('content-type', 'application/json').end('{"answer":"whole"}');
  });
  t.after(behind.close);
  proxy.upstream = behind.url;
  const page = await newPage(PLAIN);
  const seen = async (fault) => {
    const injected = proxy.fault('/x', fault, { times: 1 });
    const [before, start] = [served, performance.now()];
    const result = await page.evaluate(look, '/x');
    assert.equal(injected.hits, 1);
    injected.remove();
    return { result, reached: served > before, took: performance.now() - start };
  };

  assert.deepEqual(await page.evaluate(look, '/x'), [200, '{"answer":"whole"}']);

  const refused = await seen({ status: 503, headers: { 'retry-after': '7' }, body: { code: 'busy' } });
  assert.deepEqual(refused.result, [503, '{"code":"busy"}']);
  assert.equal(refused.reached, false);

  for (const [cut, reached] of [['before', false], ['after', true]]) {
    const { result, ...rest } = await seen({ cut });
    assert.deepEqual(result, ['TypeError'], cut);
    assert.equal(rest.reached, reached, cut);
  }
  assert.deepEqual((await seen({ cut: 'middle' })).result, [200, 'TypeError']);
  assert.deepEqual((await seen({ truncated: true })).result, [200, '{"answer"']);

  const [status, garbage] = (await seen({ garbage: true })).result;
  assert.equal(status, 200);
  assert.throws(() => JSON.parse(garbage));

  for (const fault of [{ delay: 300 }, { answerDelay: 300 }]) {
    const { result, took } = await seen(fault);
    assert.equal(result[0], 200);
    assert.ok(took >= 300, `${JSON.stringify(fault)} took ${took} ms`);
  }

  proxy.fault('/x', { hang: true }, { times: 1 });
  const gaveUp = await page.evaluate(() => fetch('/x', { signal: AbortSignal.timeout(400) }).catch((e) => e.name));
  assert.equal(gaveUp, 'TimeoutError');
  await until(() => proxy.records.at(-1).duration !== null, { what: 'the record to be closed' });
  assert.equal(proxy.records.at(-1).status, null);

  proxy.fault('/x', { status: 500 }, { forMs: 200 });
  assert.equal((await page.evaluate(look, '/x'))[0], 500);
  await sleep(250);
  assert.equal((await page.evaluate(look, '/x'))[0], 200);
  assert.throws(() => proxy.fault('/x', { statsu: 500 }), /a fault has no "statsu"/);
});

scenario('the proxy outlives its server', {}, async ({ proxy, newPage, t }) => {
  const behind = await upstream((request, response) => response.end('here'));
  t.after(behind.close);
  proxy.upstream = behind.url;
  const page = await newPage(PLAIN);
  assert.deepEqual(await page.evaluate(look, '/x'), [200, 'here']);

  await behind.close();
  assert.deepEqual(await page.evaluate(look, '/x'), ['TypeError']);
  proxy.whenDown = 502;
  assert.equal((await page.evaluate(look, '/x'))[0], 502);

  await behind.open();
  assert.deepEqual(await page.evaluate(look, '/x'), [200, 'here']);
});

scenario('the proxy passes on what it gets, and records it', {}, async ({ proxy, newPage, t }) => {
  const behind = await upstream(async (request, response) => {
    const body = (await request.toArray()).join('');
    response.writeHead(201, ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-body', body, 'x-host', request.headers.host]);
    response.write('first\n');
    setTimeout(() => response.end('last\n'), 400);
  });
  t.after(behind.close);
  proxy.upstream = behind.url;
  const page = await newPage(PLAIN);
  const result = await page.evaluate(async () => {
    const headers = { authorization: 'Bearer abc', 'x-fiftyten': '1' };
    const answer = await fetch('/echo?reason=timer&active=1', { method: 'POST', body: 'hello', headers });
    const reader = answer.body.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    const start = performance.now();
    while (!(await reader.read()).done);
    const [body, host] = ['x-body', 'x-host'].map((name) => answer.headers.get(name));
    return { first, waited: performance.now() - start, cookie: document.cookie, body, host };
  });
  assert.equal(result.first, 'first\n');
  assert.ok(result.waited > 200, 'the answer was not streamed');
  assert.equal(result.cookie, 'a=1; b=2');
  assert.equal(result.body, 'hello');
  assert.equal(result.host, new URL(proxy.url).host);

  const [record] = await proxy.answered('/echo', 1, { method: 'POST' });
  assert.deepEqual(record.query, { reason: 'timer', active: '1' });
  assert.equal(record.headers.authorization, 'Bearer abc');
  assert.equal(record.headers['x-fiftyten'], '1');
  assert.equal(record.headers['sec-fetch-site'], 'same-origin');
  assert.equal(record.headers.origin, proxy.url);
  assert.equal(record.status, 201);
  assert.ok(record.duration >= 400 && Math.abs(Date.now() - record.t) < 10_000);
});

scenario('headers can be set for a path', {}, async ({ proxy, newPage }) => {
  proxy.header(PLAIN, { 'content-security-policy': "script-src 'self'", 'cache-control': null });
  const page = await newPage(PLAIN);
  const headers = await page.evaluate(async (path) => {
    const answer = await fetch(path, { cache: 'no-store' });
    return ['content-security-policy', 'cache-control', 'content-type'].map((name) => answer.headers.get(name));
  }, PLAIN);
  assert.deepEqual(headers, ["script-src 'self'", null, 'text/html; charset=utf-8']);
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.ran = true';
    document.body.append(script);
  });
  assert.equal(await page.evaluate('globalThis.ran'), undefined);
});

scenario('a hidden tab is hidden, and throttled', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN);
  assert.equal(await page.visibility(), 'visible');
  const other = await newPage(PLAIN);
  assert.deepEqual([await page.visibility(), await other.visibility()], ['hidden', 'visible']);

  await page.show();
  assert.equal(await other.visibility(), 'hidden');
  await page.evaluate(() => {
    globalThis.ticks = [];
    globalThis.events = [];
    setInterval(() => ticks.push(performance.now()), 50);
    document.addEventListener('visibilitychange', () => events.push(document.visibilityState));
  });
  await page.until(() => globalThis.ticks.length >= 10);
  await page.hide();
  const from = await page.evaluate('performance.now()');
  const since = () => page.evaluate((from) => ticks.filter((at) => at > from), from);
  await until(async () => (await since()).length >= 6, { what: 'six ticks' });
  // A timer that is due is late on a busy machine, and the next then comes the sooner; in a visible tab the whole
  // second would have twenty.
  const gaps = (await since()).map((at, place, all) => at - all[place - 1]).slice(1).sort((a, b) => a - b);
  assert.ok(gaps[2] > 500, `${gaps} ms: the timers of a hidden tab run once a second`);
  await page.show();
  assert.deepEqual(await page.evaluate('events'), ['hidden', 'visible']);
});

scenario('a frozen page runs no timers and gets no answers', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN);
  await page.evaluate(() => {
    globalThis.ticks = 0;
    globalThis.events = [];
    setInterval(() => (globalThis.ticks += 1), 20);
    for (const type of ['freeze', 'resume']) document.addEventListener(type, () => events.push(type));
  });
  await page.until(() => globalThis.ticks > 3);
  await page.freeze();
  const before = await page.evaluate('ticks');
  await page.evaluate(() => {
    globalThis.answered = false;
    void fetch('/t/plain.html').then(() => (globalThis.answered = true));
  });
  await sleep(700);
  assert.deepEqual(await page.evaluate('[ticks, answered]'), [before, false]);
  await page.resume();
  await page.until((ticks) => globalThis.ticks > ticks && globalThis.answered, { values: [before] });
  assert.deepEqual(await page.evaluate('events'), ['freeze', 'resume']);
});

scenario('a stopped renderer does nothing, and the other tabs go on', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN);
  const other = await newPage(PLAIN);
  await page.evaluate(() => {
    globalThis.ticks = 0;
    setInterval(() => (globalThis.ticks += 1), 1);
  });
  await page.stopRenderer();
  assert.equal(await other.evaluate('1 + 1'), 2);
  await assert.rejects(within(300, 'answer', page.evaluate('ticks')), /no answer within 300 ms/);
  page.continueRenderer();
  assert.equal(await page.evaluate('typeof ticks'), 'number');
});

scenario('a crashed page is gone, and the other tabs go on', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN);
  const other = await newPage(PLAIN);
  await page.crash();
  assert.equal(page.console.at(-1).type, 'crash');
  assert.equal(await other.evaluate('1 + 1'), 2);
});

scenario('a tab off the network has no network, and is told', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN);
  const other = await newPage(PLAIN);
  await page.evaluate(() => {
    globalThis.events = [];
    for (const type of ['offline', 'online']) addEventListener(type, () => events.push(type));
  });
  await page.offline(true);
  assert.deepEqual(await page.evaluate(look, PLAIN), ['TypeError']);
  assert.equal((await other.evaluate(look, PLAIN))[0], 200);
  await page.offline(false);
  assert.equal((await page.evaluate(look, PLAIN))[0], 200);
  assert.deepEqual(await page.evaluate('events'), ['offline', 'online']);
});

scenario('a page comes back from the back/forward cache, or the reasons are told', {}, async ({ proxy, newPage }) => {
  const page = await newPage(PLAIN);
  await page.evaluate('globalThis.kept = 7');
  const away = `${proxy.url}/t/away.html`;
  let title;
  await page.throughHistory(away, async () => {
    title = await page.evaluate('document.title');
  });
  assert.equal(title, 'Another page of the tests');
  assert.equal(await page.evaluate('kept'), 7);

  await page.evaluate(() => addEventListener('unload', () => {}));
  await assert.rejects(page.throughHistory(away), /not kept in the back\/forward cache: .*Unload/);
});

scenario('the clock moves at once, and stays moved', {}, async ({ newPage }) => {
  const page = await newPage(PLAIN, { clock: true });
  const read = () => page.evaluate(() => [Date.now(), new Date().getTime(), Date.parse(Date()), performance.now()]);
  const moved = async (move) => {
    const before = await read();
    await move();
    const after = await read();
    return after.map((value, index) => Math.round((value - before[index]) / 10_000) * 10);
  };
  assert.deepEqual(await moved(() => page.clock.sleep(300_000)), [300, 300, 300, 0]);
  assert.deepEqual(await moved(() => page.clock.sleep(60_000, { monotonic: true })), [60, 60, 60, 60]);
  assert.deepEqual(await moved(() => page.clock.jump(-3_600_000)), [-3600, -3600, -3600, 0]);

  await page.reload();
  const difference = (await page.evaluate(() => Date.now())) - Date.now();
  assert.equal(Math.round(difference / 10_000) * 10, 300 + 60 - 3600);
  const dates = await page.evaluate(() => [new Date(0).toISOString(), new Date() instanceof Date, Date.UTC(2020, 0)]);
  assert.deepEqual(dates, ['1970-01-01T00:00:00.000Z', true, 1_577_836_800_000]);
});

scenario('tabs share locks and storage, contexts do not', {}, async ({ browser, newPage }) => {
  const [one, two] = [await newPage(PLAIN), await newPage(PLAIN)];
  const other = await newPage(PLAIN, { context: await browser.newContext() });
  await one.evaluate(() => {
    localStorage.setItem('a', 'b');
    return new Promise((granted) => {
      void navigator.locks.request('lock', () => {
        granted();
        return new Promise(() => {});
      });
    });
  });
  const seen = () =>
    navigator.locks.request('lock', { ifAvailable: true }, (lock) => [localStorage.getItem('a'), lock === null]);
  assert.deepEqual(await two.evaluate(seen), ['b', true]);
  assert.deepEqual(await other.evaluate(seen), [null, false]);
});

scenario('a failure is told with requests and console, and without the token', {}, async ({ proxy, browser, newPage }) => {
  const page = await newPage(PLAIN);
  await page.evaluate(() => {
    console.warn('careful', 7);
    setTimeout(() => {
      throw new Error('nobody caught this');
    });
    return fetch('/t/none.js?a=b', { headers: { authorization: 'Bearer secret' } });
  });
  await until(() => page.console.some(({ type }) => type === 'uncaught'), { what: 'the error' });
  const told = evidence({ proxy, pages: browser.pages });
  assert.match(told, /GET {2}\/t\/none\.js\?a=b {2}404 {2}\d+ ms {2}with a token/);
  assert.match(told, /warn {2}careful 7/);
  assert.match(told, /uncaught {2}.*nobody caught this/);
  assert.doesNotMatch(told, /secret/);
});

test('a stale token is found, and only a call that a stop held up is excused', () => {
  const END = 1_800_000_000_000;
  const token = `Bearer e30.${Buffer.from(JSON.stringify({ exp: END / 1_000 })).toString('base64url')}.c2ln`;
  const stops = [{ from: END - 3_000, to: END + 5_000 }, { from: END + 7_000, to: Infinity }];
  const count = (t, made, status = 401) => {
    const headers = { authorization: token, ...(made && { 'x-made': String(made) }) };
    const proxy = { requests: () => [{ t, status, headers }] };
    return assertNoneStale({ proxy, browser: { stops } });
  };
  assert.equal(count(END - 1, undefined, 200), 1);
  assert.equal(count(END - 1, undefined, null), 1);
  assert.throws(() => count(END - 1), /answered 401/);
  assert.throws(() => count(END, undefined, 200), /arrived 0 ms after its end/);
  assert.equal(count(END + 5_001, END - 3_001), 1);
  // Made before, but it had time to leave; made in the midst, or when the token was dead; before the end of the stop.
  assert.throws(() => count(END + 4_000, END - 3_001), /4000 ms after/);
  assert.throws(() => count(END + 5_001, END - 2_000), /5001 ms after/);
  assert.throws(() => count(END + 7_001, END + 6_999), /7001 ms after/);
  assert.throws(() => count(END + 5_001), /5001 ms after/);
});

test('waiting ends, and says what for', async () => {
  const options = { what: 'a miracle', timeout: 200, every: 20 };
  await assert.rejects(until(() => 0, options), /waited 200 ms for a miracle; seen last: 0/);
  await assert.rejects(until(() => Promise.reject(new Error('no')), options), /seen last: no$/);
  await assert.rejects(until(() => new Promise(() => {}), options), /seen last: no answer within/);
});

test('what was late is tried once more, and nothing else is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fiftyten-'));
  t.after(() => rm(folder, { recursive: true }));
  const here = (name) => JSON.stringify(new URL(name, import.meta.url).href);
  const file = join(folder, 'late.test.mjs');
  await writeFile(file, `
    import { scenario } from ${here('scenario.mjs')};
    import { timely } from ${here('wait.mjs')};
    const late = (name, failing) => {
      let runs = 0;
      scenario(name, {}, async () => {
        console.log(name, 'runs');
        runs += 1;
        failing(runs);
      });
    };
    late('late once', (run) => timely(run > 1, 'too slow'));
    late('late twice', () => timely(false, 'too slow'));
    late('broken', () => { throw new Error('broken'); });
  `);
  const ran = spawn('node', ['--test', '--test-reporter=spec', file], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
  const out = (await ran.stdout.toArray()).join('');
  const runs = ['late once', 'late twice', 'broken'].map((name) => out.split(`${name} runs`).length - 1);
  assert.deepEqual(runs, [2, 2, 1], out);
  const told = out.split('\n').filter((line) => line.startsWith('ℹ ran twice'));
  assert.deepEqual(told, ['ℹ ran twice: late once: too slow', 'ℹ ran twice: late twice: too slow'], out);
  assert.match(out, /ℹ pass 1\nℹ fail 2\n/);
});

test('the package is unpacked as it would be published', () => {
  const folder = unpackedTarball();
  for (const name of ['package.json', 'index.js', 'index.d.ts', 'wasm/fiftyten_bg.js', 'wasm/fiftyten_bg.wasm']) {
    assert.ok(existsSync(`${folder}/${name}`), `${name} is not in the package`);
  }
  assert.ok(!existsSync(`${folder}/node_modules`) && !existsSync(`${folder}/tests`));
});

for (const engine of ['chromium', 'firefox', 'webkit']) {
  test(`${engine} does not outlive a test that is ended from outside`, async () => {
    const script = `
      const { launch } = await import(${JSON.stringify(new URL('engine.mjs', import.meta.url).href)});
      const { below } = await import(${JSON.stringify(new URL('process.mjs', import.meta.url).href)});
      const browser = await launch('${engine}');
      await browser.newPage();
      console.log(JSON.stringify(below(process.pid)));
      setInterval(() => {}, 1000);
    `;
    const options = { cwd: fileURLToPath(new URL('.', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'] };
    const child = own(spawn(process.execPath, ['--input-type=module', '--eval', script], options));
    let printed = '';
    child.stdout.on('data', (piece) => (printed += piece));
    const processes = JSON.parse(await until(() => printed.trim(), { what: 'the browser', timeout: 60_000 }));
    assert.ok(processes.length >= 3, `${processes}`);
    await end(child);
    await until(() => processes.filter(alive).length === 0, { what: 'all processes to end' });
  });
}

function alive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const notBuilt = !existsSync(PROGRAM) && 'the server is not built';

scenario('the server keeps its address and data over a stop and a kill', { server: {}, skip: notBuilt }, async (world) => {
  const { server, proxy, newPage } = world;
  const page = await newPage(PLAIN);
  const keys = () => page.evaluate(look, '/auth/.well-known/jwks.json');
  const [status, before] = await keys();
  assert.equal(status, 200);
  assert.match(server.email, /@/);
  assert.ok(server.password.length > 7);

  const { url } = server;
  await server.kill();
  assert.deepEqual(await keys(), ['TypeError']);
  await server.restart();
  assert.deepEqual(await keys(), [200, before]);
  await server.stop();
  assert.deepEqual(await keys(), ['TypeError']);
  await server.restart();
  assert.deepEqual(await keys(), [200, before]);
  assert.equal(server.url, url);
  assert.ok(proxy.requests('/auth/*').length >= 5);
});
