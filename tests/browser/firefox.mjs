// Firefox by WebDriver BiDi, as its users have it: tabs in the background are hidden, and pages go to the
// back/forward cache.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

import { end, own, removeFolder, temporaryFolder } from './cleanup.mjs';
import { executable } from './executable.mjs';
import { FirefoxPage } from './firefox-page.mjs';
import { until } from './wait.mjs';

// What would go out to the network by itself, ask something, or get in the way of the first page.
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.prefetch-next': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.enabled': false,
};

export class Firefox {
  name = 'firefox';
  pages = [];

  #child;
  #puppeteer;
  #profile = temporaryFolder('firefox');
  #stderr = '';

  static async launch() {
    const browser = new Firefox();
    await browser.#start();
    return browser;
  }

  // As Chromium's.
  async newPage(url, { clock = false, context } = {}) {
    const page = await FirefoxPage.open(this, await (context ?? this.#puppeteer).newPage(), { clock });
    this.pages.push(page);
    if (url) await page.goto(url);
    return page;
  }

  async newContext() {
    return this.#puppeteer.createBrowserContext();
  }

  get pid() {
    return this.#child.pid;
  }

  async coverPages() {
    this.cover ??= await this.#puppeteer.newPage();
    await this.cover.bringToFront();
  }

  // As if nobody had used it: for the next test in the same browser.
  async tidy() {
    for (const page of this.pages.splice(0)) await page.close();
    await this.#puppeteer.deleteCookie(...(await this.#puppeteer.cookies()));
  }

  async close() {
    for (const page of this.pages) page.continueRenderer();
    await this.#puppeteer?.disconnect();
    await end(this.#child);
    await removeFolder(this.#profile);
  }

  async #start() {
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
    await writeFile(join(this.#profile, 'user.js'), lines.join('\n'));
    const words = ['--headless', '--no-remote', '--profile', this.#profile, '--remote-debugging-port=0', 'about:blank'];
    const program = executable({ variable: 'FIFTYTEN_FIREFOX', names: ['firefox-esr', 'firefox'], what: 'Firefox' });
    this.#child = own(spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] }));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr += text));
    this.#child.once('error', (error) => (this.#stderr += error.message));
    const address = () => this.#stderr.match(/WebDriver BiDi listening on (ws:\S+)/)?.[1];
    await until(() => address() || this.#child.exitCode !== null, { what: 'Firefox to start', timeout: 60_000 });
    if (!address()) throw new Error(`Firefox ended: ${this.#stderr}`);
    const browserWSEndpoint = `${address()}/session`;
    const options = { browserWSEndpoint, protocol: 'webDriverBiDi', defaultViewport: null, protocolTimeout: 30_000 };
    this.#puppeteer = await puppeteer.connect(options);
  }
}
