// `cargo xtask demo`, as the README says it: what it prints, how it ends, and what it says when it can't.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { end, own, temporaryFolder } from './cleanup.mjs';
import { freePort } from './server.mjs';
import { until } from './wait.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function demo(...args) {
  const child = own(spawn('cargo', ['xtask', 'demo', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }));
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
