// What docs/conformance.md says of the tests: each that it names is there, and no requirement is left out.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const PAGE = new URL('../../docs/conformance.md', import.meta.url);
const page = readFileSync(PAGE, 'utf8');

// The first and the last cell of each row that is about a requirement, by the heading above it.
const tables = new Map();
for (const section of page.split('\n## ').slice(1)) {
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  if (!/^\| (?:requirement|section|heading) \| asks \| Fiftyten \| tests \|$/.test(rows[0])) continue;
  const cells = rows.slice(1).map((row) => row.slice(2, -2).split(' | '));
  tables.set(section.split('\n')[0], cells);
}

// A test that is written as [`its name`](path/to/its/file).
const NAMED = /\[`([^`]+)`\]\(([^)]+)\)/g;
const MARK = /\*\*(?:partly met|not met|no test|the application's|not applicable)\*\*/;

const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// Whether a file has a test of this name: not another function, nor one that is commented out or ignored.
function has(text, name, file) {
  const attribute = String.raw`^[ \t]*#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:#\[(?!ignore)[^\]]*\]\s*)*`;
  const call = String.raw`^[ \t]*(?:(?:await t\.)?(?:test|scenario)\(\s*|name: )`;
  const pattern = file.endsWith('.rs')
    ? String.raw`${attribute}(?:async )?fn ${literally(name)}\(`
    : String.raw`${call}(['"\x60])${literally(name)}\1`;
  return new RegExp(pattern, 'm').test(text);
}

test('every test that the page on conformance names is there', () => {
  const named = [...page.matchAll(NAMED)];
  assert.ok(named.length > 100, `${named.length} tests are named`);
  for (const [, name, path] of named) {
    const file = new URL(path, PAGE);
    assert.ok(existsSync(file), `${path} is not there, where "${name}" should be`);
    assert.ok(has(readFileSync(file, 'utf8'), name, path), `${path} has no test "${name}"`);
  }
});

test('a test that is not there, commented out or ignored is missed', () => {
  const rust = '#[test]\nfn a_b() {}\n#[test]\n#[ignore]\nfn c() {}\n// #[test]\n// fn d() {}\nfn e() {}';
  assert.deepEqual(['a_b', 'a', 'b', 'c', 'd', 'e'].filter((name) => has(rust, name, 'x.rs')), ['a_b']);
  const script = "test('a b', f);\n// test('c', f);\ntest.skip('d', f);\nscenario(\n  'e',\n);\n  name: 'f',\nother('g');";
  const names = ['a b', 'a', 'b', 'c', 'd', 'e', 'f', 'g'];
  assert.deepEqual(names.filter((name) => has(script, name, 'x.mjs')), ['a b', 'e', 'f']);
});

test('every file that the page on conformance links to is there', () => {
  for (const [, path] of page.matchAll(/\]\((\.[^)#]+)/g)) assert.ok(existsSync(new URL(path, PAGE)), path);
});

test('every requirement has tests, or a mark that says why not', () => {
  assert.equal(tables.size, 6);
  for (const [heading, rows] of tables) {
    for (const cells of rows) {
      assert.equal(cells.length, 4, `${heading}: ${cells[0]}`);
      const tests = cells.at(-1);
      assert.ok(MARK.test(tests) || tests.match(NAMED), `${heading}: ${cells[0]}`);
    }
  }
});

test('no requirement of ASVS 5.0.0 and no practice of RFC 8725 is left out', () => {
  // How many requirements each section of a chapter has.
  const chapters = { V3: [1, 3, 5, 8, 8, 1, 5], V7: [3, 4, 2, 5, 3, 2], V9: [3, 4] };
  const column = (start) => {
    const [, rows] = [...tables].find(([heading]) => heading.startsWith(start));
    return rows.map(([first]) => first.split(' ')[0]);
  };
  const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);
  for (const [chapter, sections] of Object.entries(chapters)) {
    const all = sections.flatMap((count, section) => upTo(count).map((number) => `${chapter}.${section + 1}.${number}`));
    assert.deepEqual(column(`OWASP ASVS 5.0.0, ${chapter}:`), all);
  }
  assert.deepEqual(column('RFC 8725:'), upTo(12).map((number) => `3.${number}`));
});
