// What a refresh may be answered: only the server's authoritative word ends a session, and whatever else
// there was, the page recovers by itself when it is over.

import assert from 'node:assert/strict';

import { answers, slowAnswers } from './answers.mjs';
import { call, endElsewhere, events, openSignedIn, refreshes, status } from './app.mjs';
import { Proxy } from './proxy.mjs';
import { scenario } from './scenario.mjs';
import { sleep, until } from './wait.mjs';

const REFRESH = '/auth/v1/refresh';

// A hidden frame would not refresh, and which of several windows is in front is not the subject.
const options = { pollWhileHidden: true };

// Frames of one page, each with a session of its own and a fault of its own; see pages/frames.js. All of
// them use the browser's one cookie.
class Table {
  #world;
  #rows;
  #context;
  #page;
  #faults = new Map();

  constructor(world, rows, context) {
    this.#world = world;
    this.#rows = rows.map((row) => ({ ...row, case: crypto.randomUUID() }));
    this.#context = context;
  }

  async open() {
    const search = new URLSearchParams({
      cases: this.#rows.map((row) => row.case).join(),
      options: JSON.stringify(options),
    });
    this.#page = await this.#world.newPage(`/t/frames.html?${search}`, { context: this.#context });
    await this.#page.evaluate(() => void window.openAll());
    await this.#page.until(() => window.apps !== undefined, { timeout: 60_000 });
  }

  // The faults of all rows begin.
  spoil(limits) {
    for (const row of this.#rows) {
      this.#faults.set(row, { fault: this.#world.proxy.fault((record) => isOf(row, record), row.fault, limits) });
    }
  }

  // The fault of one row ends.
  repair(row) {
    const one = this.#faults.get(row);
    one.at ??= Date.now();
    one.fault.remove();
  }

  // When the row was repaired, if it was (epoch ms).
  isRepaired(row) {
    return this.#faults.get(row).at;
  }

  // Refreshes of a row that began at `since` or later.
  refreshes(row, since = 0) {
    return this.#world.proxy.records.filter((record) => record.t >= since && isOf(row, record));
  }

  // What the app of each row says of itself, in the order of the rows.
  async look() {
    const seen = await this.#page.evaluate(() =>
      [...window.apps].map(([name, { session, events }]) => ({
        case: name,
        status: session.status,
        expiresIn: session.expiresIn,
        events,
      })),
    );
    return this.#rows.map((row) => ({ row, ...seen.find((one) => one.case === row.case) }));
  }

  // What becomes of a call in each row: the status, or the error's code.
  async call() {
    const seen = await this.#page.evaluate(async () => {
      const one = async ([name, { session }]) => [
        name,
        await session.fetch('/api/me', { cache: 'no-store' }).then(
          (answer) => answer.status,
          (error) => error.code ?? error.name,
        ),
      ];
      return Object.fromEntries(await Promise.all([...window.apps].map(one)));
    });
    return this.#rows.map((row) => ({ row, outcome: seen[row.case] }));
  }

  // Waits until all rows are so; resolves with how they are then.
  async until(condition, what, timeout) {
    let seen = [];
    // Every row is asked, for it may want something done.
    const all = async () => (seen = await this.look()).map(condition).every(Boolean);
    try {
      await until(all, { what, timeout, every: 200 });
    } catch (error) {
      const missing = seen.filter((one) => !condition(one));
      throw new Error(`${error.message}\nnot so: ${JSON.stringify(missing, null, 1)}`, { cause: error });
    }
    return seen;
  }
}

const isOf = (row, { path, headers }) =>
  path === REFRESH && new URL(headers.referer ?? 'http://none').searchParams.get('case') === row.case;

const kinds = (seen, kind, since = 0) => seen.events.filter((event) => event.kind === kind && event.t >= since);

// No row is signed out, or ever was.
function assertNoneSignedOut(seen) {
  const out = seen.filter((one) => one.status !== 'signedin' || kinds(one, 'signedout').length > 0);
  assert.deepEqual(out.map(({ row, status }) => `${row.name}: ${status}`), []);
}

// The first event of trouble says what it was.
function assertDegraded({ row, ...seen }, since, reasons) {
  const degraded = kinds(seen, 'degraded', since);
  assert.equal(degraded.length, 1, `${row.name}: degraded once, ${JSON.stringify(degraded)}`);
  const { t, kind, reason, ...detail } = degraded[0];
  assert.deepEqual(detail, row.detail, row.name);
  assert.ok(reasons.includes(reason), `${row.name}: ${reason}`);
}

