// The refresh server, with one user.

import { join } from 'node:path';

import { end, freePort, output, run, start, temporaryFolder, until } from './process.mjs';

const PROGRAM = process.env.FIFTYTEN_SERVER_BIN ?? new URL('../../../target/debug/fiftyten-server', import.meta.url).pathname;
const [EMAIL, PASSWORD] = ['ada@example.com', 'correct horse battery staple'];

export class Server {
  origin;
  adminPort;
  #child;
  #add;

  static async start() {
    const server = new Server();
    const [port, adminPort] = [await freePort(), await freePort()];
    const folder = temporaryFolder('recipe-server');
    const place = ['--database', join(folder, 'sessions.db')];
    // Settings of this shell's must not become the server's.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FIFTYTEN_')));
    await run(PROGRAM, ['user', 'add', ...place, EMAIL], { input: `${PASSWORD}\n`, env, cwd: folder });
    server.#add = (scope) => output(PROGRAM, ['credential', 'add', ...place, '--scope', scope], { env, cwd: folder });
    server.origin = `http://localhost:${port}`;
    server.adminPort = adminPort;
    const flags = ['--listen', `127.0.0.1:${port}`, '--admin-listen', `127.0.0.1:${adminPort}`, '--log', 'error'];
    server.#child = start(PROGRAM, ['serve', ...place, ...flags], { env, cwd: folder });
    server.#child.stdout.resume();
    await until('server', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    return server;
  }

  stop() {
    return end(this.#child);
  }

  // A credential for the admin listener.
  async credential(scope) {
    return (await this.#add(scope)).trim();
  }

  // A call as a page makes it.
  post(path, body, cookie = '') {
    const headers = { 'content-type': 'application/json', 'x-fiftyten': '1', origin: this.origin, cookie };
    return fetch(`${this.origin}${path}`, { method: 'POST', headers, body: body && JSON.stringify(body) });
  }

  // The body of a refresh: a token, and whose.
  async signIn() {
    const response = await this.post('/auth/v1/sessions', { email: EMAIL, password: PASSWORD });
    if (response.status !== 201) throw new Error(`signing in answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
