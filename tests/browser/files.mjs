// Static files, for pages of the tests and for the unpacked package.

import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  // No parameter: streaming compilation refuses `application/wasm; charset=…`.
  '.wasm': 'application/wasm',
};

// The answer for a path below `folder`: `{ status, headers, body }`.
export async function fileAnswer(folder, path) {
  const name = normalize(decodeURIComponent(path)).replace(/^[/\\]+/, '');
  const file = join(folder, name.endsWith(sep) || name === '.' || name === '' ? join(name, 'index.html') : name);
  if (!file.startsWith(folder)) return { status: 404, headers: {}, body: 'outside' };
  try {
    const body = await readFile(file);
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    // Not `no-store`, which would make a page ineligible for the back/forward cache.
    return { status: 200, headers: { 'content-type': type, 'cache-control': 'no-cache' }, body };
  } catch {
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: `no file ${name}` };
  }
}
