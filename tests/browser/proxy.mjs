// The origin that a page sees: a reverse proxy in front of the server, on a port that stays the same
// whatever happens behind it. It records every request, serves pages of the tests, and injects faults.

import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

import { Faults, madeUp, matcher } from './fault.mjs';
import { fileAnswer } from './files.mjs';
import { sleep, until } from './wait.mjs';

const PAGES = fileURLToPath(new URL('pages', import.meta.url));

const AT_START = '/t/at-start.js';
// Answers with the body of the request.
const ECHO = '/t/echo';

// Recorded of the request's headers, besides all `sec-fetch-*`.
const RECORDED = ['authorization', 'content-type', 'cookie', 'origin', 'referer', 'x-fiftyten', 'x-made'];

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer', 'upgrade'];

export class Proxy {
  // Every request, in the order of arrival: { t, method, path, query, headers, status, duration, fault,
  // error }. `t` is epoch ms; `status` and `duration` (ms) are null until the answer is through, and
  // `status` stays null where the client did not get it whole.
  records = [];
  faults = new Faults();
  // A script that the pages of the tests run before their own, for browsers that can't be told to.
  atStart = '';
  // What a client sees while the server is down: 'cut' is a network error, a number is that status.
  whenDown = 'cut';

  #upstream;
  #server = createServer((request, response) => this.#handle(request, response));
  #folders = [];
  #headers = [];

  // `upstream` is the server's address, and may be set later. `/t/` serves the pages of the tests. To a
  // browser, `localhost` and `127.0.0.1` are different sites, and two ports are two origins of one.
  static async start({ upstream, host = 'localhost' } = {}) {
    const proxy = new Proxy();
    proxy.#upstream = upstream;
    proxy.serve('/t/', PAGES);
    await new Promise((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    proxy.url = `http://${host}:${proxy.#server.address().port}`;
    return proxy;
  }

  set upstream(url) {
    this.#upstream = url;
  }

  // Serves a folder's files below a path that begins and ends with `/`.
  serve(path, folder) {
    this.#folders.unshift({ path, folder });
  }

  // Adds headers to the answers for matching paths, or replaces them; `null` removes one.
  header(pattern, headers) {
    this.#headers.push({ matches: matcher(pattern), headers });
  }

  // See fault.mjs.
  fault(pattern, fault, limits) {
    return this.faults.add(pattern, fault, limits);
  }

  // The records that match, by path (as for faults) and by method.
  requests(pattern = '/*', method) {
    const matches = matcher(pattern);
    return this.records.filter((record) => matches(record) && (!method || record.method === method));
  }

  // Waits until at least `count` matching requests have been answered; resolves with them.
  async answered(pattern, count = 1, { method, timeout } = {}) {
    const find = () => this.requests(pattern, method).filter((record) => record.status !== null);
    await until(() => find().length >= count, { what: `${count} answers for ${pattern}`, timeout });
    return find();
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request, response) {
    const start = performance.now();
    const url = new URL(request.url, 'http://proxy');
    const record = {
      t: Date.now(),
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: recorded(request.headers),
      status: null,
      duration: null,
      fault: null,
      error: null,
    };
    this.records.push(record);
    response.on('close', () => {
      record.duration = Math.round(performance.now() - start);
      if (response.writableFinished) record.status = response.statusCode;
      else record.error ??= 'the answer did not get through';
    });
    // Where a connection was used before and is cut, browsers send the request again by themselves, and
    // the page would never see the error.
    response.shouldKeepAlive = false;
    const fault = this.faults.take(record);
    if (Object.keys(fault).length > 0) record.fault = fault;
    try {
      await this.#answer(request, response, record, fault);
    } catch (error) {
      record.error = error.message;
      if (typeof this.whenDown === 'number' && !response.headersSent) {
        response.writeHead(this.whenDown, { 'content-type': 'text/plain' }).end('the server is down');
      } else {
        cut(response);
      }
    }
    request.resume();
  }

  async #answer(request, response, record, fault) {
    if (fault.delay) await sleep(fault.delay);
    if (fault.hang) return;
    if (fault.cut === 'before') return cut(response);
    const made = (await answerOf(fault, request)) ?? (await echo(request, record)) ?? (await this.#file(record));
    const answer = made ? asAnswer(made) : await this.#passOn(request, response);
    if (fault.answerDelay) await sleep(fault.answerDelay);
    if (fault.cut === 'after') return cut(response);
    const headers = this.#dress(record, answer.headers);
    if (fault.cut === 'middle' || fault.truncated) {
      half(await whole(answer.body), answer.status, headers, response, fault.truncated);
      return;
    }
    response.writeHead(answer.status, headers.flat());
    await pipeline(answer.body, response);
  }

  async #file({ path }) {
    if (path === AT_START) return script(this.atStart);
    const served = this.#folders.find((one) => path.startsWith(one.path));
    if (!served) return undefined;
    const answer = await fileAnswer(served.folder, path.slice(served.path.length));
    return this.atStart && path.startsWith('/t/') ? withScript(answer) : answer;
  }

  async #passOn(request, response) {
    if (!this.#upstream) throw new Error('there is no server behind the proxy');
    const { hostname, port } = new URL(this.#upstream);
    const headers = endToEnd(pairs(request.rawHeaders)).flat();
    // A connection of its own: one that was kept from before a restart would be dead.
    const options = { hostname, port, method: request.method, path: request.url, headers, agent: false };
    const upstream = send(options);
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
    const [answer] = await once(upstream, 'response');
    // The response may be given up while its body is on its way: that is not this process's failure.
    upstream.on('error', () => {});
    return { status: answer.statusCode, headers: pairs(answer.rawHeaders), body: answer };
  }

  // The headers of an answer as the client gets them, as pairs: some may come more than once.
  #dress(record, headers) {
    let all = endToEnd(headers);
    for (const { headers: changed } of this.#headers.filter((one) => one.matches(record))) {
      const names = Object.keys(changed).map((name) => name.toLowerCase());
      all = all.filter(([name]) => !names.includes(name.toLowerCase()));
      all.push(...Object.entries(changed).filter(([, value]) => value !== null));
    }
    return all;
  }
}

// Not before the request is read: closing a connection with something left on it takes the answer along.
async function answerOf(fault, request) {
  const made = madeUp(fault);
  if (made) await whole(request);
  return made;
}

async function echo(request, { path }) {
  if (path !== ECHO) return undefined;
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: await whole(request) };
}

