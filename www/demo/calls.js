// API calls as a list, the latest first: what was answered, how long each was held back, and how
// long the network took. It knows nothing of sessions: it is given records and told when they change.
//
// A record: { number, method, path, at, waited, sentAt, endedAt, status, code, text }, moments in ms;
// `waited` says whether it was held back at all.

import { element, setText } from './dom.js';
import { duration } from './words.js';

const LONGEST = 60;
const SHORTEST_SCALE = 20; // ms

export class CallList {
  element = element('ol', { class: 'calls', reversed: '' });
  #rows = new Map();

  add(record) {
    const part = (name, attributes) => element('span', { class: `call-${name}`, ...attributes });
    const row = {
      record,
      node: element('li', { class: 'call' }),
      number: part('number'),
      path: part('path'),
      status: part('status'),
      held: part('held'),
      net: part('net'),
      bar: part('bar', { 'aria-hidden': 'true' }),
      heldBar: part('held-bar'),
      netBar: part('net-bar'),
      text: part('text'),
    };
    setText(row.number, `#${record.number}`);
    setText(row.path, `${record.method} ${record.path}`);
    row.bar.append(row.heldBar, row.netBar);
    row.node.append(row.number, row.path, row.status, row.held, row.net, row.bar, row.text);
    this.#rows.set(record.number, row);
    this.element.prepend(row.node);
    for (const [number, { node }] of this.#rows) {
      if (this.#rows.size <= LONGEST) break;
      node.remove();
      this.#rows.delete(number);
    }
    this.update(record);
  }

  update(record) {
    const row = this.#rows.get(record.number);
    if (!row) return;
    const { held, net } = times(record);
    const look = stateOf(record);
    row.node.dataset.state = look;
    setText(row.status, STATES[look] ?? String(record.status ?? record.code));
    fill(row.held, 'held back', held && duration(held));
    fill(row.net, 'network', net && duration(net));
    setText(row.text, record.text ?? '');
    this.#scale();
  }

  // Bars are to scale within what is shown.
  #scale() {
    let longest = SHORTEST_SCALE;
    for (const { record } of this.#rows.values()) {
      const { held = 0, net = 0 } = times(record);
      longest = Math.max(longest, held + net);
    }
    for (const { record, heldBar, netBar } of this.#rows.values()) {
      const { held = 0, net = 0 } = times(record);
      heldBar.style.width = `${(100 * held) / longest}%`;
      netBar.style.width = `${(100 * net) / longest}%`;
    }
  }
}

const STATES = { held: 'waiting', sent: 'sent' };

function stateOf({ waited, sentAt, endedAt, status }) {
  if (endedAt === undefined) return waited && sentAt === undefined ? 'held' : 'sent';
  if (status === undefined) return 'failed';
  return status < 400 ? 'good' : 'refused';
}

// The legend says by colour what is what; here it is said again for those who hear it.
function fill(node, about, words) {
  node.replaceChildren(...(words ? [element('span', { class: 'unseen' }, `${about} `), words] : []));
}

// How long it was held back and on the network. One that failed before it left was held back all
// the time.
export function times({ at, waited, sentAt, endedAt }) {
  const left = sentAt ?? endedAt;
  return {
    held: waited && left !== undefined ? left - at : 0,
    net: sentAt === undefined || endedAt === undefined ? undefined : endedAt - sentAt,
  };
}
