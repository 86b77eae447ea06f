// What an application may say; everything has a default.

import { SessionError } from './errors.js';

const DEFAULTS = {
  url: '/auth',
  allowedOrigins: [],
  pollWhileHidden: false,
  requestLimit: 10_000,
  readyLimit: 4_000,
  fetch: undefined,
  wasm: undefined,
};

// The longest limit in ms: an hour. More would be a mistake in the unit.
const LONGEST = 3_600_000;

function refuse(name, wanted, value) {
  const got =
    typeof value === 'number'
      ? value
      : isText(value)
        ? // Without user name and password: errors end up in logs.
          JSON.stringify(`${value}`.replace(/^([^/]*\/\/)?[^/]*@/, '$1').slice(0, 80))
        : Object.prototype.toString.call(value).slice(8, -1);
  throw new SessionError('invalid_option', { about: `${name} must be ${wanted}; it is ${got}` });
}

// The http(s) URL that a text means on this page, or undefined.
function httpUrl(text, base) {
  try {
    const url = new URL(text, base);
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

const isText = (value) => typeof value === 'string' || value instanceof URL;

export function readOptions(options = {}) {
  if (options === null || typeof options !== 'object') refuse('the argument', 'an object of options', options);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      const known = Object.keys(DEFAULTS).join(', ');
      throw new SessionError('invalid_option', { about: `there is no option ${name.slice(0, 80)}; there are ${known}` });
    }
  }
  const read = { ...DEFAULTS };
  for (const name in options) if (options[name] !== undefined) read[name] = options[name];

  // An empty one would be the page's own, file name and all.
  const url = isText(read.url) && /\S/.test(read.url) ? httpUrl(read.url, location.href) : undefined;
  if (!url || url.search || url.hash || url.username || url.password) {
    refuse('url', 'the http(s) URL of the server, with its base path and nothing behind it', read.url);
  }
  if (!Array.isArray(read.allowedOrigins)) refuse('allowedOrigins', 'an array of origins', read.allowedOrigins);
  const origins = read.allowedOrigins.map((entry) => {
    const origin = isText(entry) ? httpUrl(entry) : undefined;
    if (!origin || origin.href !== `${origin.origin}/` || origin.host.includes('*')) {
      refuse('allowedOrigins', 'origins such as "https://api.example.com": scheme, host and port, no wildcards', entry);
    }
    return origin.origin;
  });
  for (const name of ['requestLimit', 'readyLimit']) {
    if (!Number.isInteger(read[name]) || read[name] < 1 || read[name] > LONGEST) {
      refuse(name, `a whole number of milliseconds from 1 to ${LONGEST}`, read[name]);
    }
  }
  if (typeof read.pollWhileHidden !== 'boolean') refuse('pollWhileHidden', 'true or false', read.pollWhileHidden);
  if (read.fetch !== undefined && typeof read.fetch !== 'function') refuse('fetch', 'a function', read.fetch);
  if (read.wasm === null || !['undefined', 'string', 'object'].includes(typeof read.wasm)) {
    refuse('wasm', 'a URL, a Response, bytes, or a WebAssembly.Module', read.wasm);
  }

  return {
    core: {
      url: url.origin + url.pathname.replace(/\/+$/, ''),
      requestLimit: read.requestLimit,
      readyLimit: read.readyLimit,
      pollWhileHidden: read.pollWhileHidden,
    },
    origins: new Set([location.origin, ...origins]),
    fetch: read.fetch,
    wasm: read.wasm,
  };
}
