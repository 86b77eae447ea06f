// The user's sessions, each with a button that ends it.

import { element } from './dom.js';
import { deviceInWords, errorInWords } from './words.js';

const URL_OF_SESSIONS = '/auth/v1/sessions';
const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export class Sessions {
  element = element('div', { class: 'sessions' });
  #onChange;
  #list = element('ul', { class: 'session-list' });
  #problem = element('p', { class: 'problem', role: 'alert', hidden: '' });

  // `onChange` is told in words what happened.
  constructor(onChange) {
    this.#onChange = onChange;
    this.element.append(this.#list, this.#problem);
  }

  async load() {
    const answer = await this.#ask('GET', URL_OF_SESSIONS);
    if (answer) this.#list.replaceChildren(...answer.sessions.map((entry) => this.#row(entry)));
    return answer !== undefined;
  }

  async endOthers() {
    if (!(await this.#ask('DELETE', URL_OF_SESSIONS))) return;
    this.#onChange('All other sessions were ended.');
    await this.load();
  }

  #row({ id, current, created_at, user_agent }) {
    const since = `Signed in ${MOMENT.format(created_at * 1000)}`;
    const words = element(
      'div',
      null,
      element('strong', null, deviceInWords(user_agent)),
      element('span', null, since),
      element('code', { title: 'Session id' }, `${id.slice(0, 8)}…`),
    );
    const row = element('li', { class: 'session' }, words);
    if (current) {
      row.append(element('span', { class: 'chip' }, 'this one'));
      return row;
    }
    const label = `End the session ${id.slice(0, 8)}`;
    const end = element('button', { type: 'button', class: 'small', 'aria-label': label }, 'End');
    end.addEventListener('click', async () => {
      end.disabled = true;
      if (await this.#ask('DELETE', `${URL_OF_SESSIONS}/${id}`)) this.#onChange('The other session was ended.');
      await this.load();
    });
    row.append(end);
    return row;
  }

  // These calls carry the session cookie, not the token; the header is what a form cannot send.
  async #ask(method, url) {
    try {
      const response = await fetch(url, { method, headers: { 'X-Fiftyten': '1' } });
      const body = response.status === 204 ? {} : await response.json();
      if (!response.ok) throw new Error(body.detail ?? body.title ?? `The server answered ${response.status}.`);
      this.#problem.hidden = true;
      return body;
    } catch (error) {
      this.#problem.textContent = errorInWords(error).text;
      this.#problem.hidden = false;
      return undefined;
    }
  }
}
