// The npm package as it would be published: packed and unpacked again, so that a file missing from
// its list is missing in the tests too.

import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { temporaryFolder } from './cleanup.mjs';

const JS = fileURLToPath(new URL('../../js', import.meta.url));

let folder;

// The folder of the unpacked package. `FIFTYTEN_TARBALL` names a tarball that is packed already.
export function unpackedTarball() {
  folder ??= unpack(process.env.FIFTYTEN_TARBALL ?? pack());
  return folder;
}

function pack() {
  const to = temporaryFolder('pack');
  const options = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', to];
  const printed = execFileSync('npm', options, { cwd: JS, encoding: 'utf8', timeout: 60_000 });
  return resolve(to, printed.trim().split('\n').at(-1));
}

function unpack(tarball) {
  const to = temporaryFolder('package');
  execFileSync('tar', ['-xzf', tarball, '-C', to, '--strip-components=1'], { timeout: 30_000 });
  return to;
}
