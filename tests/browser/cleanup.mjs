// What must not outlive a test file: processes, and temporary folders.

import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const processes = new Set();
const folders = new Set();
const stopped = new Set();

// Ends the process at the latest when this one ends.
export function own(child) {
  processes.add(child);
  child.once('exit', () => processes.delete(child));
  return child;
}

// Stops a process, which would not notice the end of the one that started it.
export function stop(pid) {
  stopped.add(pid);
  process.kill(pid, 'SIGSTOP');
}

export function goOn(pid) {
  stopped.delete(pid);
  process.kill(pid, 'SIGCONT');
}

export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `fiftyten-${name}-`));
  folders.add(folder);
  return folder;
}

// A browser's last processes may still be writing into it: tried again, and at the latest at exit.
export async function removeFolder(folder) {
  for (let attempt = 0; attempt < 30; attempt += 1) {
    try {
      await rm(folder, { recursive: true, force: true });
      folders.delete(folder);
      return;
    } catch {
      await sleep(100);
    }
  }
}

// Asks the process to end, makes it after `grace` ms, and waits until it has.
export async function end(child, { signal = 'SIGTERM', grace = 5_000 } = {}) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), grace);
  await ended;
  clearTimeout(timer);
}

function atExit() {
  for (const child of processes) child.kill('SIGKILL');
  for (const pid of stopped) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
  // What was killed just now needs a moment to be gone; nothing asynchronous runs any more.
  for (let attempt = 0; attempt < 30 && folders.size > 0; attempt += 1) {
    if (attempt > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    for (const folder of folders) {
      try {
        rmSync(folder, { recursive: true, force: true });
        folders.delete(folder);
      } catch {
        // Tried again.
      }
    }
  }
}

process.on('exit', atExit);
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.on(signal, () => process.exit(code));
}
