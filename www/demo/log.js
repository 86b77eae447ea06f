// The SDK's own calls as a list, the latest first.

import { element } from './dom.js';
import { duration, reasonInWords, seconds } from './words.js';

const LONGEST = 30;

export class Log {
  element = element('ol', { class: 'log', reversed: '' });

  // `at` is the time of day in words, `result` what came of it; `look` is "good", "bad" or "plain".
  add({ at, kind, took, look, result, age }) {
    const notes = element('span', { class: 'log-words' }, reasonInWords(kind));
    const after = ` ${seconds(age ?? 0)} after the last token.`;
    if (age !== undefined) notes.append(element('span', { class: 'log-age' }, after));
    const entry = element(
      'li',
      { class: `log-entry is-${look}` },
      element('span', { class: 'log-at' }, at),
      element('span', { class: 'chip', 'data-kind': kind }, kind),
      notes,
      element('span', { class: 'log-result' }, `${result} · ${duration(took)}`),
    );
    this.element.prepend(entry);
    while (this.element.children.length > LONGEST) this.element.lastElementChild.remove();
  }

  // What became known of the latest entry a moment later.
  annotate(words) {
    this.element.querySelector('.log-words')?.append(element('strong', null, ` ${words}`));
  }
}