function script(body) {
  return { status: 200, headers: { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-store' }, body };
}

// From a file, as a strict policy of the page's would have it.
function withScript(answer) {
  if (!answer.headers['content-type'].startsWith('text/html')) return answer;
  const body = String(answer.body).replace(/^<!doctype html>/i, `$&<script src="${AT_START}"></script>`);
  return { ...answer, body };
}

function asAnswer({ status, headers, body }) {
  const length = ['content-length', String(Buffer.byteLength(body))];
  return { status, headers: [...Object.entries(headers), length], body: Readable.from([Buffer.from(body)]) };
}

function endToEnd(headers) {
  return headers.filter(([name]) => !HOP_BY_HOP.includes(name.toLowerCase()));
}

function recorded(headers) {
  const kept = Object.entries(headers).filter(([name]) => RECORDED.includes(name) || name.startsWith('sec-fetch-'));
  return Object.fromEntries(kept);
}

function pairs(flat) {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]]] : []));
}

async function whole(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

// The client sees a network error.
function cut(response) {
  response.socket?.destroy();
}

// Half of the body: as if that were all, or with the connection closed where the rest is due.
function half(body, status, headers, response, asIfWhole) {
  const piece = body.subarray(0, Math.floor(body.length / 2));
  const length = asIfWhole ? piece.length : body.length;
  const rest = headers.filter(([name]) => name.toLowerCase() !== 'content-length');
  response.writeHead(status, [...rest, ['content-length', String(length)]].flat());
  if (asIfWhole) response.end(piece);
  else response.write(piece, () => setTimeout(() => cut(response), 20));
}
