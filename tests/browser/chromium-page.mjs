// One tab of Chromium. Drivers of other browsers offer the same methods as far as the browser can, and
// leave out the others, so that a test can ask (`page.freeze ? … : skip`).

import { goOn, stop } from './cleanup.mjs';
import { Clock } from './clock.mjs';
import { throughHistory } from './history.mjs';
import { settles, until, within } from './wait.mjs';

// For how long a page works at first, in ms, to be told from the others.
const WORK = 120;

export class ChromiumPage {
  // What this driver can't do, and why: nothing that a test asks for.
  static lacks = {};

  // What the page printed and the errors nobody caught: { t, type, text }.
  console = [];
  // The movable clock, where it was asked for.
  clock;

  #browser;
  #page;
  #session;
  #renderer;
  // While it is stopped: since when.
  #stopped;

  static async open(browser, puppeteerPage, { clock }) {
    const page = new ChromiumPage();
    page.#browser = browser;
    page.#page = puppeteerPage;
    page.#session = await puppeteerPage.createCDPSession();
    await page.#session.send('Page.enable');
    const note = (type, text) => page.console.push({ t: Date.now(), type, text });
    puppeteerPage.on('console', (message) => note(message.type(), message.text()));
    puppeteerPage.on('pageerror', (error) => note('uncaught', String(error?.stack ?? error)));
    puppeteerPage.on('error', (error) => note('crash', error.message));
    if (clock) page.clock = await Clock.of(page);
    return page;
  }

  async goto(url) {
    await this.#page.goto(url, { waitUntil: 'load', timeout: 15_000 });
  }

  // The cookies that go with the page's requests, HttpOnly ones included.
  async cookies() {
    return (await this.#session.send('Network.getCookies')).cookies;
  }

  async reload() {
    // Where it fails, the error is a page of another process, and so may be the one that comes after it.
    this.#renderer = undefined;
    await this.#page.reload({ waitUntil: 'load', timeout: 15_000 });
  }

  // Runs a function, or an expression, in the page; resolves with its value, which must be JSON.
  async evaluate(script, ...values) {
    return this.#page.evaluate(script, ...values);
  }

  // A frame of the page, by its URL: what runs a function in it.
  async frame(url) {
    const find = () => this.#page.frames().find((frame) => frame.url() === url);
    return until(find, { what: `the frame of ${url}` });
  }

  // Runs a function in every document from now on, before its own scripts.
  async runAtStart(script, ...values) {
    const { identifier } = await this.#page.evaluateOnNewDocument(script, ...values);
    return { remove: () => this.#page.removeScriptToEvaluateOnNewDocument(identifier) };
  }

  // Waits until the function, run in the page, answers something true; resolves with it.
  async until(script, { values = [], ...options } = {}) {
    return until(() => this.evaluate(script, ...values), { what: String(script), ...options });
  }

  // A window of this width and height, and a preference for dark colours or none.
  async look({ width, height = 800, dark = false }) {
    await this.#session.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    await this.#session.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
  }

  // Presses and releases a key, as its user would.
  async press(key) {
    await this.#page.keyboard.press(key);
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

  // Brings another tab to the front.
  async hide() {
    await this.#browser.coverPages();
    await this.until(() => document.visibilityState === 'hidden');
  }

  // Brings it to the front, whatever that does to it.
  async front() {
    await this.#page.bringToFront();
  }

  async show() {
    await this.front();
    await this.until(() => document.visibilityState === 'visible');
  }

  // ---- frozen, stopped, crashed

  // Freezes the page as the browser does with one in the background: no timers, no answers to fetch.
  // Scripts can still be evaluated, but not wait for a task.
  async freeze() {
    await this.#session.send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  async resume() {
    await this.#session.send('Page.setWebLifecycleState', { state: 'active' });
  }

  // Finds out which process is the page's. To be done before it is urgent: it takes a moment.
  async findRenderer() {
    return (this.#renderer ??= await this.#busiestRenderer());
  }

  // A command of the DevTools protocol, for what only a benchmark wants to know.
  async devtools(method, parameters) {
    return this.#session.send(method, parameters);
  }

  // Stops the page's process: nothing runs, no event is sent, and clocks go on.
  async stopRenderer() {
    await this.findRenderer();
    this.#stopped = { from: Date.now(), to: Infinity };
    this.#browser.stops.push(this.#stopped);
    stop(this.#renderer);
    await until(async () => !(await this.#responds(300)), { what: 'the renderer to stop' });
  }

  continueRenderer() {
    if (!this.#stopped) return;
    this.#stopped.to = Date.now();
    goOn(this.#renderer);
    this.#stopped = undefined;
  }

  async crash() {
    const crashed = new Promise((resolve) => this.#session.once('Inspector.targetCrashed', resolve));
    await this.#session.send('Inspector.enable');
    // There is nobody left to answer this one.
    this.#session.send('Page.crash').catch(() => {});
    await within(10_000, 'crash', crashed);
  }

  // ---- network and history

  // Takes this tab off the network, with the events that a page sees, or puts it back.
  async offline(on) {
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.#session.send('Network.enable');
    await this.#session.send('Network.emulateNetworkConditions', { offline: on, ...unlimited });
    await this.until((online) => navigator.onLine === online, { values: [!on] });
    // Left on, the network domain would be watching all the rest of the test.
    if (!on) await this.#session.send('Network.disable');
  }

  // Goes to another page, does something there, and comes back by the back/forward cache; rejects, with
  // the browser's reasons, where the page was loaded anew instead.
  async throughHistory(url, meanwhile = async () => {}) {
    const reasons = [];
    const refused = ({ notRestoredExplanations }) =>
      reasons.push(...notRestoredExplanations.map(({ reason }) => reason));
    this.#session.on('Page.backForwardCacheNotUsed', refused);
    const back = async () => {
      const { currentIndex, entries } = await this.#session.send('Page.getNavigationHistory');
      await this.#session.send('Page.navigateToHistoryEntry', { entryId: entries[currentIndex - 1].id });
    };
    try {
      await throughHistory(this, url, meanwhile, { back, reasons: () => reasons });
    } finally {
      this.#session.off('Page.backForwardCacheNotUsed', refused);
    }
  }

  // ---- inside

  // The renderer is one that works when this page does.
  async #busiestRenderer() {
    for (let work = WORK; work < 10 * WORK; work *= 1.5) {
      const before = new Map((await this.#browser.renderers()).map(({ id, cpuTime }) => [id, cpuTime]));
      await this.evaluate((ms) => {
        const start = performance.now();
        while (performance.now() - start < ms);
      }, work);
      const worked = (await this.#browser.renderers())
        .map(({ id, cpuTime }) => ({ id, ms: 1_000 * (cpuTime - (before.get(id) ?? cpuTime)) }))
        .sort((one, other) => other.ms - one.ms);
      // Another page may have been at work too: the one whose being stopped silences this page.
      for (const { id } of worked.filter(({ ms }) => ms > WORK / 3)) {
        stop(id);
        const responds = await this.#responds(700);
        goOn(id);
        if (!responds && (await this.#responds(5_000))) return id;
      }
    }
    throw new Error('no renderer belongs to this page');
  }

  #responds(ms) {
    return settles(ms, this.evaluate('1'));
  }
}
