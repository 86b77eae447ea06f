// The browsers by their names, and the one of each that the tests of a file share.

import { after } from 'node:test';

import { ChromiumPage } from './chromium-page.mjs';
import { Chromium } from './chromium.mjs';
import { FirefoxPage } from './firefox-page.mjs';
import { Firefox } from './firefox.mjs';
import { within } from './wait.mjs';
import { WebKitPage } from './webkit-page.mjs';
import { WebKit } from './webkit.mjs';

const ENGINES = {
  chromium: { Browser: Chromium, Page: ChromiumPage },
  firefox: { Browser: Firefox, Page: FirefoxPage },
  webkit: { Browser: WebKit, Page: WebKitPage },
};

export const launch = (engine, options) => ENGINES[engine].Browser.launch(options);

// Why pages of this engine lack one of these methods; undefined if they have them all.
export function lacking(engine, methods) {
  const { Page } = ENGINES[engine];
  const missing = methods.find((method) => !(method in Page.prototype));
  if (!missing) return undefined;
  const why = Page.lacks[missing];
  if (!why) throw new TypeError(`${Page.name} neither has ${missing} nor says why`);
  return why;
}

// By the engine's name, as promises.
const open = new Map();

// The browser of this engine that the tests of a file share; `release` it when a test is through.
export async function shared(engine) {
  if (!open.has(engine)) {
    open.set(engine, launch(engine));
  }
  try {
    return await open.get(engine);
  } catch (error) {
    open.delete(engine);
    throw error;
  }
}

// Makes it as if nobody had used it; where that fails it is closed, and the next test gets a new one.
export async function release(engine, browser) {
  try {
    await within(10_000, 'tidy browser', browser.tidy());
  } catch (error) {
    open.delete(engine);
    await browser.close();
    throw error;
  }
}

let closing = false;

// To be called where the tests are declared: inside of one it would mean the end of that one.
export function closeSharedAtEnd() {
  if (closing) return;
  closing = true;
  after(() => Promise.allSettled([...open.values()].map(async (browser) => (await browser).close())));
}
