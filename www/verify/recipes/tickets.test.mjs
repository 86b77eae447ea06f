// TICKETS.md, as it stands there: an app with a sign-in of its own, beside the server.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { code } from './document.mjs';
import { end, freePort, start, temporaryFolder, until } from './process.mjs';
import { Server } from './server.mjs';

const DOCUMENT = new URL('../../TICKETS.md', import.meta.url);

// The app's own users, which the document leaves to the app.
const USERS = `
  const USERS = { ada: { id: 'user|7', roles: ['author'], name: 'Ada', password: 'x' } };
  export async function authenticate(request) {
    let text = '';
    for await (const part of request) text += part;
    const { name, password } = JSON.parse(text);
    return USERS[name]?.password === password ? USERS[name] : undefined;
  }`;

const payload = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

test('an app with a sign-in of its own has sessions in under 30 lines', { timeout: 120_000 }, async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const port = await freePort();
  const ours = [['127.0.0.1:8081', `127.0.0.1:${server.adminPort}`]];
  const app = code('js', 0, ours, DOCUMENT);
  assert.ok(app.split('\n').length + code('js', 1, [], DOCUMENT).split('\n').length < 30);
  const folder = temporaryFolder('tickets');
  writeFileSync(join(folder, 'users.mjs'), USERS);
  // With the calls of the document's end as a route, to try them.
  const admin = code('js', 2, [['user.id', 'body.user'], ['${session}', '${body.session}']], DOCUMENT).split('\n');
  const route = (url, call) => `if (request.url === '${url}') {
      let text = '';
      for await (const part of request) text += part;
      const body = JSON.parse(text);
      ${call}
      return response.writeHead(204).end();
    }`;
  const [before, after] = app.split('    const user = ');
  const routes = `${route('/lock', admin[0])}\n${route('/change', admin[1])}\n`;
  writeFileSync(join(folder, 'app.mjs'), `${before}${routes}    const user = ${after}`);
  const env = { ...process.env, PORT: String(port), ADMIN_CREDENTIAL: await server.credential('admin') };
  const child = start(process.execPath, [join(folder, 'app.mjs')], { env });
  child.stdout.resume();
  t.after(() => end(child));
  const post = (path, body) => fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body) });
  await until('app', async () => (await post('/login', {})).status === 401);

  // What `session.signIn` sends.
  const trade = (body) => server.post('/auth/v1/tickets', body);
  const login = await post('/login', { name: 'ada', password: 'x' });
  assert.equal(login.status, 200);
  const { ticket } = await login.json();
  const opened = await trade({ ticket });
  assert.equal(opened.status, 201);
  const cookie = opened.headers.get('set-cookie').split(';')[0];
  const { token, session } = await opened.json();
  const { sub, roles, name } = payload(token);
  assert.deepEqual({ sub, roles, name }, { sub: 'user|7', roles: ['author'], name: 'Ada' });
  assert.equal((await trade({ ticket })).status, 401, 'once');
  assert.equal((await post('/login', { name: 'ada', password: 'y' })).status, 401);

  const refresh = () => server.post('/auth/v1/refresh?reason=timer', undefined, cookie);
  assert.equal((await post('/change', { session: session.id })).status, 204);
  assert.deepEqual(payload((await (await refresh()).json()).token).roles, ['editor']);
  assert.equal((await post('/lock', { user: 'user|7' })).status, 204);
  const ended = await refresh();
  assert.equal(ended.status, 401);
  assert.equal((await ended.json()).code, 'session_revoked');
});
