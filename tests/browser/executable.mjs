// Where a browser's programs are.

import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

// The path that the environment variable names, or the first of `names` in the folders of PATH, then in
// the `folders`. A `*` in a folder's name stands for anything but a slash.
export function executable({ variable, names, folders = [], what }) {
  if (process.env[variable]) return process.env[variable];
  const all = [...process.env.PATH.split(delimiter), ...folders.flatMap(matching)];
  const found = names.flatMap((name) => all.map((folder) => join(folder, name))).find((path) => existsSync(path));
  if (!found) throw new Error(`${what} is missing: install it, or set ${variable} to its path`);
  return found;
}

function matching(folder) {
  const [first, ...rest] = folder.slice(1).split('/');
  let found = [`/${first}`];
  for (const part of rest) {
    found = found.flatMap((parent) => entries(parent).filter(pattern(part)).map((name) => join(parent, name)));
  }
  return found;
}

function pattern(part) {
  const [before, after] = part.split('*');
  if (after === undefined) return (name) => name === part;
  return (name) => name.startsWith(before) && name.endsWith(after);
}

function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
