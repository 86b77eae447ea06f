// A test with everything it needs around it: a server, a proxy in front of it, and a browser. All of it
// is taken down again whatever happens, and a failure comes with what led to it.
//
//   scenario('the server may be gone for a while', { server: { tokenLifetime: '12s', refreshIn: '8s' } },
//     async ({ server, proxy, newPage }) => {
//       const page = await newPage('/t/plain.html', { clock: true });
//       await page.evaluate(async () => {
//         const { createSession } = await import('/npm/fiftyten/index.js');
//         globalThis.session = createSession();
//         await session.ready;
//       });
//       proxy.fault('/auth/v1/refresh', { status: 503 }, { forMs: 2_000 });
//       await page.clock.sleep(60_000);
//       …
//     });
//
// One that fails because something was late (`Late` in wait.mjs) is run once more: the machine may just have been
// busy. What was seen to be wrong, such as a stale token or a refused call, fails at once. What was not seen in
// time, as when a call never settles, is late too: the summary tells it, and the long forms fail on it.
//
// A session that a test keeps in the page stands on a global of the test's own making.

import { test } from 'node:test';

import { closeSharedAtEnd, launch, release, shared } from './engine.mjs';
import { evidence } from './evidence.mjs';
import { Proxy } from './proxy.mjs';
import { Server } from './server.mjs';
import { unpackedTarball } from './tarball.mjs';
import { Late, within } from './wait.mjs';

// Whether the long forms are asked for: `cargo xtask test --long`.
export const long = process.env.FIFTYTEN_LONG === '1';

const NOT_LONG = 'a long form: cargo xtask test --long';

// `options`:
//   server    options of the server, see server.mjs; absent: no server
//   timeout   ms for the body (60,000)
//   long      true: runs only among the long forms
//   skip      a reason not to run it at all
//   engine    'chromium' (the default), 'firefox' or 'webkit'
//   shared    true: in one browser, one after the other, with all tests of the file that say so
//   switches  further switches for the browser (Chromium)
// The body gets a world: { t, server, proxy, browser, newPage(path, options) }.
export function scenario(name, options, body) {
  const { timeout = 60_000, skip = options.long && !long && NOT_LONG, ...rest } = options;
  if (rest.shared) closeSharedAtEnd();
  const attempt = async (t) => {
    const world = new World(t);
    try {
      await world.start(rest);
      await within(timeout, 'end of the test', body(world));
    } catch (error) {
      await world.gather();
      console.error(`\n=== ${name}\n${evidence(world)}\n`);
      throw error;
    } finally {
      await world.end();
    }
  };
  // The body is ended before the runner would give up: only then is the evidence told.
  test(name, { skip, timeout: 2 * (timeout + 60_000) }, async (t) => {
    try {
      await attempt(t);
    } catch (error) {
      if (!(error instanceof Late)) throw error;
      // As `xtask/src/totals.rs` reads it.
      t.diagnostic(`ran twice: ${name}: ${error.message}`);
      await attempt(t);
    }
  });
}

class World {
  server;
  proxy;
  browser;

  #giveBack;

  constructor(t) {
    this.t = t;
  }

  // Those of the tabs that the test opened.
  get pages() {
    return this.browser?.pages ?? [];
  }

  async start({ server, engine = 'chromium', shared: isShared = false, switches }) {
    this.proxy = await Proxy.start();
    if (server) {
      this.server = await Server.start({ publicUrl: this.proxy.url, ...server });
      this.proxy.upstream = this.server.address;
      this.proxy.serve('/npm/fiftyten/', unpackedTarball());
    }
    this.browser = isShared ? await shared(engine) : await launch(engine, { switches });
    this.#giveBack = isShared ? () => release(engine, this.browser) : () => this.browser.close();
  }

  // Opens a tab on a path of the proxy. A field, so that it can be taken out of the world.
  newPage = (path, options) => this.browser.newPage(path && this.proxy.url + path, { proxy: this.proxy, ...options });

  // What a browser does not tell by itself.
  async gather() {
    await Promise.allSettled(this.pages.map((page) => within(5_000, 'console', page.gather?.() ?? Promise.resolve())));
  }

  async end() {
    const parts = [() => this.#giveBack?.(), () => this.server?.remove(), () => this.proxy?.stop()];
    for (const part of parts) {
      try {
        await within(15_000, 'clean end', Promise.resolve(part()));
      } catch (error) {
        console.error(`taking down a test: ${error.message}`);
      }
    }
  }
}
