// The demo page. What an application would write is small: `createSession`, `session.fetch`, and the
// listeners below; all the rest shows what happens.

import { now, sleep, timeOfDay } from './clock.js'; // first: the SDK reads the clocks that it makes
import { createSession } from '/sdk/index.js';

import { Caller } from './caller.js';
import { CallList } from './calls.js';
import { Counters } from './counters.js';
import { byId, setText } from './dom.js';
import { Log } from './log.js';
import { Revocation } from './revocation.js';
import { Ring } from './ring.js';
import { Sessions } from './sessions.js';
import { ticker } from './ticker.js';
import { Timeline } from './timeline.js';
import { Trace } from './trace.js';
import { announce, banner, currentView, say, show } from './view.js';
import { count, endingInWords, errorInWords, failureInWords, seconds } from './words.js';

// All in ms.
const NIGHT = 300_000;
const NIGHT_SHOWN = 1_200;
const NOTICE_SHOWN = 10_000;

const trace = new Trace();
const session = createSession({ fetch: trace.fetch });

const ring = new Ring();
const timeline = new Timeline(now());
const log = new Log();
const calls = new CallList();
const caller = new Caller(session, trace, calls);
const counters = new Counters();
const sessions = new Sessions(announce);
const revocation = new Revocation(session);
for (const [id, part] of Object.entries({ ring, timeline, log, calls, counters, sessions, revocation })) {
  byId(id).append(part.element);
}

let token = { life: 60_000, renewAt: 50_000 };
let arrived; // the call that has just brought a token
let previous; // the one that brought the token before
let renewing = false;
let trouble; // while refreshing fails: { failure, end }
let notice; // in the banner for a while: { text, look, until }

// ---- what the session tells

session.addEventListener('signedin', () => {
  const { name, email, roles = [], permissions = [] } = session.claims;
  setText(byId('who-name'), name ?? session.user);
  setText(byId('who-email'), email ?? '');
  setText(byId('roles'), roles.join(', ') || 'none');
  setText(byId('permissions'), permissions.join(', ') || 'none');
  setText(byId('user'), `${session.user.slice(0, 12)}…`);
  setText(byId('session'), `${session.id.slice(0, 12)}…`);
  tokenCame();
  show('signedin');
  announce(`Signed in as ${name ?? session.user}.`);
  sessions.load();
});

session.addEventListener('refreshed', ({ detail }) => {
  if (detail.reason === 'tab') handedOver(detail);
  tokenCame();
});

session.addEventListener('degraded', ({ detail }) => {
  const words = failureInWords(detail);
  trouble ??= { words, end: timeline.trouble(now()) };
  setText(byId('loading-text'), `For now ${words}. The page keeps trying.`);
  announce(`Refreshing fails: ${words}.`);
});

session.addEventListener('recovered', ({ detail }) => {
  endTrouble();
  const failed = count(detail.failures, 'failed refresh', 'failed refreshes');
  tell(`The server is back, after ${failed}. You stayed signed in.`, 'good');
});

session.addEventListener('signedout', ({ detail }) => {
  endTrouble();
  previous = undefined;
  timeline.cut(now());
  const seen = currentView() === 'signedin';
  if (seen && detail.reason !== 'signed_out') log.annotate(detail.reason);
  show(seen ? 'ended' : 'signedout');
  byId('end-card').hidden = !seen || revocation.element.hidden;
  setText(byId('ending'), endingInWords(detail.reason));
  setText(byId('ending-code'), detail.reason);
  if (seen) announce(`Signed out. ${endingInWords(detail.reason)}`);
});

session.ready.then(
  () => trouble ?? setText(byId('loading-text'), 'No answer yet. The page keeps trying.'),
  (error) => {
    show('failed');
    setText(byId('failed-text'), errorInWords(error).text);
  },
);

// Another tab of this browser has refreshed for all of them: nothing went over the wire here.
function handedOver({ took }) {
  const at = now() - took;
  log.add({ at: timeOfDay(at), kind: 'tab', took, look: 'good', result: 'handed over', age: previous && at - previous.at });
  timeline.mark({ at, label: 'tab', look: 'good' });
  arrived = { at };
}

function tokenCame() {
  if (!arrived) return;
  const { exp, iat } = session.claims;
  const [life, left] = [(exp - iat) * 1000, session.expiresIn];
  // Where the session does not tell when it renews the token, it is after five sixths.
  const renewIn = session.refreshIn ?? left - life / 6;
  token = { life, renewAt: Math.round((life - left + renewIn) / 1000) * 1000 };
  timeline.token({ life, from: arrived.at, renewAt: now() + renewIn, until: now() + left });
  previous = arrived;
  arrived = undefined;
}

function endTrouble() {
  trouble?.end(now());
  trouble = undefined;
}

// ---- what goes over the wire

