// The processes of a browser, where its driver does not tell them (Linux).

import { readdirSync, readFileSync } from 'node:fs';

// How long a page is kept busy to find out which process it has, in ms.
const BUSY = 500;

// The process, among those below `root` whose command line matches, that does the work of this page: the one
// that uses the processor while nothing but the page has anything to do.
export async function processOf(page, root, pattern) {
  const candidates = below(root).filter((pid) => pattern.test(commandLine(pid)));
  const before = candidates.map(processorTime);
  await page.evaluate((ms) => {
    const start = performance.now();
    while (performance.now() - start < ms);
  }, BUSY);
  const used = candidates.map((pid, place) => ({ pid, ticks: processorTime(pid) - before[place] }));
  const [most, next] = used.sort((one, other) => other.ticks - one.ticks);
  if (!most || most.ticks < 5 || most.ticks < 2 * (next?.ticks ?? 0)) {
    throw new Error(`no process can be told to be the page's: ${JSON.stringify(used)}`);
  }
  return most.pid;
}

// The processes that this one started, and what those started.
export function below(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), Number(fields(name)[1]));
  }
  const isBelow = (pid) => pid === root || (parents.has(pid) && isBelow(parents.get(pid)));
  return [...parents.keys()].filter((pid) => pid !== root && isBelow(pid));
}

// In the kernel's ticks, of which there are a hundred a second.
function processorTime(pid) {
  const all = fields(pid);
  return Number(all[11] ?? 0) + Number(all[12] ?? 0);
}

// Of /proc/<pid>/stat, from the third on: the second may have spaces in it.
function fields(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  } catch {
    // It ended just now.
    return [];
  }
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
