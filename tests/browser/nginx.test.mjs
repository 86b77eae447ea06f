// Behind nginx, as the README says: its very block, but for the names of files and ports.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { end, own, temporaryFolder } from './cleanup.mjs';
import { scenario } from './scenario.mjs';
import { Server, freePort } from './server.mjs';
import { unpackedTarball } from './tarball.mjs';
import { until } from './wait.mjs';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const PAGES = fileURLToPath(new URL('pages', import.meta.url));

// The block between ```nginx and ```, with each of these replaced; every one of them must be in it.
function nginxBlock(replacements) {
  let block = readFileSync(README, 'utf8').match(/```nginx\n([^]*?)```/)[1];
  for (const [from, to] of Object.entries(replacements)) {
    assert.ok(block.includes(from), `the README's block says "${from}"`);
    block = block.replaceAll(from, to);
  }
  return block;
}

async function startNginx(folder, block) {
  const conf = `
    daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
    events {}
    http {
      types { text/html html; text/javascript js; application/wasm wasm; }
      access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      ${block}
    }`;
  writeFileSync(`${folder}/nginx.conf`, conf);
  const nginx = own(spawn('nginx', ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', `${folder}/error.log`]));
  nginx.once('error', () => {});
  return nginx;
}

const opens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.end());
  });

scenario(
  'behind nginx, over https, as the README says',
  { switches: ['--ignore-certificate-errors', '--host-resolver-rules=MAP app.example 127.0.0.1'] },
  async ({ newPage, browser, t }) => {
    const port = await freePort();
    const origin = `https://app.example:${port}`;
    const server = await Server.start({ publicUrl: origin, trustedProxy: '127.0.0.1/32' });
    t.after(() => server.remove());

    const folder = temporaryFolder('nginx');
    const app = `${folder}/app`;
    mkdirSync(`${app}/npm`, { recursive: true });
    cpSync(PAGES, app, { recursive: true });
    cpSync(unpackedTarball(), `${app}/npm/fiftyten`, { recursive: true });
    // nginx reads them as another user.
    for (const own of [folder, `${app}/npm/fiftyten`]) chmodSync(own, 0o755);
    const subject = ['-subj', '/CN=app.example', '-nodes', '-days', '1', '-newkey', 'rsa:2048'];
    execFileSync('openssl', ['req', '-x509', ...subject, '-keyout', `${folder}/key`, '-out', `${folder}/pem`], { stdio: 'ignore' });
    const nginx = await startNginx(
      folder,
      nginxBlock({
        'listen 443': `listen 127.0.0.1:${port}`,
        '/etc/ssl/app.example.pem': `${folder}/pem`,
        '/etc/ssl/app.example.key': `${folder}/key`,
        'http://127.0.0.1:8080': server.address,
        '/srv/app': app,
      }),
    );
    t.after(() => end(nginx));
    await until(() => opens(port), { what: 'nginx to listen' });

    const page = await browser.newPage(`${origin}/session.html`);
    await page.until(() => window.app !== undefined);
    const seen = await page.evaluate(async (email, password) => {
      const { session } = window.app;
      await session.ready;
      const before = session.status;
      await session.signIn({ email, password });
      return { before, after: session.status, cookie: document.cookie, issuer: session.claims.iss };
    }, server.email, server.password);
    assert.deepEqual(seen, { before: 'signedout', after: 'signedin', cookie: '', issuer: `${origin}/auth` });

    const hsts = (path) => fetch(path).then(({ headers }) => headers.get('strict-transport-security'));
    for (const path of ['/session.html', '/auth/.well-known/jwks.json', '/auth/nothing']) {
      assert.match(await page.evaluate(hsts, path), /^max-age=\d{8,}/, path);
    }

    await page.reload();
    await page.until(() => window.app?.session.status === 'signedin');
    const cookies = await page.cookies();
    assert.equal(cookies.length, 1);
    const [{ name, httpOnly, secure, sameSite, path }] = cookies;
    assert.deepEqual({ name, httpOnly, secure, sameSite, path }, {
      name: '__Host-Http-fiftyten',
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      path: '/',
    });
    // The server sees the user's address, not nginx's: its limits depend on it, and it would say so.
    assert.ok(!server.log.some((line) => /X-Forwarded-For/i.test(line)), server.log.join('\n'));
  },
);

test('a proxy that the server was not told of is warned about, once', { timeout: 60_000 }, async (t) => {
  const server = await Server.start();
  t.after(() => server.remove());
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const answer = await fetch(`${server.address}/auth/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-fiftyten': '1', origin: new URL(server.url).origin, 'x-forwarded-for': '192.0.2.1' },
      body: JSON.stringify({ email: server.email, password: 'wrong' }),
    });
    assert.equal(answer.status, 401);
  }
  const warnings = () => server.log.filter((line) => /X-Forwarded-For.*trusted_proxy/.test(line));
  await until(() => warnings().length > 0, { what: 'a warning' });
  assert.equal(warnings().length, 1, server.log.join('\n'));
});
