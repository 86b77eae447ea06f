// WebKitGTK's MiniBrowser by WebDriver, on a display of its own. Safari's engine, not Safari: it has
// another network stack and its own policy for pages in the background.

import { spawn } from 'node:child_process';

import { end, own } from './cleanup.mjs';
import { executable } from './executable.mjs';
import { freePort } from './server.mjs';
import { until, within } from './wait.mjs';
import { WebDriver } from './webdriver.mjs';
import { WebKitPage } from './webkit-page.mjs';

const FOLDERS = ['/usr/lib/*/webkit2gtk-4*', '/usr/lib/*/webkitgtk-6*', '/usr/lib/webkit2gtk-4*', '/usr/libexec/webkit2gtk-4*'];

// Nothing of these is there on a machine without a screen, and it would be looked for.
const ENVIRONMENT = {
  GDK_BACKEND: 'x11',
  LIBGL_ALWAYS_SOFTWARE: '1',
  NO_AT_BRIDGE: '1',
  WEBKIT_DISABLE_DMABUF_RENDERER: '1',
  // Its sandbox needs user namespaces, which containers seldom have.
  WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
};

export class WebKit {
  name = 'webkit';
  pages = [];

  #display;
  #child;
  #driver;
  #first;
  #stderr = '';

  static async launch() {
    const browser = new WebKit();
    await browser.#start();
    return browser;
  }

  // Opens a window of its own: tabs of this browser can't be brought to the front. All share cookies,
  // storage, locks and channels. `proxy` is what `clock` and `runAtStart` need.
  async newPage(url, { clock = false, proxy } = {}) {
    const { handle } = await this.#driver.inWindow(this.#first, 'POST', '/window/new', { type: 'window' });
    const page = await WebKitPage.open(this.#driver, handle, { clock, proxy, pid: this.#child.pid });
    this.pages.push(page);
    if (url) await page.goto(url);
    return page;
  }

  // As if nobody had used it: for the next test in the same browser.
  async tidy() {
    for (const page of this.pages.splice(0)) {
      await page.forgetCookies();
      await page.close();
    }
  }

  async close() {
    for (const page of this.pages) page.continueRenderer();
    await within(5_000, 'end of the session', this.#driver?.command('DELETE', '') ?? Promise.resolve()).catch(() => {});
    // A driver that was refused its display has ended by itself.
    for (const child of [this.#child, this.#display]) if (child) await end(child);
  }

  async #start() {
    const find = (name, variable) => executable({ variable, names: [name], folders: FOLDERS, what: name });
    const driver = find('WebKitWebDriver', 'FIFTYTEN_WEBKIT_DRIVER');
    const binary = find('MiniBrowser', 'FIFTYTEN_WEBKIT');
    try {
      const env = { ...process.env, ...ENVIRONMENT, DISPLAY: await this.#openDisplay() };
      const port = await freePort();
      this.#child = this.#run(driver, [`--port=${port}`], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      this.#listen(this.#child.stdout);
      const address = `http://127.0.0.1:${port}`;
      const ready = () => this.#ended(this.#child) || fetch(`${address}/status`).then((answer) => answer.ok);
      await until(ready, { what: 'WebKitWebDriver to start', timeout: 30_000 });
      const capabilities = { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } };
      this.#driver = await WebDriver.open(address, capabilities);
      await this.#driver.command('POST', '/timeouts', { script: 10_000, pageLoad: 15_000 });
      // It stays, because the session ends with the last window.
      this.#first = await this.#driver.command('GET', '/window');
    } catch (error) {
      await this.close();
      throw new Error(`WebKit did not start: ${error.message}\n${this.#stderr}`);
    }
  }

  // Resolves with its name once it takes connections.
  async #openDisplay() {
    const xvfb = executable({ variable: 'FIFTYTEN_XVFB', names: ['Xvfb'], what: 'Xvfb' });
    const words = ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'];
    this.#display = this.#run(xvfb, words, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
    let number = '';
    this.#display.stdio[3].setEncoding('utf8').on('data', (text) => (number += text));
    const ready = () => this.#ended(this.#display) || number.endsWith('\n');
    await until(ready, { what: 'Xvfb to start', timeout: 30_000 });
    if (!number) throw new Error('Xvfb ended');
    return `:${number.trim()}`;
  }

  #run(program, words, options) {
    const child = own(spawn(program, words, options));
    this.#listen(child.stderr);
    child.once('error', (error) => (this.#stderr += error.message));
    return child;
  }

  #listen(stream) {
    stream.setEncoding('utf8').on('data', (text) => (this.#stderr += text));
  }

  #ended(child) {
    return child.exitCode !== null || child.signalCode !== null;
  }
}
