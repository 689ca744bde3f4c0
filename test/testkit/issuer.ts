import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll } from 'vitest';
import { seconds } from './claims.js';

/** A token issuer with a key set on a socket of its own. */
export interface IssuerOfTest {
  issuer: string;
  jwksUri: string;
  /** The private key whose id is `kid`. */
  keyOf(kid: string): GenerateKeyPairResult;
  /** Makes a key pair and publishes it under the id, beside those that are there or alone. */
  publish(kid: string, options?: { alone?: boolean }): Promise<void>;
  /** How often the key set was fetched. */
  fetches(): number;
  /** `down` answers 500, `hanging` nothing. */
  behave(as: 'well' | 'down' | 'hanging'): void;
  /** A token that holds, but for what is said otherwise. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** Starts an issuer that signs with `alg`; it goes away after the file's tests. */
export async function issuerOfTest(issuer: string, alg = 'ES256'): Promise<IssuerOfTest> {
  const keys = new Map<string, GenerateKeyPairResult>();
  let published: JWK[] = [];
  let fetched = 0;
  let behaviour: 'well' | 'down' | 'hanging' = 'well';
  const open = new Set<ServerResponse>();
  const server = createServer((_, answer) => {
    fetched += 1;
    if (behaviour === 'hanging') return void open.add(answer);
    answer.statusCode = behaviour === 'down' ? 500 : 200;
    answer.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  afterAll(async () => {
    for (const answer of open) answer.destroy();
    await new Promise((done) => server.close(done));
  });
  const keyOf = (kid: string): GenerateKeyPairResult => {
    const key = keys.get(kid);
    if (!key) throw new Error(`no key ${kid}`);
    return key;
  };
  const publish: IssuerOfTest['publish'] = async (kid, { alone = false } = {}) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    keys.set(kid, pair);
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' };
    published = alone ? [jwk] : [...published, jwk];
  };
  await publish('k1');
  return {
    issuer,
    jwksUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    keyOf,
    publish,
    fetches: () => fetched,
    behave: (as) => {
      behaviour = as;
      for (const answer of open) answer.destroy();
      open.clear();
    },
    token: (claims = {}, header = {}) => {
      const protectedHeader = { alg, kid: 'k1', typ: 'at+jwt', ...header };
      const good = { iss: issuer, aud: 'meshgate', sub: 'alice', iat: seconds(), exp: seconds(600), jti: 'one' };
      return new SignJWT({ ...good, ...claims })
        .setProtectedHeader(protectedHeader)
        .sign(keyOf(String(header.kid ?? 'k1')).privateKey);
    },
  };
}
