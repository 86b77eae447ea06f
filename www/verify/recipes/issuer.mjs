// An issuer that signs anything, with tokens in the form of the refresh server's.

import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export class Issuer {
  // How often its keys were asked for.
  fetches = 0;
  origin;

  #key = generateKeyPairSync('ed25519');
  #other = generateKeyPairSync('ed25519');
  #server;

  static async start() {
    const issuer = new Issuer();
    issuer.#server = createServer((request, response) => {
      if (request.url !== '/auth/.well-known/jwks.json') return void response.writeHead(404).end();
      issuer.fetches += 1;
      const { x } = issuer.#key.publicKey.export({ format: 'jwk' });
      const keys = [
        { kty: 'RSA', kid: 'rsa', use: 'sig', alg: 'RS256', n: base64url('n'.repeat(256)), e: 'AQAB' },
        { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA', kid: 'key-1', x },
      ];
      response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await once(issuer.#server, 'listening');
    issuer.origin = `http://127.0.0.1:${issuer.#server.address().port}`;
    return issuer;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  // A good token but for what is said: members of the header and the payload, `undefined` to leave one out.
  token({ header, payload, key = this.#key.privateKey } = {}) {
    const signed = this.#signed({ header, payload });
    return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
  }

  // As `token`, signed with another key under the same name.
  forged() {
    return this.token({ key: this.#other.privateKey });
  }

  // Signed with the public key as a secret.
  confused() {
    const signed = this.#signed({ header: { alg: 'HS256' } });
    const secret = this.#key.publicKey.export({ format: 'pem', type: 'spki' });
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  unsigned() {
    return `${this.#signed({ header: { alg: 'none' } })}.`;
  }

  #signed({ header = {}, payload = {} }) {
    const now = Math.floor(Date.now() / 1_000);
    const all = {
      header: { alg: 'EdDSA', typ: 'session+jwt', kid: 'key-1', ...header },
      payload: {
        iss: `${this.origin}/auth`, aud: this.origin, sub: 'user-1', sid: 'session-1', iat: now, exp: now + 60,
        roles: [], permissions: [], ...payload,
      },
    };
    return `${base64url(all.header)}.${base64url(all.payload)}`;
  }
}
