// An app as small as can be. What it keeps on the window is for the tests; the package keeps nothing
// there.

import { createSession, SessionError } from '/npm/fiftyten/index.js';

const search = new URLSearchParams(location.search);
const options = JSON.parse(search.get('options') ?? '{}');
// Not told of the other tabs, and not telling them.
if (search.has('alone')) delete globalThis.BroadcastChannel;
const events = [];

// When the browser was given a call, for the proxy's records. What the package calls is this.
if (search.has('noteMade')) {
  const native = window.fetch;
  window.fetch = (input, init) => {
    const request = new Request(input, init);
    if (request.headers.has('authorization')) request.headers.set('x-made', Date.now());
    return native(request);
  };
}

try {
  const session = createSession(options);
  for (const kind of ['refreshed', 'degraded', 'recovered', 'signedin', 'signedout']) {
    session.addEventListener(kind, ({ detail }) => {
      events.push({ t: Date.now(), kind, ...detail });
      document.querySelector('#status').textContent = session.status;
    });
  }
  window.app = { session, events, SessionError };
} catch (error) {
  window.app = { error: { name: error.name, code: error.code, message: error.message } };
}
