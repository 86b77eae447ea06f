// The server's counters since the page was opened: how many API calls it verified, and how often
// anything read the session store.

import { element, setText } from './dom.js';

// In ms: many calls at once are asked about once, and never more often than that.
const PAUSE = 150;
const BREATH = 1_000;

const ROWS = [
  ['verified', 'API calls verified', 'by the token’s signature alone'],
  ['reads', 'Session-store reads', 'by refreshes, sign-in and the list of sessions'],
  ['refreshes', 'of these, refreshes', 'one read each'],
];

export class Counters {
  element = element('dl', { class: 'counters' });
  #rows = new Map();
  #base;
  #shown = {};
  #timer;
  #asked = -Infinity;

  constructor() {
    for (const [name, title, about] of ROWS) {
      const row = {
        number: element('span', { class: 'counter-number' }, '0'),
        more: element('span', { class: 'counter-more' }),
        bar: element('span', { class: 'counter-bar', 'data-name': name, 'aria-hidden': 'true' }),
      };
      this.#rows.set(name, row);
      const value = element('dd', null, row.number, row.more, row.bar);
      this.element.append(element('div', null, element('dt', null, title, element('small', null, about)), value));
    }
  }

  // Something happened that the server counts.
  touch() {
    if (this.#timer !== undefined) return;
    const rested = performance.now() - this.#asked;
    this.#timer = setTimeout(() => this.#ask(), Math.max(PAUSE, BREATH - rested));
  }

  async #ask() {
    this.#asked = performance.now();
    const totals = await fetchTotals();
    this.#timer = undefined;
    if (!totals) return;
    // A server that was started again counts from zero.
    if (!this.#base || totals.reads < this.#base.reads) this.#base = totals;
    const most = Math.max(1, ...Object.keys(totals).map((name) => totals[name] - this.#base[name]));
    for (const [name, { number, more, bar }] of this.#rows) {
      const value = totals[name] - this.#base[name];
      const grown = value - (this.#shown[name] ?? 0);
      setText(number, value.toLocaleString('en'));
      setText(more, `+${Math.max(0, grown)}`);
      bar.style.width = `${(100 * value) / most}%`;
      this.#shown[name] = value;
    }
  }
}

async function fetchTotals() {
  try {
    const { verified, store_reads, refreshes } = await (await fetch('/demo/stats')).json();
    return { verified, reads: store_reads, refreshes: Object.values(refreshes).reduce((sum, many) => sum + many, 0) };
  } catch {
    return undefined; // what the session says about the server is enough
  }
}
