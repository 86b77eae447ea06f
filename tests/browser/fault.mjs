// What the proxy can do to a request instead of simply passing it on. A fault is an object with any
// of these, in the order in which they take effect:
//
//   delay: ms        wait before anything else
//   hang: true       never answer (until the client gives up)
//   cut: 'before'    close the connection; the server never sees the request
//   status, headers, body     answer with these; the server never sees the request
//   garbage: true    200 and a JSON content type, with a body that is anything but
//   answerDelay: ms  pass on, then hold the server's answer back
//   cut: 'after'     pass on, then close the connection without a byte of the server's answer
//   cut: 'middle'    pass on, then send the head and half of the body, and close the connection
//   truncated: true  pass on, then send half of the body as if it were whole

const KEYS = ['delay', 'hang', 'cut', 'status', 'headers', 'body', 'garbage', 'answerDelay', 'truncated'];
const CUTS = ['before', 'after', 'middle'];

const GARBAGE = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x00, 0x3c, 0x68, 0x74, 0x6d, 0x6c, 0x3e, 0x80]);

export class Faults {
  #list = [];

  // Injects `fault` into requests that match: a path, a path's beginning ending in `*`, a RegExp for the
  // path, or a function of the record. `times` bounds how many requests it hits, `forMs` for how long it stays.
  // Of several that match, the one injected last counts.
  add(pattern, fault, { times = Infinity, forMs = Infinity } = {}) {
    const strange = Object.keys(fault).find((key) => !KEYS.includes(key));
    if (strange) throw new TypeError(`a fault has no "${strange}": ${KEYS.join(', ')}`);
    if (fault.cut && !CUTS.includes(fault.cut)) throw new TypeError(`cut is one of ${CUTS.join(', ')}`);
    const entry = { matches: matcher(pattern), fault, times, until: performance.now() + forMs, hits: 0 };
    this.#list.unshift(entry);
    return {
      remove: () => {
        this.#list = this.#list.filter((other) => other !== entry);
      },
      get hits() {
        return entry.hits;
      },
    };
  }

  clear() {
    this.#list = [];
  }

  // The fault for this request, counted as a hit.
  take(record) {
    const now = performance.now();
    const entry = this.#list.find((one) => one.hits < one.times && now < one.until && one.matches(record));
    if (!entry) return {};
    entry.hits += 1;
    return entry.fault;
  }
}

export function matcher(pattern) {
  if (typeof pattern === 'function') return pattern;
  if (pattern instanceof RegExp) return (record) => pattern.test(record.path);
  if (pattern.endsWith('*')) return (record) => record.path.startsWith(pattern.slice(0, -1));
  return (record) => record.path === pattern;
}

// The answer that a fault gives in the server's place, if it gives one.
export function madeUp({ status, headers = {}, body = '', garbage }) {
  if (garbage) return { status: 200, headers: { 'content-type': 'application/json' }, body: GARBAGE };
  if (status === undefined) return undefined;
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const type = isText ? 'text/plain' : 'application/json';
  return { status, headers: { 'content-type': type, ...headers }, body: isText ? body : JSON.stringify(body) };
}
