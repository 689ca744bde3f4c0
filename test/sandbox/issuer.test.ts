import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { control, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();
const alice = { subject: 'alice', name: 'Alice', groups: ['mesh-admins'], ttlSeconds: 60 };
const expected = {
  issuer: 'urn:meshgate:sandbox',
  audience: 'meshgate',
  typ: 'at+jwt',
  requiredClaims: ['sub', 'exp', 'iat', 'jti'],
};

function keys() {
  return createRemoteJWKSet(new URL(`${sandbox.url}/_sandbox/issuer/jwks.json`));
}

test('a token verifies against the published keys with the claims that the server demands', async () => {
  const token = await sandbox.issuer.issueToken(alice);
  const { payload, protectedHeader } = await jwtVerify(token, keys(), expected);
  expect(payload).toMatchObject({ sub: 'alice', name: 'Alice', groups: ['mesh-admins'] });
  expect(payload.exp! - payload.iat!).toBe(60);
  expect(protectedHeader.kid).toBeTruthy();
});

test('the key set shows no private key, and the key file is its owner’s alone', async () => {
  const { keys: published } = await control(sandbox, '/issuer/jwks.json');
  expect(published).toHaveLength(1);
  expect(published[0]).not.toHaveProperty('d');
  expect(statSync(join(sandbox.dataDir, 'issuer-key.json')).mode & 0o777).toBe(0o600);
});

test('a token outlives a restart, as the key does', async () => {
  const { access_token: token } = await control(sandbox, '/issuer/token', alice);
  await sandbox.restart();
  await expect(jwtVerify(token, keys(), expected)).resolves.toMatchObject({ payload: { sub: 'alice' } });
  expect(decodeProtectedHeader(await sandbox.issuer.issueToken(alice)).kid).toBe(decodeProtectedHeader(token).kid);
});

test('the discovery document names the key set, and a token request without subject is refused', async () => {
  const document = await control(sandbox, '/issuer/.well-known/openid-configuration');
  expect(document).toMatchObject({
    issuer: 'urn:meshgate:sandbox',
    jwks_uri: `${sandbox.url}/_sandbox/issuer/jwks.json`,
  });
  expect(await control(sandbox, '/issuer/token', { groups: [] })).toHaveProperty('error');
});
