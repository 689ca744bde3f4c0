import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** Who a token is for; `ttlSeconds` defaults to one hour. */
export interface TokenRequest {
  subject: string;
  name: string;
  groups: string[];
  ttlSeconds?: number;
}

/** The sandbox's own token issuer: RFC 9068 access tokens (`typ: at+jwt`) signed with a key that stays in the data folder. */
export interface Issuer {
  /** The public key set, as served to verifiers. */
  jwks(): Promise<{ keys: JWK[] }>;
  issueToken(request: TokenRequest): Promise<string>;
}

/** The `iss` of every token of the sandbox. */
export const ISSUER = 'urn:meshgate:sandbox';
const AUDIENCE = 'meshgate';
const ALGORITHM = 'ES256';

/** Opens the issuer of a data folder; its key is made when first needed and readable by its owner alone. */
export function openIssuer(dataDir: string): Issuer {
  const path = join(dataDir, 'issuer-key.json');
  let loading: Promise<JWK> | undefined;
  const privateJwk = (): Promise<JWK> => {
    loading ??= existsSync(path) ? Promise.resolve(JSON.parse(readFileSync(path, 'utf8')) as JWK) : createKey(path);
    return loading;
  };
  return {
    async jwks() {
      const { d: _private, ...publicJwk } = await privateJwk();
      return { keys: [publicJwk] };
    },
    async issueToken({ subject, name, groups, ttlSeconds = 3600 }) {
      const jwk = await privateJwk();
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ name, groups })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt', kid: jwk.kid! })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(subject)
        .setIssuedAt(now)
        .setExpirationTime(now + ttlSeconds)
        .setJti(randomUUID())
        .sign(await importJWK(jwk, ALGORITHM));
    },
  };
}

async function createKey(path: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const bare = await exportJWK(privateKey);
  const jwk: JWK = { ...bare, kid: await calculateJwkThumbprint(bare), alg: ALGORITHM, use: 'sig' };
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(jwk), { mode: 0o600 });
  renameSync(temporary, path);
  return jwk;
}