// The answer comes after its request was seen, and the next request so much later.
function assertGaps(table, row, since = 0) {
  if (!row.least) return;
  const times = table.refreshes(row, since).filter(({ fault }) => fault).map(({ t }) => t);
  const next = table.refreshes(row, times.at(-1)).find(({ fault }) => !fault);
  const gaps = [...times.slice(1), next.t].map((t, place) => t - times[place]);
  for (const gap of gaps) assert.ok(gap >= row.least - 20, `${row.name}: tried again after ${gap} ms`);
}

function report({ t }, table, seen) {
  for (const { row, events } of seen) {
    const { failure, status } = row.detail;
    const spoilt = table.refreshes(row).filter(({ fault }) => fault);
    const trouble = events.find(({ kind }) => kind === 'recovered').t - spoilt[0].t;
    const columns = [
      row.name.padEnd(40),
      (status ? `${failure} ${status}` : failure).padEnd(16),
      `${spoilt.length} failed`.padEnd(10),
      `trouble for ${trouble} ms`,
    ];
    t.diagnostic(columns.join('  '));
  }
}

// A sign-in page at another port, which nobody is to ask for.
async function signInPage(t) {
  const other = await Proxy.start();
  t.after(() => other.stop());
  return other;
}

// Two tables: what keeps connections busy has a browser context, and so connections, of its own. In both
// the demo account is signed in, and no tab is left open. `times` is how often a page that is just loading
// gets such an answer.
async function tables(world, other, wanted = () => true) {
  const all = [];
  for (const [rows, times] of [
    [answers(`${other.url}/t/plain.html`), 2],
    [slowAnswers, 1],
  ]) {
    const context = await world.browser.newContext();
    await (await openSignedIn(world, { context })).close();
    all.push({ table: new Table(world, rows.filter(wanted), context), times });
  }
  return all;
}

function assertNoRedirectFollowed({ proxy }, other) {
  assert.equal(proxy.requests('/t/plain.html').length, 0, 'no redirect was followed');
  assert.equal(other.records.length, 0, 'no redirect to another port was followed');
}

// A token of 6 s that is renewed after 2 leaves a refresh 1.2 s at the least: time enough on a busy machine.
const server = { tokenLifetime: '6s', refreshIn: '2s' };

scenario('no answer but the authoritative one signs a page out, for longer than a token lives', { server, timeout: 180_000 }, async (world) => {
  const other = await signInPage(world.t);
  const all = await tables(world, other);
  for (const { table } of all) await table.open();
  for (const { table } of all) await table.until(({ status }) => status === 'signedin', 'all to be signed in', 15_000);

  const spoilt = Date.now();
  for (const { table } of all) table.spoil();
  await Promise.all(
    all.map(async ({ table }) => {
      // Each row is repaired as soon as its token is dead.
      const isOver = ({ row, expiresIn, ...one }) => {
        const over = expiresIn === 0 || table.isRepaired(row);
        if (over) table.repair(row);
        return one.status === 'signedout' || (over && kinds(one, 'recovered', spoilt).length === 1);
      };
      // The longest back-off there is, a minute, and the refresh after it.
      const seen = await table.until(isOver, 'all to run out, and to recover by themselves', 90_000);
      assertNoneSignedOut(seen);
      for (const { row, outcome } of await table.call()) assert.equal(outcome, 200, row.name);
      for (const { row, ...one } of seen) {
        assertDegraded({ row, ...one }, spoilt, ['timer', 'wake']);
        assert.ok(kinds(one, 'recovered', spoilt)[0].t >= table.isRepaired(row), row.name);
        assert.equal(kinds(one, 'signedin').length, 1, row.name);
        assertGaps(table, row, spoilt);
      }
      report(world, table, seen);
    }),
  );
  assertNoRedirectFollowed(world, other);
});

scenario('no answer but the authoritative one signs a page out that is just loading', { server, timeout: 180_000 }, async (world) => {
  const other = await signInPage(world.t);
  const all = await tables(world, other, () => true);
  await Promise.all(
    all.map(async ({ table, times }) => {
      table.spoil({ times });
      await table.open();
      const isThere = (one) => one.status === 'signedout' || kinds(one, 'recovered').length === 1;
      const seen = await table.until(isThere, 'all to be signed in by themselves', 60_000);
      assertNoneSignedOut(seen);
      for (const { row, ...one } of seen) {
        assertDegraded({ row, ...one }, 0, ['start']);
        assert.equal(kinds(one, 'recovered')[0].failures, times, row.name);
        assert.equal(kinds(one, 'signedin').length, 1, row.name);
        assertGaps(table, row);
      }
      report(world, table, seen);
    }),
  );
  assertNoRedirectFollowed(world, other);
});

