// Programs that are ended with the tests.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';

const running = new Set();
const folders = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `fiftyten-${name}-`));
  folders.add(folder);
  return folder;
}

// Starts a program whose messages go to ours.
export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

// Runs a program to its end; throws if it fails. `input` goes to its standard input.
export async function run(program, args, { input = '', ...options } = {}) {
  const child = start(program, args, options);
  child.stdout.resume();
  child.stdin.end(input);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

// Runs a program to its end, and answers what it wrote; throws if it fails.
export async function output(program, args, options) {
  const child = start(program, args, options);
  child.stdin.end();
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) text += part;
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`${program} ended with ${child.exitCode}`);
  return text;
}

// Asks a program line by line: what it answers to each.
export function asker(child) {
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line) => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the recipe has ended');
    return value;
  };
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export async function until(what, holds) {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((done) => setTimeout(done, 50))) {
    if (await holds().catch(() => false)) return;
  }
  throw new Error(`in 20 s there was no ${what}`);
}

export function onPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => exists(join(folder, name)));
}

export function exists(file) {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
