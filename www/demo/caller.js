// Makes the API calls of the demo through the session, and measures them. Each has a number, which
// stands in its URL too, so that it can be found in the network tab.

import { now } from './clock.js';
import { times } from './calls.js';
import { count, duration, errorInWords } from './words.js';

export class Caller {
  #session;
  #list;
  #last = 0;
  #open = new Map();
  #refreshes = [];

  constructor(session, trace, list) {
    this.#session = session;
    this.#list = list;
    trace.addEventListener('sent', ({ detail }) => this.#sent(detail));
    trace.addEventListener('begun', ({ detail }) => {
      if (!detail.kind.startsWith('sign-')) this.#refreshes.push(detail);
    });
  }

  // Makes `times` calls in the same moment; resolves with a sentence about them.
  async call({ method = 'GET', path }, many = 1) {
    const began = now();
    const calls = await Promise.all(Array.from({ length: many }, () => this.#one(method, path)));
    const refreshes = this.#refreshes.filter(({ at }) => at >= began);
    this.#refreshes.length = 0;
    return summary(calls, refreshes);
  }

  async #one(method, path) {
    const record = { number: (this.#last += 1), method, path, at: now() };
    this.#open.set(record.number, record);
    const answer = this.#session.fetch(`${path}?call=${record.number}`, { method });
    // Where it does not have to wait, it has left by now.
    record.waited = record.sentAt === undefined;
    this.#list.add(record);
    try {
      const response = await answer;
      const body = await response.json().catch(() => ({}));
      record.status = response.status;
      record.text = describe(response, body);
    } catch (error) {
      Object.assign(record, errorInWords(error));
    }
    record.endedAt = now();
    this.#open.delete(record.number);
    this.#list.update(record);
    return record;
  }

  #sent({ number, at }) {
    const record = this.#open.get(number);
    if (!record) return;
    // The second time is the replay after a 401.
    record.sentAt ??= at;
    this.#list.update(record);
  }
}

function describe(response, body) {
  if (!response.ok) return body.detail ?? response.statusText;
  if (body.verified_in_us !== undefined) {
    return `${body.name ?? body.user}; token verified in ${Math.round(body.verified_in_us)} µs`;
  }
  if (body.orders) return count(body.orders.length, 'order');
  if (body.refunded) return `order ${body.refunded} refunded`;
  return '';
}

function summary(calls, refreshes) {
  const outcomes = new Map();
  for (const { status, code } of calls) outcomes.set(status ?? code, (outcomes.get(status ?? code) ?? 0) + 1);
  const answers = [...outcomes].map(([outcome, many]) => `${many} × ${outcome}`).join(', ');
  const made = refreshes.map(({ kind }) => kind).join(', ');
  const parts = [
    `${count(calls.length, 'call')}: ${answers}.`,
    made ? `${count(refreshes.length, 'refresh', 'refreshes')} (${made}).` : 'No refresh was needed.',
  ];
  const held = calls.filter(({ waited }) => waited);
  if (held.length === 0) return [...parts, 'None had to wait.'].join(' ');
  const longest = Math.max(...held.map((call) => times(call).held));
  parts.push(`${held.length === calls.length ? 'Held' : `${held.length} held`} back for ${duration(longest)} at most.`);
  const answered = Math.min(...refreshes.filter(({ status }) => status === 200).map(({ at, took }) => at + took));
  if (Number.isFinite(answered) && held.every(({ sentAt }) => sentAt === undefined || sentAt >= answered)) {
    parts.push('None left before the refresh was answered.');
  }
  return parts.join(' ');
}
