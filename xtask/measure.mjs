// Prints the sizes of the package, one line each: name, bytes raw, with gzip, with brotli.
//
// It runs in js/. The files of the main entry are those that the bundler reaches from index.js,
// static and dynamic imports alike, so a file cannot escape by being loaded late.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

// From the package's folder, not from this file's.
const esbuild = createRequire(resolve('package.json'))('esbuild');

const entry = {
  entryPoints: ['index.js'],
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  external: ['node:*'],
  legalComments: 'none',
  write: false,
  metafile: true,
  logLevel: 'error',
};

function brotli(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 22,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params }).length;
}

// Each file is compressed by itself, as a server would send it.
function print(name, files) {
  const sum = (measure) => files.reduce((total, bytes) => total + measure(bytes), 0);
  const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;
  console.log(name, sum((bytes) => bytes.length), sum(gzip), sum(brotli));
}

let built;
try {
  built = await esbuild.build(entry);
} catch {
  process.exit(1); // esbuild has said why
}
print('wasm', [readFileSync('wasm/fiftyten_bg.wasm')]);
print('published', Object.keys(built.metafile.inputs).map((path) => readFileSync(path)));
print('bundled', built.outputFiles.map((file) => file.contents));
