// Waiting, always with a bound.

import { AssertionError } from 'node:assert';

// Something was not there in time, or came too often in a time: what a busy machine can bring about by itself. A
// scenario that ends so is run once more, and the summary tells it; any other failure stands.
export class Late extends Error {
  name = 'Late';
}

// As `assert.ok`, for what depends on how fast the machine is.
export function timely(condition, message) {
  if (!condition) throw new Late(message);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Resolves with the condition's value as soon as it is truthy; rejects after `timeout` ms, naming
// `what` was waited for and the last error or value seen. A condition that throws is tried again: the
// page may just be navigating.
export async function until(condition, { what = String(condition), timeout = 10_000, every = 50 } = {}) {
  const deadline = performance.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await within(Math.max(every, deadline - performance.now()), 'answer', condition());
      if (last) return last;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      last = error;
    }
    if (performance.now() >= deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Late(`waited ${timeout} ms for ${what}; seen last: ${seen}`);
    }
    await sleep(every);
  }
}

// The promise's outcome, or a rejection after `ms` that names `what` was missing.
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Late(`no ${what} within ${Math.round(ms)} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Whether the promise settles within `ms`.
export async function settles(ms, promise) {
  const settled = promise.then(() => true, () => true);
  return Promise.race([settled, sleep(ms).then(() => false)]);
}
