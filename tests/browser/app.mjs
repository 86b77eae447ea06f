// An app in a tab: the page in pages/session.html, with a session of the packed package.

const PAGE = '/t/session.html';

// Opens a tab with the app. `options` are the session's. `tab` is a name by which the proxy's records tell
// who asked, see `askedBy`; `alone: true` keeps it from hearing of the other tabs; `noteMade: true` has its calls
// say when they were made. The rest is the tab's.
export async function openApp({ newPage }, { options = {}, tab = '', alone, noteMade, ...rest } = {}) {
  const search = new URLSearchParams({ options: JSON.stringify(options), tab, ...(alone && { alone: '1' }), ...(noteMade && { noteMade: '1' }) });
  const page = await newPage(`${PAGE}?${search}`, rest);
  await page.until(() => window.app !== undefined);
  return page;
}

// The same, signed in as the demo account.
export async function openSignedIn(world, rest) {
  const page = await openApp(world, rest);
  await signIn(world, page);
  return page;
}

// A server that has too many passwords to check says so; on a busy machine it may.
export async function signIn({ server }, page) {
  await page.evaluate(async (email, password) => {
    const { session } = window.app;
    await session.ready;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await session.signIn({ email, password });
      } catch (error) {
        if (!error.retryable || attempt === 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfter ?? 500));
      }
    }
  }, server.email, server.password);
}

// What an app sees of a call: { status, waited } in ms, or { error } with the error's code or name.
export function call(page, path = '/api/me') {
  return page.evaluate(async (path) => {
    const start = performance.now();
    try {
      const answer = await window.app.session.fetch(path, { cache: 'no-store' });
      await answer.text();
      return { status: answer.status, took: performance.now() - start };
    } catch (error) {
      return { error: error.code ?? error.name, took: performance.now() - start };
    }
  }, path);
}

// The same, `count` times at once.
export function callAtOnce(page, count, path = '/api/me') {
  return page.evaluate(
    async (count, path) => {
      const one = () =>
        window.app.session.fetch(path, { cache: 'no-store' }).then(
          (answer) => answer.status,
          (error) => error.code ?? error.name,
        );
      return Promise.all(Array.from({ length: count }, one));
    },
    count,
    path,
  );
}

export const status = (page) => page.evaluate(() => window.app.session.status);

// The app's events of one kind, each with its detail and `t` (epoch ms).
export const events = (page, kind) =>
  page.evaluate((kind) => window.app.events.filter((event) => !kind || event.kind === kind), kind);

// Calls the API every `every` ms from now on, in the page; the outcomes gather in `window.calls` as
// { at (epoch ms, when it was made), done (epoch ms), status or error }.
export function keepCalling(page, every, path = '/api/me') {
  return page.evaluate(
    (every, path) => {
      window.calls = [];
      const one = () => {
        const made = { at: Date.now() };
        window.calls.push(made);
        window.app.session.fetch(path, { cache: 'no-store' }).then(
          (answer) => Object.assign(made, { status: answer.status, done: Date.now() }),
          (error) => Object.assign(made, { error: error.code ?? error.name, done: Date.now() }),
        );
      };
      one();
      window.calling = setInterval(one, every);
    },
    every,
    path,
  );
}

export const calls = (page) => page.evaluate(() => window.calls);

// The refreshes that the proxy saw: { t, reason, status }.
export const refreshes = ({ proxy }) =>
  proxy.requests('/auth/v1/refresh', 'POST').map(({ t, query, status }) => ({ t, reason: query.reason, status }));

// The name of the tab that a record of the proxy's came from.
export const askedBy = ({ headers }) => (headers.referer ? new URL(headers.referer).searchParams.get('tab') : undefined);

// Somebody else, on another device, ends the app's session: resolves with when it was acknowledged
// (epoch ms).
export async function endElsewhere({ proxy }, page) {
  const session = await page.evaluate(() => window.app.session.id);
  const answer = await fetch(`${proxy.url}/demo/end-elsewhere`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ session }),
  });
  if (!answer.ok) throw new Error(`ending the session was answered ${answer.status}`);
  await answer.text();
  return Date.now();
}
