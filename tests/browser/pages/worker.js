// An app with a session in a dedicated worker. Questions are answered one after the other.

import { createSession } from '/npm/fiftyten/index.js';

const session = createSession();
const events = [];

for (const kind of ['refreshed', 'degraded', 'recovered', 'signedin', 'signedout']) {
  session.addEventListener(kind, ({ detail }) => events.push({ kind, ...detail }));
}

const calls = {
  look: async () => ({ status: session.status, user: session.user, name: session.claims?.name, events }),
  ready: () => session.ready,
  signIn: ({ email, password }) => session.signIn({ email, password }),
  signOut: () => session.signOut(),
  getToken: () => session.getToken(),
  fetch: async ({ path }) => (await session.fetch(path, { cache: 'no-store' })).status,
};

let last = Promise.resolve();

addEventListener('message', ({ data }) => {
  last = last.then(async () => {
    const answer = await calls[data.call](data).catch((error) => ({ error: error.code ?? error.name, message: error.message }));
    postMessage(answer);
  });
});
