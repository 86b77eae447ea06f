// A token's life as a ring: fifty seconds, and ten to spare. It knows nothing of sessions; whoever
// has one calls `show` as often as it should move.

import { drawing, element, setAttributes, setText } from './dom.js';

const CENTRE = { x: 160, y: 132 };
const RADIUS = 92;

export class Ring {
  element;
  #main;
  #spare;
  #hand;
  #renewMark;
  #endMark;
  #zone;
  #number = element('span', { class: 'ring-number' });
  #unit = element('span', { class: 'ring-unit' });
  #note = element('span', { class: 'ring-note' });
  #marks = '';

  constructor() {
    const svg = drawing('svg', { viewBox: '0 0 320 252', 'aria-hidden': 'true' });
    this.#zone = arc('ring-zone');
    this.#main = arc('ring-main');
    this.#spare = arc('ring-spare');
    this.#hand = drawing('circle', { class: 'ring-hand', cx: CENTRE.x, cy: CENTRE.y - RADIUS, r: 11 });
    this.#renewMark = drawing('g', { class: 'ring-mark' });
    this.#endMark = drawing('g', { class: 'ring-mark' });
    svg.append(arc('ring-track'), this.#zone, this.#main, this.#spare, this.#renewMark, this.#endMark, this.#hand);
    const face = element('div', { class: 'ring-face', role: 'timer', 'aria-label': 'Time left of the token' });
    face.append(this.#number, this.#unit, this.#note);
    this.element = element('div', { class: 'ring' }, svg, face);
  }

  // `left` of `life`, and the age at which it is renewed, in ms; `state` is "live", "degraded",
  // "expired" or "none", and `note` a few words about what comes next.
  show({ left = 0, life, renewAt, state, note }) {
    const there = state !== 'none';
    const rest = there ? Math.max(0, Math.min(left, life)) : 0;
    const age = life - rest;
    this.#showMarks(life, renewAt);
    setArc(this.#main, Math.min(age, renewAt), renewAt, life);
    setArc(this.#spare, Math.max(age, renewAt), life, life);
    setAttributes(this.#hand, { transform: `rotate(${(360 * age) / life} ${CENTRE.x} ${CENTRE.y})` });
    this.element.dataset.state = state;
    setText(this.#number, there ? String(Math.ceil(rest / 1000)) : '–');
    setText(this.#unit, there ? (Math.ceil(rest / 1000) === 1 ? 'second left' : 'seconds left') : 'no token');
    setText(this.#note, note);
  }

  #showMarks(life, renewAt) {
    const marks = `${life} ${renewAt}`;
    if (marks === this.#marks) return;
    this.#marks = marks;
    setArc(this.#zone, renewAt, life, life);
    mark(this.#renewMark, renewAt / life, ['renew', `at ${renewAt / 1000} s`]);
    mark(this.#endMark, 1, [`${life / 1000} s`]);
  }
}

function arc(name) {
  const turn = `rotate(-90 ${CENTRE.x} ${CENTRE.y})`;
  return drawing('circle', { class: name, cx: CENTRE.x, cy: CENTRE.y, r: RADIUS, fill: 'none', transform: turn });
}

// The part of the circle between two ages.
function setArc(circle, from, to, life) {
  setAttributes(circle, {
    pathLength: life,
    'stroke-dasharray': `${Math.max(0, to - from)} ${life}`,
    'stroke-dashoffset': -from,
    visibility: to > from ? 'visible' : 'hidden',
  });
}

// A tick across the ring, with its words outside.
function mark(group, turn, lines) {
  const angle = 2 * Math.PI * turn;
  const at = (radius) => ({ x: CENTRE.x + radius * Math.sin(angle), y: CENTRE.y - radius * Math.cos(angle) });
  const [inner, outer, words] = [at(RADIUS - 12), at(RADIUS + 12), at(RADIUS + 20)];
  const side = Math.sin(angle);
  const anchor = side < -0.2 ? 'end' : side > 0.2 ? 'start' : 'middle';
  const text = drawing('text', { 'text-anchor': anchor, x: words.x, y: words.y });
  lines.forEach((line, index) =>
    text.append(drawing('tspan', { x: words.x, dy: index === 0 ? `${-0.6 * (lines.length - 1)}em` : '1.15em' }, line)),
  );
  group.replaceChildren(drawing('line', { x1: inner.x, y1: inner.y, x2: outer.x, y2: outer.y }), text);
}
