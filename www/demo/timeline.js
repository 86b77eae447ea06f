// Tokens and the refreshes that brought them, on an axis of time that moves. It knows nothing of
// sessions: it is told what happened, in ms of one monotonic clock, and when to draw.

import { drawing, element, setAttributes } from './dom.js';

// How many lives of a token are shown.
const LIVES_PAST = 3;
const LIVES_AHEAD = 1;
const HEIGHT = 132;
const LANES = [46, 68];
const LANE_HEIGHT = 16;
const FLOOR = 100;
const LABEL_ROOM = 58; // px between the labels of two marks

export class Timeline {
  element;
  #svg = drawing('svg', { height: HEIGHT, 'aria-hidden': 'true' });
  // From the bottom to the top; all but the fixed one move with time.
  #bands = drawing('g');
  #bars = drawing('g');
  #fixed = drawing('g');
  #marks = drawing('g');
  #items = [];
  #lane = 0;
  #width = 0;
  #life = 60_000;
  #origin;
  #drawn; // when it was drawn last

  // `origin`: the moment it is made, on the caller's clock.
  constructor(origin) {
    this.#origin = this.#drawn = origin;
    this.#svg.append(this.#bands, this.#bars, this.#fixed, this.#marks);
    const label = 'Tokens and the refreshes that brought them; the list that follows says the same in words';
    this.element = element('div', { class: 'timeline', role: 'img', 'aria-label': label }, this.#svg);
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(this.element);
  }

  // A moment with a name: a refresh, a sign-in. `look` is "good", "bad" or "plain".
  mark({ at, label, look }) {
    const group = drawing('g', { class: `timeline-mark is-${look}`, 'data-kind': label });
    const sign = look === 'bad'
      ? drawing('path', { d: 'M-4 28 L4 36 M4 28 L-4 36' })
      : drawing('circle', { cx: 0, cy: 32, r: 5 });
    const text = drawing('text', { 'text-anchor': 'middle', y: 18 }, label);
    group.append(drawing('line', { y1: 38, y2: FLOOR }), sign, text);
    this.#marks.append(group);
    this.#add({ from: at, until: at, node: group, text, place: (x) => move(group, x(at)) });
  }

  // A token's life; the one before stays as long as it is good, which is what lets them overlap.
  token({ life, from, renewAt, until }) {
    this.#lane = 1 - this.#lane;
    const y = LANES[this.#lane];
    const main = drawing('rect', { class: 'timeline-main', y, height: LANE_HEIGHT });
    const spare = drawing('rect', { class: 'timeline-spare', y: y + LANE_HEIGHT / 4, height: LANE_HEIGHT / 2 });
    const group = drawing('g', { class: 'timeline-token' }, main, spare);
    this.#bars.append(group);
    this.#setLife(life);
    const item = { from, until, node: group };
    item.place = (x) => {
      span(main, x, from, Math.min(renewAt, item.until));
      span(spare, x, Math.min(renewAt, item.until), item.until);
    };
    this.#add(item);
  }

  // The latest token was dropped before its end.
  cut(at) {
    for (const item of this.#items) {
      if (item.node.classList.contains('timeline-token') && item.until > at) {
        item.until = Math.max(item.from, at);
        this.#place(item);
      }
    }
  }

  // A moment in which much time passed at once.
  gap(at, label) {
    this.cut(at);
    const text = drawing('text', { 'text-anchor': 'end', x: -5, y: FLOOR - 4 }, label);
    const group = drawing('g', { class: 'timeline-gap' }, drawing('line', { y1: 24, y2: FLOOR }), text);
    this.#marks.append(group);
    this.#add({ from: at, until: at, node: group, place: (x) => move(group, x(at)) });
  }

  // Begins a stretch in which refreshing fails; call what it returns with the moment it ends.
  trouble(at) {
    const rect = drawing('rect', { class: 'timeline-trouble', y: 24, height: FLOOR - 24 });
    this.#bands.append(rect);
    const item = { from: at, until: Infinity, node: rect };
    item.place = (x) => span(rect, x, at, Math.min(item.until, this.#drawn));
    this.#add(item);
    return (end) => {
      item.until = end;
      this.#place(item);
    };
  }

  draw(now) {
    if (!this.#width) return;
    this.#drawn = now;
    this.#prune(now - this.#whole);
    for (const item of this.#items) if (item.until === Infinity) this.#place(item);
    const shift = this.#x(this.#origin + this.#past) - this.#x(now);
    for (const group of [this.#bands, this.#bars, this.#marks]) move(group, shift.toFixed(1));
  }

  get #past() {
    return LIVES_PAST * this.#life;
  }

  get #whole() {
    return (LIVES_PAST + LIVES_AHEAD) * this.#life;
  }

  #x = (moment) => ((moment - this.#origin) * this.#width) / this.#whole;

  #add(item) {
    this.#items.push(item);
    this.#place(item);
  }

  #place(item) {
    if (!this.#width) return;
    item.place(this.#x);
    if (!item.text) return;
    // A label that the next one would lie over is left out: the list has all of them.
    item.text.removeAttribute('display');
    const before = this.#items.slice(0, this.#items.indexOf(item)).findLast(({ text }) => text);
    if (before && this.#x(item.from) - this.#x(before.from) < LABEL_ROOM) before.text.setAttribute('display', 'none');
  }

  #prune(oldest) {
    if (!this.#items.some(({ until }) => until < oldest)) return;
    this.#items.filter(({ until }) => until < oldest).forEach(({ node }) => node.remove());
    this.#items = this.#items.filter(({ until }) => until >= oldest);
  }

  // Tokens of another life need another scale.
  #setLife(life) {
    if (life === this.#life) return;
    this.#life = life;
    if (this.#width) this.#layOut();
  }

  #resize(width) {
    if (!width || width === this.#width) return;
    this.#width = width;
    this.#layOut();
  }

  #layOut() {
    const width = this.#width;
    setAttributes(this.#svg, { width, viewBox: `0 0 ${width} ${HEIGHT}` });
    this.#items.forEach((item) => this.#place(item));
    const nowAt = (width * LIVES_PAST) / (LIVES_PAST + LIVES_AHEAD);
    const tick = (at, words, anchor) =>
      drawing('text', { class: 'timeline-tick', x: at, y: FLOOR + 20, 'text-anchor': anchor }, words);
    const lives = (many) => {
      const ms = many * this.#life;
      return this.#life % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
    };
    this.#fixed.replaceChildren(
      drawing('rect', { class: 'timeline-veil', x: nowAt, y: 24, width: width - nowAt, height: FLOOR - 24 }),
      drawing('line', { class: 'timeline-floor', x1: 0, x2: width, y1: FLOOR, y2: FLOOR }),
      drawing('line', { class: 'timeline-now', x1: nowAt, x2: nowAt, y1: 4, y2: FLOOR }),
      tick(6, `${lives(3)} ago`, 'start'),
      ...(width > 420 ? [tick(nowAt / 3, lives(2), 'middle')] : []),
      tick((2 * nowAt) / 3, lives(1), 'middle'),
      tick(nowAt, 'now', 'middle'),
      tick(width - 6, `+${lives(1)}`, 'end'),
    );
  }
}

function span(rect, x, from, until) {
  setAttributes(rect, { x: x(from), width: Math.max(0, x(until) - x(from)) });
}

const move = (group, x) => setAttributes(group, { transform: `translate(${x} 0)` });
