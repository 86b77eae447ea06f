// Strikes the tab that refreshes for all, in the midst of it.

import assert from 'node:assert/strict';

import { askedBy } from './app.mjs';
import { until } from './wait.mjs';

export const REFRESH = '/auth/v1/refresh';

// When another tab has refreshed at the latest, in ms from the refresh that was struck on: its stagger, its being
// later where it is hidden, its wait for the lock, and that for the second one; each timer of a hidden tab may be
// late by a second.
export const longestDelay = (slack) => (0.1 + 0.2 + 0.3 + 0.1) * slack + 3_000;

// How a tab can be struck: `blow`, and where it survives that, what brings it `back`.
export const BLOWS = {
  crashed: { blow: (page) => page.crash() },
  closed: { blow: (page) => page.close() },
  frozen: { blow: (page) => page.freeze(), back: (page) => page.resume() },
  stopped: { blow: (page) => page.stopRenderer(), back: (page) => page.continueRenderer() },
  'taken off the network': { blow: (page) => page.offline(true), back: (page) => page.offline(false) },
};

// Of `pages`, by the names of their tabs, strikes the one that refreshes next while it waits for the answer;
// resolves with its name, its page, and the proxy's record of the refresh.
export async function strike({ proxy }, pages, { blow }) {
  const from = Date.now();
  // Answered late, and to nobody else: the others' refreshes go through.
  const theirs = (record) => record.path === REFRESH && pages.has(askedBy(record));
  proxy.fault(theirs, { answerDelay: 30_000 }, { times: 1 });
  const held = () => proxy.requests(theirs).findLast(({ t, fault, duration }) => t >= from && fault && duration === null);
  const record = await until(held, { what: 'a refresh to be held', timeout: 16_000, every: 5 });
  const tab = askedBy(record);
  const page = pages.get(tab);
  await blow(page);
  assert.equal(record.status, null, 'it was struck in the midst of it');
  return { tab, page, record };
}
