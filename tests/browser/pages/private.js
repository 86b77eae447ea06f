// An app whose session stands on no global, and that uses it in every way there is. It logs what it
// is told, as apps do.

import { createSession } from '/npm/fiftyten/index.js';

const session = createSession();
window.log = [];

for (const kind of ['refreshed', 'degraded', 'recovered', 'signedin', 'signedout']) {
  session.addEventListener(kind, (event) => {
    window.log.push(event);
    console.log(kind, event.detail);
  });
}

const ways = [
  () => session.fetch('/api/me'),
  () => session.fetch(new URL('/api/me', location.href), { headers: [['accept', 'application/json']] }),
  () => session.fetch('/api/me', { headers: new Headers({ accept: 'application/json' }) }),
  () => session.fetch(new Request('/api/me', { cache: 'no-store' })),
  () => session.fetch('/api/orders/refund', { method: 'POST', body: new URLSearchParams({ order: 1002 }) }),
];

let token; // for what fetch can't carry

async function work() {
  token = await session.getToken();
  for (const way of ways) await (await way()).json();
  const { status, user, claims, expiresIn } = session;
  window.log.push({ status, user, claims, expiresIn, length: token.length });
  document.querySelector('#status').textContent = `${status}: ${user}`;
  document.body.dataset.rounds = Number(document.body.dataset.rounds ?? 0) + 1;
  setTimeout(work, 100);
}

work();
