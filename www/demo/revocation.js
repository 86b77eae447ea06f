// Ends this session as somebody on another device would, and watches how long its tokens are still
// accepted: the one this page has, and a copy such as a thief might have made.

import { now } from './clock.js';
import { element, setText } from './dom.js';
import { endingInWords, seconds } from './words.js';

const EVERY = 250; // ms
const PATIENCE = 10_000; // ms beyond the token's life, for a server that cannot be reached

export class Revocation {
  element = element('div', { class: 'revocation', hidden: '' });
  running = false;
  #session;
  #left = element('span', { class: 'revocation-left' });
  #words = element('span');
  #page = row('This page');
  #copy = row('A copy of its token');
  #scale = element('p', { class: 'holder-scale', 'aria-hidden': 'true' });
  #run;

  constructor(session) {
    this.#session = session;
    const clock = element('p', { class: 'revocation-clock' }, this.#left, this.#words);
    this.element.append(clock, this.#page.element, this.#copy.element, this.#scale);
    session.addEventListener('signedout', ({ detail }) => this.#signedOut(detail.reason));
  }

  // Resolves with a sentence about how it went; rejects if the session could not be ended.
  async start() {
    if (this.running) return undefined;
    this.running = true;
    try {
      const { exp, iat } = this.#session.claims;
      // The only place where this page holds a token: it forgets it when it has been refused.
      const copy = await this.#session.getToken();
      await end(this.#session.id);
      const [page, other] = [{ accepted: 0 }, { accepted: 0 }];
      this.#run = { at: now(), limit: (exp - iat) * 1000, copy, page, other };
      const ends = ['acknowledged', seconds(this.#run.limit, 0)];
      this.#scale.replaceChildren(...ends.map((words) => element('span', null, words)));
      this.element.hidden = false;
      this.draw();
      await Promise.all([this.#watchPage(this.#run), this.#watchCopy(this.#run)]);
      this.#run.conclusion = conclude(this.#run);
      this.draw();
      return this.#run.conclusion;
    } finally {
      this.running = false;
    }
  }

  draw() {
    const run = this.#run;
    if (!run) return;
    this.#page.show(run.page, run.limit);
    this.#copy.show(run.other, run.limit);
    this.#left.hidden = run.conclusion !== undefined;
    setText(this.#left, seconds(Math.max(0, run.at + run.limit - now())));
    setText(this.#words, run.conclusion ?? 'at most, then none of its tokens is accepted any more');
  }

  async #watchPage(run) {
    await this.#repeat(run, async () => {
      if (run.page.end) return true;
      const response = await this.#session.fetch('/api/me?watch=page');
      if (response.ok) note(run, run.page);
      return run.page.end !== undefined;
    });
  }

  async #watchCopy(run) {
    await this.#repeat(run, async () => {
      const response = await fetch('/api/me?watch=copy', { headers: { authorization: `Bearer ${run.copy}` } });
      if (response.ok) note(run, run.other);
      if (response.status !== 401) return false;
      run.other.end = { at: now() - run.at, words: 'refused: 401' };
      return true;
    });
    run.copy = undefined;
  }

  // Calls one after the other, a few a second, until one says that it was the last.
  async #repeat(run, attempt) {
    while (now() - run.at < run.limit + PATIENCE) {
      const next = new Promise((resolve) => setTimeout(resolve, EVERY));
      // A server that cannot be reached has not accepted anything.
      if (await attempt().catch(() => false)) return;
      await next;
    }
  }

  #signedOut(reason) {
    const run = this.#run;
    if (run) run.page.end ??= { at: now() - run.at, words: `signed out: ${reason}`, reason };
  }
}

function conclude({ page, other, limit }) {
  const { reason, at } = page.end ?? {};
  const told = reason === 'session_revoked'
    ? `${endingInWords(reason)} This page learned it from its next refresh, ${seconds(at)} after the acknowledgement.`
    : 'This page did not ask for another token.';
  const last = Math.max(page.last ?? 0, other.last ?? 0);
  const kept = last < limit ? 'within' : 'later than';
  return `${told} The last call was accepted after ${seconds(last)}, ${kept} the ${seconds(limit, 0)} promised.`;
}

function note(run, state) {
  state.accepted += 1;
  state.last = now() - run.at;
}

// Somebody else's right: the demo's server does it without asking for this page's session.
async function end(session) {
  const response = await fetch('/demo/end-elsewhere', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ session }),
  });
  if (!response.ok) throw new Error(`The server answered ${response.status}: the session was not ended.`);
}

// One holder of a token: how many of its calls were accepted, and until when.
function row(name) {
  const words = element('span', { class: 'holder-words' });
  const accepted = element('span', { class: 'holder-accepted' });
  const stop = element('span', { class: 'holder-stop' });
  const bar = element('span', { class: 'holder-bar', 'aria-hidden': 'true' }, accepted, stop);
  return {
    element: element('div', { class: 'holder' }, element('strong', null, name), words, bar),
    show({ accepted: many, last = 0, end }, limit) {
      const share = (ms) => `${Math.min(100, (100 * ms) / limit)}%`;
      const until = end ? `then ${end.words} after ${seconds(end.at)}` : `the last after ${seconds(last)}`;
      setText(words, `${many} calls accepted, ${until}`);
      accepted.style.width = share(last);
      stop.hidden = !end;
      if (end) stop.style.insetInlineStart = share(end.at);
    },
  };
}