// ---- the authoritative answers, each of them from the server itself

// Whether the page has heard of its end, and what it does from then on: nothing.
async function assertSignedOutOnce(world, page, reasons, { session, from = 0 } = {}) {
  const out = async () => (await events(page, 'signedout')).filter(({ t }) => t >= from);
  await until(async () => (await out()).length > 0, { what: 'the page to be signed out', timeout: 20_000, every: 200 });
  assert.equal(await status(page), 'signedout');
  const asked = refreshes(world).length;
  // Longer than a token here takes to be due, and than the first back-offs.
  await sleep(2_500);
  assert.equal(refreshes(world).length, asked, 'no refresh after the end');
  const seen = await out();
  assert.equal(seen.length, 1, 'signed out once');
  assert.ok(reasons.includes(seen[0].reason), seen[0].reason);
  assert.equal(seen[0].session, session);
  assert.equal(await status(page), 'signedout');
  // A call goes out as it would without the package, and the API says what it thinks of that.
  assert.equal((await call(page)).status, 401);
  assert.equal(world.proxy.requests('/api/me').at(-1).headers.authorization, undefined);
  return seen[0];
}

// The page once more, from the start: the same answer, at its first question.
async function assertSignedOutFromTheStart(world, page, reasons) {
  const before = refreshes(world).length;
  await page.reload();
  const from = await page.evaluate(async () => {
    await window.app.session.ready;
    return performance.timeOrigin;
  });
  await assertSignedOutOnce(world, page, reasons, { from });
  assert.deepEqual(refreshes(world).slice(before).map(({ reason, status }) => [reason, status]), [['start', 401]]);
}

const id = (page) => page.evaluate(() => window.app.session.id);
const quick = { tokenLifetime: '3s', refreshIn: '1s' };

scenario('a session that was revoked ends once, with its reason, and the page asks no more', { server: quick }, async (world) => {
  const page = await openSignedIn(world);
  const session = await id(page);
  const from = await endElsewhere(world, page);
  await assertSignedOutOnce(world, page, ['session_revoked'], { session, from });
  await assertSignedOutFromTheStart(world, page, ['session_revoked']);
});

scenario('a session whose user was away for too long ends once, with its reason', { server: { ...quick, idleLifetime: '2s' } }, async (world) => {
  const page = await openSignedIn(world);
  const session = await id(page);
  const from = Date.now();
  await assertSignedOutOnce(world, page, ['session_expired'], { session, from });
  await assertSignedOutFromTheStart(world, page, ['session_expired']);
});

// The cookie's life is the session's: where the browser drops it first, there is nothing left to expire.
scenario('a session that has lived for as long as any may ends once', { server: { ...quick, absoluteLifetime: '3s' } }, async (world) => {
  const page = await openSignedIn(world);
  const session = await id(page);
  const out = await assertSignedOutOnce(world, page, ['session_expired', 'no_session'], { session, from: Date.now() });
  world.t.diagnostic(`its reason: ${out.reason}`);
  await assertSignedOutFromTheStart(world, page, ['session_expired', 'no_session']);
});

scenario('a page whose cookie was deleted is signed out once, with its reason', { server: quick }, async (world) => {
  const context = await world.browser.newContext();
  const page = await openSignedIn(world, { context });
  const session = await id(page);
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name, httpOnly }) => [name, httpOnly]), [['fiftyten', true]]);
  await context.deleteCookie(...cookies);
  await assertSignedOutOnce(world, page, ['no_session'], { session, from: Date.now() });
  await assertSignedOutFromTheStart(world, page, ['no_session']);
});

// Over https the cookie's prefix keeps a script from planting another one of its name.
scenario('a second cookie of the same name confuses the server, and signs nobody out', { server: quick }, async (world) => {
  const page = await openSignedIn(world);
  await page.evaluate(() => (document.cookie = `fiftyten=${'A'.repeat(43)}; path=/auth`));
  await until(async () => (await events(page, 'degraded')).length > 0, { what: 'trouble' });
  const [degraded] = await events(page, 'degraded');
  assert.deepEqual([degraded.failure, degraded.status], ['status', 400]);
  await sleep(3_500);
  assert.equal(await status(page), 'signedin');
  await page.evaluate(() => (document.cookie = 'fiftyten=; path=/auth; max-age=0'));
  await until(async () => (await events(page, 'recovered')).length === 1, { what: 'the page to recover by itself', timeout: 20_000 });
  assert.equal((await call(page)).status, 200);
  assert.equal((await events(page, 'signedout')).length, 1, 'only before it signed in');
});
