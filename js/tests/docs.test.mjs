// What is said in several places is the same in all of them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const types = read('index.d.ts');
const readme = read('README.md');
const all = (text, pattern) => [...text.matchAll(pattern)].map(([, word]) => word).sort();

// The part of a text from one mark to the next.
function between(text, from, to) {
  const start = text.indexOf(from);
  assert.notEqual(start, -1, from);
  return text.slice(start, text.indexOf(to, start + from.length));
}

test('the codes of errors', () => {
  const known = all(between(read('errors.js'), 'const ADVICE', '\n};'), /^ {2}(\w+):/gm);
  assert.equal(known.length, 19);
  assert.deepEqual(all(between(types, 'export type SessionErrorCode', ';'), /'(\w+)'/g), known);
  const table = between(readme, '## Errors', '## Security');
  const rows = table.split('\n').filter((line) => line.startsWith('| `') && !line.startsWith('| `code`'));
  assert.deepEqual(rows.flatMap((row) => all(row.split('|')[1], /`(\w+)`/g)).sort(), known);
  const retryable = all(between(read('errors.js'), 'new Set([', ']'), /'(\w+)'/g);
  assert.deepEqual(all(rows.join('\n'), /^\| `(\w+)` \| yes \|/gm), retryable);
  const core = all(between(read('../src/error.rs'), 'pub const fn as_str', '\n    }'), /=> "(\w+)"/g);
  for (const code of core) assert.ok(known.includes(code), code);
});

test('the options', () => {
  const known = all(between(read('options.js'), 'const DEFAULTS', '\n};'), /^ {2}(\w+):/gm);
  assert.deepEqual(all(between(types, 'export interface SessionOptions', '\n}'), /^ {2}(\w+)\?:/gm), known);
  assert.deepEqual(all(between(readme, '## Options', '## The session'), /^\| `(\w+)` \|/gm), known);
});

test('the events and their details', () => {
  const notice = read('../src/web/notice.rs');
  const known = all(between(notice, 'pub(super) fn encode', '\n}'), /"(\w+)",\s*(?:object|whose)\(/g);
  assert.equal(known.length, 5);
  assert.deepEqual(all(between(types, 'export interface SessionEventMap', '\n}'), /^ {2}(\w+):/gm), known);
  assert.deepEqual(all(between(readme, '## Events', '## Errors'), /^\| `(\w+)` \|/gm), known);
});

test('the reasons', () => {
  const words = (text) => all(text, /=> "(\w+)"/g);
  const ends = words(between(read('../src/event.rs'), 'impl EndReason', '\n}'));
  assert.deepEqual(all(between(between(types, 'export interface SignedOutDetail', '\n}'), 'reason:', ';'), /'(\w+)'/g), ends);
  const failures = words(between(read('../src/error.rs'), 'impl Failure', 'pub const fn status'));
  assert.deepEqual(all(between(between(types, 'export interface DegradedDetail', '\n}'), 'failure:', ';'), /'(\w+)'/g), failures);
  const reasons = words(between(read('../src/protocol.rs'), 'impl Reason', '\n}'));
  assert.deepEqual(all(between(types, 'export type RefreshReason', ';'), /\| '(\w+)'/g), reasons);
});

test('what a session has', async () => {
  const { createSession } = await import('../index.js');
  globalThis.location = new URL('https://app.test/');
  const session = createSession({ wasm: new Promise(() => {}), fetch: () => new Promise(() => {}) });
  const prototype = Object.getPrototypeOf(session);
  const known = [...Object.getOwnPropertyNames(prototype), ...Object.keys(session)].filter((name) => name !== 'constructor').sort();
  session.close();
  const listed = all(between(types, 'export interface Session<', '\n}'), /^ {2}(?:readonly )?(\w+)(?=[:(])/gm);
  assert.deepEqual(listed, known);
  for (const name of known) assert.ok(between(readme, '## The session', '## Events').includes(`\`${name}`), name);
});
