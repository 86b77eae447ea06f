// The real server with its demo page and account, as a process of its own.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { end, own, removeFolder, temporaryFolder } from './cleanup.mjs';
import { unpackedTarball } from './tarball.mjs';
import { until } from './wait.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const PROGRAM = process.env.FIFTYTEN_DEMO_BIN ?? `${ROOT}target/debug/examples/demo`;

export class Server {
  // What it wrote, line by line, over all its starts.
  log = [];
  // As it printed them when it was ready.
  url;
  email;
  password;

  #child;
  #port;
  #data = temporaryFolder('data');
  #options;

  // Every option becomes a flag: { publicUrl, tokenLifetime: '12s' } are `--public-url …` and
  // `--token-lifetime 12s`.
  static async start(options = {}) {
    if (!existsSync(PROGRAM)) {
      throw new Error(`${PROGRAM} is not built: cargo build -p fiftyten-server --example demo`);
    }
    const server = new Server();
    server.#options = options;
    server.#port = await freePort();
    await server.#run();
    return server;
  }

  // Where it listens; `url` may be the address of a proxy in front of it.
  get address() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid() {
    return this.#child.pid;
  }

  // Ends it as an operator would; the data stays.
  async stop() {
    await end(this.#child);
  }

  // Ends it as a power failure would.
  async kill() {
    await end(this.#child, { signal: 'SIGKILL' });
  }

  // Starts it again, on the same port and data.
  async restart() {
    await this.stop();
    await this.#run();
  }

  // Ends it and forgets its data.
  async remove() {
    await this.stop();
    await removeFolder(this.#data);
  }

  async #run() {
    // Settings of this shell's must not become the server's.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FIFTYTEN_')));
    const child = own(spawn(PROGRAM, this.#flags(), { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] }));
    this.#child = child;
    const from = this.log.length;
    child.once('error', (error) => this.log.push(error.message));
    for (const stream of [child.stdout, child.stderr]) lines(stream, (line) => this.log.push(line));

    const printed = (name) =>
      this.log.slice(from).map((line) => line.match(new RegExp(`^${name}:\\s*(\\S+)`))?.[1]).find(Boolean);
    const ready = () => child.exitCode !== null || child.signalCode !== null || printed('Password');
    await until(ready, { what: 'the server to be ready', timeout: 30_000 });
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended (${child.exitCode ?? child.signalCode}):\n${this.log.slice(from).join('\n')}`);
    }
    [this.url, this.email, this.password] = ['URL', 'Email', 'Password'].map(printed);
  }

  #flags() {
    const fixed = {
      listen: `127.0.0.1:${this.#port}`,
      data: this.#data,
      page: `${ROOT}www/demo`,
      sdk: unpackedTarball(),
    };
    return Object.entries({ ...fixed, ...this.#options }).flatMap(([name, value]) => {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      if (value === false || value === undefined) return [];
      return value === true ? [flag] : [flag, String(value)];
    });
  }
}

function lines(stream, add) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (piece) => {
    const all = (rest + piece).split('\n');
    rest = all.pop();
    all.forEach(add);
  });
  stream.on('end', () => rest && add(rest));
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
