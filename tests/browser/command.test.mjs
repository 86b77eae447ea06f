// `cargo xtask demo`, as the README says it: what it prints, how it ends, and what it says when it can't.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { end, own, temporaryFolder } from './cleanup.mjs';
import { freePort } from './server.mjs';
import { until } from './wait.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

const demo = (...args) => start('cargo', ['xtask', 'demo', ...args]);

function start(program, args, env = process.env) {
  const child = own(spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] }));
  const seen = { child, out: '', err: '' };
  child.stdout.on('data', (piece) => (seen.out += piece));
  child.stderr.on('data', (piece) => (seen.err += piece));
  return seen;
}

const ended = ({ child }) => until(() => child.exitCode !== null || child.signalCode !== null, { what: 'the command to end', timeout: 30_000 });
const errors = ({ out, err }) => (out + err).split('\n').filter((line) => /^error:/.test(line));

async function startAndStop(port, data) {
  const run = demo('--port', String(port), '--data', data);
  await until(() => /^Password: \S+/m.test(run.out), { what: 'the demo to be ready', timeout: 300_000 });
  // It says what it is at, before it says that it is ready.
  assert.ok(run.out.indexOf('building the server') >= 0 && run.out.indexOf('building the server') < run.out.indexOf('URL:'), run.out);
  assert.match(run.out, new RegExp(`^URL: http://localhost:${port}/$`, 'm'));
  assert.match(run.out, /^Email: \S+@\S+$/m);
  assert.equal((await fetch(`http://localhost:${port}/`)).status, 200);
  await end(run.child, { signal: 'SIGINT', grace: 20_000 });
  assert.deepEqual(errors(run), []);
  await assert.rejects(fetch(`http://localhost:${port}/`), 'nothing is left running');
  return run.out.match(/^Password: (\S+)/m)[1];
}

test('the demo starts, ends at Ctrl-C, and finds the same data again', { timeout: 700_000 }, async () => {
  const [port, data] = [await freePort(), temporaryFolder('demo')];
  assert.equal(await startAndStop(port, data), await startAndStop(port, data));
});

test('a port in use and a folder that cannot be written are one clear line each', { timeout: 120_000 }, async (t) => {
  const taken = createServer();
  await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  for (const [args, words] of [
    [['--port', String(taken.address().port), '--data', temporaryFolder('demo')], /port/],
    [['--port', String(await freePort()), '--data', '/proc/nowhere'], /\/proc\/nowhere/],
  ]) {
    const run = demo(...args);
    await ended(run);
    assert.notEqual(run.child.exitCode, 0);
    assert.equal(errors(run).length, 1, run.out + run.err);
    assert.match(errors(run)[0], words);
  }
});

test('without Node.js there is one clear line, which says what to install', { timeout: 60_000 }, async () => {
  // The program itself: Cargo would need a PATH of its own.
  const words = ['demo', '--port', String(await freePort()), '--data', temporaryFolder('demo')];
  const run = start(`${TARGET}/debug/xtask`, words, { ...process.env, PATH: temporaryFolder('nothing') });
  await ended(run);
  assert.notEqual(run.child.exitCode, 0);
  assert.deepEqual(errors(run), ['error: `node` is missing: install Node.js 20 or newer, with npm']);
});
