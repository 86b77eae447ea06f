// The refresh server, with one user.

import { join } from 'node:path';

import { end, freePort, run, start, temporaryFolder, until } from './process.mjs';

const PROGRAM = process.env.FIFTYTEN_SERVER_BIN ?? new URL('../../../target/debug/fiftyten-server', import.meta.url).pathname;
const [EMAIL, PASSWORD] = ['ada@example.com', 'correct horse battery staple'];

export class Server {
  origin;
  #child;

  static async start() {
    const server = new Server();
    const port = await freePort();
    const folder = temporaryFolder('recipe-server');
    const place = ['--database', join(folder, 'sessions.db')];
    // Settings of this shell's must not become the server's.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FIFTYTEN_')));
    await run(PROGRAM, ['user', 'add', ...place, EMAIL], { input: `${PASSWORD}\n`, env, cwd: folder });
    server.origin = `http://localhost:${port}`;
    const flags = ['--listen', `127.0.0.1:${port}`, '--log', 'error'];
    server.#child = start(PROGRAM, ['serve', ...place, ...flags], { env, cwd: folder });
    server.#child.stdout.resume();
    await until('server', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    return server;
  }

  stop() {
    return end(this.#child);
  }

  // The body of a refresh: a token, and whose.
  async signIn() {
    const response = await fetch(`${this.origin}/auth/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-fiftyten': '1', origin: this.origin },
      body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
    });
    if (response.status !== 201) throw new Error(`signing in answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
