// What an idle session costs the page's main thread, in ten minutes: in front, hidden, and hidden with
// `pollWhileHidden`, beside pages without a session, all in the same browser at the same time.
//
//   node idle.bench.mjs [--quick]     or: cargo xtask bench idle [--quick]

import { readFileSync } from 'node:fs';

import { openApp, openSignedIn } from './app.mjs';
import { Chromium } from './chromium.mjs';
import { Proxy } from './proxy.mjs';
import { Server } from './server.mjs';
import { unpackedTarball } from './tarball.mjs';
import { sleep } from './wait.mjs';

// The quick form has one refresh in it.
const SECONDS = process.argv.includes('--quick') ? 70 : 600;

// Counts the timers that fire, whoever set them.
function countTimers() {
  window.fired = 0;
  for (const name of ['setTimeout', 'setInterval', 'requestAnimationFrame', 'requestIdleCallback']) {
    const before = window[name].bind(window);
    window[name] = (callback, ...rest) =>
      before((...values) => {
        window.fired += 1;
        return callback(...values);
      }, ...rest);
  }
}

// How often the main thread was woken: the voluntary switches of the renderer's first thread. Linux only.
function wakeUps(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8').match(/^voluntary_ctxt_switches:\s*(\d+)/m)[1]);
  } catch {
    return NaN;
  }
}

async function read({ page, pid }) {
  const { metrics } = await page.devtools('Performance.getMetrics');
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  return {
    wakeUps: wakeUps(pid),
    task: of('TaskDuration') * 1_000,
    script: of('ScriptDuration') * 1_000,
    heap: of('JSHeapUsedSize') / 1_024,
    fired: await page.evaluate(() => window.fired),
  };
}

// The sum of what a sampling heap profile saw allocated, collected again or not.
const allocated = ({ selfSize, children }) => selfSize + children.reduce((sum, child) => sum + allocated(child), 0);

async function startMeasuring(one) {
  await one.page.devtools('Performance.enable');
  await one.page.devtools('HeapProfiler.collectGarbage');
  const flags = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true };
  await one.page.devtools('HeapProfiler.startSampling', { samplingInterval: 256, ...flags });
  one.before = await read(one);
}

async function stopMeasuring(one) {
  const after = await read(one);
  const { profile } = await one.page.devtools('HeapProfiler.stopSampling');
  const change = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - one.before[name]]));
  return { ...change, allocated: allocated(profile.head) / 1_024 };
}

async function openPages(world) {
  const own = async (context) => {
    const page = await world.browser.newPage(undefined, { context });
    await page.runAtStart(countTimers);
    return page;
  };
  // Opens on that page, in place of a new tab.
  const on = (page) => ({ ...world, newPage: (path) => page.goto(world.proxy.url + path).then(() => page) });
  const plain = async (context) => {
    const page = await own(context);
    await page.goto(`${world.proxy.url}/t/plain.html`);
    return page;
  };
  const signedIn = async (context, options) => {
    const page = await own(context);
    await openSignedIn(on(page), { options, alone: true });
    return page;
  };
  const again = async (options) => {
    const page = await own();
    await openApp(on(page), { options, alone: true });
    await page.until(() => window.app.session.status === 'signedin');
    return page;
  };
  const { browser } = world;
  // A tab is in front in each window, and a profile of its own has a window of its own.
  const pages = {
    'in front: no session': await plain(await browser.newContext()),
    'in front: a session': await signedIn(await browser.newContext(), {}),
    'hidden: no session': await plain(),
    'hidden: a session': await signedIn(undefined, {}),
    'hidden: a session that polls': await again({ pollWhileHidden: true }),
  };
  await browser.coverPages();
  const list = [];
  for (const [name, page] of Object.entries(pages)) {
    const wanted = name.startsWith('hidden') ? 'hidden' : 'visible';
    if ((await page.visibility()) !== wanted) throw new Error(`${name}: the page is not ${wanted}`);
    list.push({ name, page, pid: await page.findRenderer() });
  }
  return list;
}

const COLUMNS = {
  'timers fired': ({ fired }) => fired,
  'wake-ups': ({ wakeUps }) => wakeUps,
  'tasks, ms': ({ task }) => task.toFixed(1),
  'of these script, ms': ({ script }) => script.toFixed(1),
  'allocated by JavaScript, KB': ({ allocated }) => allocated.toFixed(1),
  'heap, KB more': ({ heap }) => heap.toFixed(1),
};

function print(results) {
  const rows = [['', ...Object.keys(COLUMNS)]];
  for (const { name, cost } of results) rows.push([name, ...Object.values(COLUMNS).map((column) => String(column(cost)))]);
  const widths = rows[0].map((_, place) => Math.max(...rows.map((row) => row[place].length)));
  const line = (row) => row.map((cell, place) => (place === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[place]))).join('  ');
  console.log([`An idle session for ${SECONDS} s, token of 60 s renewed every 50 (Chromium):`, ...rows.map(line)].join('\n'));
}

const proxy = await Proxy.start();
const server = await Server.start({ publicUrl: proxy.url });
proxy.upstream = server.address;
proxy.serve('/npm/fiftyten/', unpackedTarball());
const browser = await Chromium.launch();
try {
  const pages = await openPages({ proxy, server, browser, newPage: (path, options) => browser.newPage(path && proxy.url + path, options) });
  // Loading is not idling.
  await sleep(3_000);
  for (const one of pages) await startMeasuring(one);
  const from = Date.now();
  await sleep(SECONDS * 1_000);
  const results = [];
  for (const one of pages) results.push({ name: one.name, cost: await stopMeasuring(one) });
  print(results);
  console.log(`${proxy.requests('/auth/v1/refresh').filter(({ t }) => t >= from).length} refreshes by the three sessions together`);
} finally {
  await browser.close();
  await server.remove();
  await proxy.stop();
}
