// One window of WebKit: what chromium-page.mjs offers, as far as WebKit's driver can.

import { goOn, stop } from './cleanup.mjs';
import { Clock } from './clock.mjs';
import { throughHistory } from './history.mjs';
import { processOf } from './process.mjs';
import { sleep, until } from './wait.mjs';

// What the driver keeps on the window.
const PENDING = '__fiftytenTestPending';
const LEAVING = '__fiftytenTestLeaving';

export class WebKitPage {
  // What this driver can't do, and why.
  static lacks = {
    freeze: 'WebKit does not freeze pages on this system',
    crash: 'WebKitWebDriver ends its session, and with it all windows, when a page crashes',
    offline: 'WebDriver cannot take WebKit off the network',
  };

  console = [];
  clock;

  #driver;
  #handle;
  #proxy;
  #scripts = new Set();
  #calls = 0;
  #root;
  #renderer;
  #stopped = false;

  static async open(driver, handle, { clock, proxy, pid }) {
    const page = new WebKitPage();
    page.#driver = driver;
    page.#handle = handle;
    page.#proxy = proxy;
    page.#root = pid;
    if (proxy) await page.runAtStart(keepConsole);
    if (clock) page.clock = await Clock.of(page);
    return page;
  }

  async goto(url) {
    this.#arm();
    await this.#command('POST', '/url', { url });
  }

  async reload() {
    this.#arm();
    await this.evaluate((name) => void (window[name] = true), LEAVING);
    await this.#command('POST', '/refresh');
    // It may answer while the old document is still there.
    await this.until((name) => !(name in window) && document.readyState === 'complete', { values: [LEAVING] });
  }

  // The script is started by one command and asked for its value by others: one that waited for it would
  // keep all other windows waiting too.
  async evaluate(script, ...values) {
    const source = typeof script === 'function' ? `(${script})(${values.map(literal).join()})` : script;
    const id = String((this.#calls += 1));
    await this.#execute(start(id, source));
    for (;;) {
      const outcome = await this.#execute(`return (window.${PENDING} ??= {})[${literal(id)}] ?? 'gone';`);
      if (outcome === 'gone') throw new Error('the page was left before the script was through');
      if (outcome !== 'pending') return this.#read(id, JSON.parse(outcome));
      await sleep(10);
    }
  }

  // WebDriver has nothing for this: the proxy puts the scripts at the head of what it serves from the folder
  // of the test pages, while this window navigates.
  async runAtStart(script, ...values) {
    if (!this.#proxy) throw new Error('runAtStart needs the proxy');
    const source = `(${script})(${values.map(literal).join()});`;
    const entry = { source };
    this.#scripts.add(entry);
    return { remove: async () => void this.#scripts.delete(entry) };
  }

  async until(script, { values = [], ...options } = {}) {
    return until(() => this.evaluate(script, ...values), { what: String(script), ...options });
  }

  // Fetches what the page printed, for the evidence of a failure.
  async gather() {
    this.console = await this.evaluate(() => globalThis[Symbol.for('fiftyten.test.console')] ?? []);
  }

  async close() {
    this.continueRenderer();
    await this.#driver.closeWindow(this.#handle);
  }

  async forgetCookies() {
    await this.#command('DELETE', '/cookie');
  }

  // ---- visible and hidden

  async visibility() {
    return this.evaluate(() => document.visibilityState);
  }

  async hide() {
    await this.#command('POST', '/window/minimize');
    await this.until(() => document.visibilityState === 'hidden');
  }

  async show() {
    await this.#command('POST', '/window/rect', { width: 900, height: 700 });
    await this.until(() => document.visibilityState === 'visible');
  }

  // ---- stopped

  async findRenderer() {
    this.#renderer ??= await processOf(this, this.#root, /WebKitWebProcess/);
  }

  // As Chromium's. Until it goes on, a command for it would keep all others waiting. It may be the process of
  // other tabs too.
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

  // ---- history

  async throughHistory(url, meanwhile = async () => {}) {
    await throughHistory(this, url, meanwhile, { back: () => this.#command('POST', '/back') });
  }

  // ---- inside

  #arm() {
    if (this.#proxy) this.#proxy.atStart = [...this.#scripts].map(({ source }) => source).join('\n');
  }

  async #read(id, { value, error }) {
    await this.#execute(`delete window.${PENDING}[${literal(id)}];`);
    if (error !== undefined) throw new Error(error);
    return value;
  }

  #execute(script) {
    return this.#command('POST', '/execute/sync', { script, args: [] });
  }

  #command(method, path, body) {
    return this.#driver.inWindow(this.#handle, method, path, body);
  }
}

// `undefined` too, which JSON does not have.
function literal(value) {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}

function start(id, source) {
  return `const all = window.${PENDING} ??= {};
    all[${literal(id)}] = 'pending';
    (async () => (${source}))().then(
      (value) => { all[${literal(id)}] = JSON.stringify({ value }); },
      (error) => { all[${literal(id)}] = JSON.stringify({ error: [String(error), error?.stack].join('\\n') }); },
    );`;
}

// Runs in every document: WebDriver does not tell what a page prints.
function keepConsole() {
  const lines = [];
  const text = (value) => {
    if (typeof value === 'string') return value;
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const note = (type, values) => lines.push({ t: Date.now(), type, text: values.map(text).join(' ') });
  for (const type of ['debug', 'error', 'info', 'log', 'warn']) {
    const native = console[type];
    console[type] = (...values) => {
      note(type, values);
      native.apply(console, values);
    };
  }
  addEventListener('error', ({ message }) => note('uncaught', [message]));
  addEventListener('unhandledrejection', ({ reason }) => note('uncaught', [String(reason)]));
  Object.defineProperty(globalThis, Symbol.for('fiftyten.test.console'), { value: lines });
}
