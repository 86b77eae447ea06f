// The system's wall clock as a whole browser sees it, all of its processes, moved at will.

import { execFileSync } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { temporaryFolder } from './cleanup.mjs';

const SOURCE = fileURLToPath(new URL('wallclock.c', import.meta.url));

let library;

// What wallclock.c becomes. A C compiler is there: Rust links with it.
function compiled() {
  if (!library) {
    library = join(temporaryFolder('wallclock'), 'wallclock.so');
    execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', library, SOURCE, '-ldl'], { timeout: 60_000 });
  }
  return library;
}

export class WallClock {
  #path = join(temporaryFolder('clock'), 'offset');
  #file = openSync(this.#path, 'w+');

  constructor(seconds = 0) {
    this.set(seconds);
  }

  // What a browser is to be started with.
  get env() {
    return { LD_PRELOAD: compiled(), FIFTYTEN_WALL_CLOCK: this.#path };
  }

  // The clock is off by this many seconds from now on.
  set(seconds) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    writeSync(this.#file, bytes, 0, bytes.length, 0);
  }
}

// Where a library can be put under a program's calls of the C library.
export const movable = process.platform === 'linux';