trace.addEventListener('begun', () => (renewing = true));

trace.addEventListener('ended', ({ detail: { kind, at, took, status } }) => {
  renewing = false;
  const good = status < 300;
  const look = good ? 'good' : status === 401 && kind === 'start' ? 'plain' : 'bad';
  const age = previous && !kind.startsWith('sign-') ? at - previous.at : undefined;
  log.add({ at: timeOfDay(at), kind, took, look, result: status ?? 'no answer', age });
  timeline.mark({ at, label: kind, look });
  if (good && status !== 204) arrived = { at };
  counters.touch();
});

// ---- what is drawn again and again

ticker(() => {
  timeline.draw(now());
  revocation.draw();
  if (revocation.running) counters.touch();
  if (currentView() === 'signedin') drawToken();
  drawBanner();
});

function drawToken() {
  const left = session.expiresIn ?? 0;
  const untilRenewal = token.renewAt - (token.life - left);
  byId('who').dataset.look = trouble ? 'bad' : 'good';
  setText(byId('who-state'), trouble ? 'Still signed in' : 'Signed in');
  ring.show({ ...token, left, state: stateOfToken(left), note: nextForToken(left, untilRenewal) });
}

function stateOfToken(left) {
  if (session.status !== 'signedin') return 'none';
  if (left === 0) return 'expired';
  return trouble ? 'degraded' : 'live';
}

function nextForToken(left, untilRenewal) {
  if (renewing) return 'renewing …';
  if (left === 0) return 'calls wait for a refresh';
  if (trouble) return 'still good';
  return untilRenewal > 0 ? `renews in ${Math.ceil(untilRenewal / 1000)} s` : 'renewal is due';
}

function drawBanner() {
  if (notice && now() < notice.until) return banner(notice.text, notice.look);
  if (!trouble || currentView() !== 'signedin') return banner();
  const left = session.expiresIn ?? 0;
  const rest = left > 0
    ? `the token is good for another ${seconds(left, 0)}`
    : 'the token has run out, so calls are held back, for 10 s at most';
  return banner(`Refreshing fails: ${trouble.words}. You are still signed in, ${rest}. The SDK keeps trying.`, 'bad');
}

function tell(text, look) {
  notice = { text, look, until: now() + NOTICE_SHOWN };
  announce(text);
}

// ---- what the user does

byId('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector('[type=submit]');
  say('sign-in-problem');
  button.disabled = true;
  try {
    await session.signIn({ email: form.email.value, password: form.password.value });
    form.password.value = '';
  } catch (error) {
    const { code, text } = errorInWords(error);
    say('sign-in-problem', `${text} (${code})`);
    form.password.focus();
  } finally {
    button.disabled = false;
  }
});

byId('sign-out').addEventListener('click', async ({ currentTarget }) => {
  currentTarget.disabled = true;
  try {
    await session.signOut();
  } catch (error) {
    tell(`You are still signed in. ${errorInWords(error).text}`, 'bad');
  } finally {
    currentTarget.disabled = false;
  }
});

async function call(request, many, ...summaries) {
  byId('no-call').hidden = true;
  const text = await caller.call(request, many);
  for (const id of ['summary', ...summaries]) say(id, text);
  announce(text);
  counters.touch();
}

for (const button of document.querySelectorAll('[data-path]')) {
  const { path, method, many = '1' } = button.dataset;
  button.addEventListener('click', () => call({ path, method }, Number(many)));
}

byId('slow').addEventListener('change', ({ currentTarget }) => (trace.slow = currentTarget.checked));

for (const button of document.querySelectorAll('[data-sleep]')) {
  button.addEventListener('click', async () => {
    night(true);
    await new Promise((resolve) => setTimeout(resolve, NIGHT_SHOWN));
    // The calls are made in the same moment: nothing had a chance to notice before.
    sleep(NIGHT);
    timeline.gap(now(), '5 min asleep');
    const done = call({ path: '/api/me' }, Number(button.dataset.sleep), 'sleep-summary');
    drawToken();
    night(false);
    button.focus({ preventScroll: true });
    await done;
  });
}

function night(on) {
  byId('night').hidden = !on;
  for (const part of document.querySelectorAll('body > header, body > main')) part.inert = on;
  if (on) announce('Asleep for 5 minutes.');
}

byId('end').addEventListener('click', async ({ currentTarget }) => {
  currentTarget.disabled = true;
  say('end-problem');
  try {
    announce(await revocation.start());
  } catch (error) {
    say('end-problem', errorInWords(error).text);
  } finally {
    currentTarget.disabled = false;
    counters.touch();
  }
});

byId('load-sessions').addEventListener('click', () => sessions.load());
byId('end-others').addEventListener('click', () => sessions.endOthers());
byId('reload').addEventListener('click', () => location.reload());

counters.touch();
