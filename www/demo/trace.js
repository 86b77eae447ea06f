// Watches what goes over the wire. The SDK is given `trace.fetch` for the browser's own: it sees
// when each request leaves, which is the end of its being held back, and changes nothing but, on
// request, the speed. It looks at URLs and statuses, never at headers or bodies.

import { now } from './clock.js';

const SLOW = 800; // ms

// "begun" and "ended" tell of the SDK's own calls, "sent" of an API call with a number.
export class Trace extends EventTarget {
  slow = false;
  #fetch = globalThis.fetch.bind(globalThis);

  fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    const call = ownCall(url, init?.method);
    const record = call && { ...call, at: now(), took: undefined, status: undefined };
    const number = Number(url.searchParams.get('call'));
    if (record) this.#tell('begun', record);
    if (number) this.#tell('sent', { number, at: now() });
    try {
      if (this.slow) await new Promise((resolve) => setTimeout(resolve, SLOW));
      const response = await this.#fetch(input, init);
      if (record) record.status = response.status;
      return response;
    } finally {
      if (record) {
        record.took = now() - record.at;
        this.#tell('ended', record);
      }
    }
  };

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// What the SDK calls by itself: the reason of a refresh stands in its URL.
function ownCall(url, method) {
  if (url.pathname.endsWith('/v1/refresh')) return { kind: url.searchParams.get('reason') ?? 'timer' };
  if (url.pathname.endsWith('/v1/sessions') && method === 'POST') return { kind: 'sign-in' };
  if (url.pathname.endsWith('/v1/session') && method === 'DELETE') return { kind: 'sign-out' };
  return undefined;
}
