// One tab of Firefox: what chromium-page.mjs offers, as far as Firefox can.

import { goOn, stop } from './cleanup.mjs';
import { Clock } from './clock.mjs';
import { throughHistory } from './history.mjs';
import { processOf } from './process.mjs';
import { until } from './wait.mjs';

// What the driver keeps on the window.
const LEAVING = '__fiftytenTestLeaving';

export class FirefoxPage {
  // What this driver can't do, and why.
  static lacks = {
    freeze: 'Firefox does not freeze pages',
  };

  console = [];
  clock;

  #browser;
  #page;
  #restored = false;
  #renderer;
  #stopped = false;

  static async open(browser, puppeteerPage, { clock }) {
    const page = new FirefoxPage();
    page.#browser = browser;
    page.#page = puppeteerPage;
    const note = (type, text) => page.console.push({ t: Date.now(), type, text });
    puppeteerPage.on('console', (message) => note(message.type(), message.text()));
    puppeteerPage.on('pageerror', (error) => note('uncaught', String(error?.stack ?? error)));
    if (clock) page.clock = await Clock.of(page);
    return page;
  }

  async goto(url) {
    if (this.#restored) return this.#leave((url) => location.assign(url), url);
    await this.#page.goto(url, { waitUntil: 'load', timeout: 15_000 });
  }

  async reload() {
    if (this.#restored) return this.#leave(() => location.reload());
    await this.#page.reload({ waitUntil: 'load', timeout: 15_000 });
  }

  async evaluate(script, ...values) {
    return this.#page.evaluate(script, ...values);
  }

  async runAtStart(script, ...values) {
    const { identifier } = await this.#page.evaluateOnNewDocument(script, ...values);
    return { remove: () => this.#page.removeScriptToEvaluateOnNewDocument(identifier) };
  }

  async until(script, { values = [], ...options } = {}) {
    return until(() => this.evaluate(script, ...values), { what: String(script), ...options });
  }

  async screenshot(path) {
    await this.#page.screenshot({ path, fullPage: true });
  }

  async close() {
    this.continueRenderer();
    await this.#page.close();
  }

  // ---- visible and hidden

  async visibility() {
    return this.evaluate(() => document.visibilityState);
  }

  async hide() {
    await this.#browser.coverPages();
    await this.until(() => document.visibilityState === 'hidden');
  }

  async show() {
    await this.#page.bringToFront();
    await this.until(() => document.visibilityState === 'visible');
  }

  // ---- stopped, crashed

  async findRenderer() {
    this.#renderer ??= await processOf(this, this.#browser.pid, / tab ?$/);
  }

  // As Chromium's. It may be the process of other tabs too.
  async stopRenderer() {
    await this.findRenderer();
    stop(this.#renderer);
    this.#stopped = true;
  }

  continueRenderer() {
    if (!this.#stopped) return;
    goOn(this.#renderer);
    this.#stopped = false;
  }

  // The process is killed: as good as a crash.
  async crash() {
    await this.findRenderer();
    process.kill(this.#renderer, 'SIGKILL');
  }

  // ---- network and history

  async offline(on) {
    await this.#page.setOfflineMode(on);
    await this.until((online) => navigator.onLine === online, { values: [!on] });
  }

  async throughHistory(url, meanwhile = async () => {}) {
    const back = async () => {
      this.#restored = true;
      await this.evaluate(() => void setTimeout(() => history.back()));
    };
    await throughHistory(this, url, meanwhile, { back });
  }

  // ---- inside

  // Puppeteer waits for every navigation to load, and a page out of the cache never does: from then on it
  // can't navigate, and the page does it itself.
  async #leave(script, ...values) {
    const call = `(${script})(...${JSON.stringify(values)})`;
    await this.evaluate(`void setTimeout(() => ${call}, 0, (globalThis.${LEAVING} = true))`);
    await this.until((name) => !(name in globalThis) && document.readyState === 'complete', { values: [LEAVING] });
  }
}
