// Chromium as its users have it. The usual drivers start it with switches that turn off timer
// throttling and the back/forward cache and that make every tab visible: none of these here.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

import { ChromiumPage } from './chromium-page.mjs';
import { end, own, removeFolder, temporaryFolder } from './cleanup.mjs';
import { executable } from './executable.mjs';
import { until } from './wait.mjs';

const PROGRAM = { variable: 'FIFTYTEN_CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome'], what: 'Chromium' };

const SWITCHES = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--no-default-browser-check',
  '--password-store=basic',
  '--use-mock-keychain',
  // What would go out to the network by itself.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-quic',
  '--disable-sync',
  '--metrics-recording-only',
  '--remote-debugging-port=0',
];

export class Chromium {
  name = 'chromium';
  pages = [];
  // When renderers were stopped, and went on: { from, to } in epoch ms.
  stops = [];

  #child;
  #puppeteer;
  #options;
  #profile = temporaryFolder('chromium');
  #stderr = '';

  // `env` is added to the environment; `patience` is how long it may take to start, in ms; `state` is what the
  // browser keeps of itself, as if it had run before.
  static async launch({ switches = [], env = {}, patience = 30_000, state } = {}) {
    const browser = new Chromium();
    if (state) writeFileSync(join(browser.#profile, 'Local State'), JSON.stringify(state));
    await browser.#start(switches, env, patience);
    return browser;
  }

  // Opens a tab in front of the others, which become hidden. `clock: true` gives it a clock that can be
  // moved. Tabs of one `context` share cookies, storage, locks and channels; see `newContext`.
  async newPage(url, { clock = false, context } = {}) {
    const page = await ChromiumPage.open(this, await (context ?? this.#puppeteer).newPage(), { clock });
    this.pages.push(page);
    if (url) await page.goto(url);
    return page;
  }

  // Another user of the same browser: nothing is shared with the tabs outside of it.
  async newContext() {
    return this.#puppeteer.createBrowserContext();
  }

  // Puts an empty tab in front, so that every other one of the default context becomes hidden.
  async coverPages() {
    this.cover ??= await this.#puppeteer.newPage();
    await this.cover.bringToFront();
  }

  // Lets go of all pages while `work` is done over a connection of its own: a page that is driven is never
  // discarded. Afterwards they are to be found again.
  async letGo(work) {
    this.pages = [];
    this.cover = undefined;
    await this.#puppeteer.disconnect();
    await work(this.#options);
    this.#puppeteer = await puppeteer.connect(this.#options);
  }

  // The tab that is at this URL.
  async pageAt(url) {
    const find = async () => (await this.#puppeteer.pages()).find((page) => page.url() === url);
    const page = await ChromiumPage.open(this, await until(find, { what: `a tab at ${url}` }), {});
    this.pages.push(page);
    return page;
  }

  // All renderers: { id, cpuTime } with the process id, and the seconds of processor time it has had.
  async renderers() {
    const session = await this.#puppeteer.target().createCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo.filter(({ type }) => type === 'renderer');
  }

  // As if nobody had used it: for the next test in the same browser.
  async tidy() {
    for (const page of this.pages.splice(0)) await page.close();
    await this.#puppeteer.deleteCookie(...(await this.#puppeteer.cookies()));
  }

  async close() {
    for (const page of this.pages) page.continueRenderer();
    await this.#puppeteer.disconnect();
    await end(this.#child);
    await removeFolder(this.#profile);
  }

  async #start(switches, env, patience) {
    const words = [...SWITCHES, ...switches, `--user-data-dir=${this.#profile}`, 'about:blank'];
    this.#child = own(spawn(executable(PROGRAM), words, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] }));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr += text));
    this.#child.once('error', (error) => (this.#stderr += error.message));
    const address = () => {
      if (this.#child.exitCode !== null) throw new Error(`Chromium ended: ${this.#stderr}`);
      return this.#stderr.match(/DevTools listening on (ws:\S+)/)?.[1];
    };
    const browserWSEndpoint = await until(address, { what: 'Chromium to start', timeout: patience });
    // No viewport and no network domain: both change how pages behave.
    this.#options = { browserWSEndpoint, defaultViewport: null, networkEnabled: false, protocolTimeout: Math.max(30_000, patience) };
    this.#puppeteer = await puppeteer.connect(this.#options);
  }
}
