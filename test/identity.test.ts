import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticate as createFor } from '../src/server/authenticate.js';
import type { Issuer } from '../src/server/config.js';
import { hasDuplicateKeys } from '../src/server/duplicate-claims.js';
import { issuerKeys } from '../src/server/issuer-keys.js';

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
interface TokenOptions {
  key?: Keys;
  kid?: string | undefined;
  header?: Record<string, unknown>;
}

let server: Server;
let jwksUri: string;
let trusted: Keys;
let stranger: Keys;
let published: JWK[];
let fetches = 0;

const now = () => Math.floor(Date.now() / 1000);
const claims = () => ({
  iss: 'https://id.test',
  aud: 'meshgate',
  sub: 'alice',
  iat: now(),
  exp: now() + 600,
  jti: 'one',
});

function sign(
  payload: Record<string, unknown>,
  { key = trusted, kid = 'k1', header = {} }: TokenOptions = {},
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt', ...header }).sign(key.privateKey);
}

/** Signs a text as it is, so that claims can stand twice. */
function signText(payload: string): Promise<string> {
  const header = { alg: 'ES256', kid: 'k1', typ: 'at+jwt' };
  return new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(trusted.privateKey);
}

async function publicKey(keys: Keys, kid: string): Promise<JWK> {
  return { ...(await exportJWK(keys.publicKey)), kid, alg: 'ES256', use: 'sig' };
}

beforeAll(async () => {
  trusted = await generateKeyPair('ES256', { extractable: true });
  stranger = await generateKeyPair('ES256', { extractable: true });
  published = [await publicKey(trusted, 'k1')];
  server = createServer((_, answer) => {
    fetches += 1;
    answer.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterAll(() => new Promise((done) => server.close(done)));

function issuer(change: Partial<Issuer> = {}): Issuer {
  return {
    issuer: 'https://id.test',
    jwksUri,
    audience: ['meshgate'],
    typ: 'at+jwt',
    subjectPrefix: '',
    adminGroups: ['platform-admins'],
    maxTokenAgeSeconds: 86_400,
    kind: 'PERSON',
    ...change,
  };
}

/** Tokens of Meshgate's own are looked up in a database: see tokens.test.ts. */
const ownTokens = { identify: () => Promise.reject(new Error('no token of ours')) };
const createAuthenticate = (config: { issuers: Issuer[] }) => createFor(config, { ownTokens });

const authenticate = (token: string) => createAuthenticate({ issuers: [issuer()] })(`Bearer ${token}`);

describe('a good token', () => {
  it('says who its bearer is', async () => {
    const token = await sign({ ...claims(), name: 'Alice', groups: ['analysts'] });
    expect(await authenticate(token)).toMatchObject({
      subject: 'alice',
      name: 'Alice',
      groups: ['analysts'],
      admin: false,
      signIn: { kind: 'PERSON', tokenId: 'one', issuer: 'https://id.test', scopes: null },
    });
  });

  it('makes a platform admin of a member of the admin group, and of nobody else', async () => {
    expect(await authenticate(await sign({ ...claims(), groups: ['platform-admins'] }))).toMatchObject({ admin: true });
    expect(await authenticate(await sign({ ...claims(), groups: 'platform-admins' }))).toMatchObject({ admin: false });
    expect(await authenticate(await sign({ ...claims(), admin: true }))).toMatchObject({ admin: false });
  });

  it("carries its issuer's prefix, so that two issuers' subjects differ", async () => {
    const verify = createAuthenticate({ issuers: [issuer({ subjectPrefix: 'machine:' })] });
    expect(await verify(`bearer ${await sign(claims())}`)).toMatchObject({ subject: 'machine:alice' });
  });
});

describe('a token is refused', () => {
  const without = (name: string) => Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name));
  const attacks: [string, () => Promise<string> | string][] = [
    ['without signature (alg none)', () => new UnsecuredJWT(claims()).encode()],
    ['with alg none and a kid', () => forge({ alg: 'none', kid: 'k1', typ: 'at+jwt' }, claims(), '')],
    ['with its signature cut off', async () => (await sign(claims())).replace(/[^.]+$/, '')],
    ['signed with another key under our kid', () => sign(claims(), { key: stranger })],
    [
      'signed with a key of its own in the header (jwk)',
      async () => {
        return sign(claims(), { key: stranger, header: { jwk: await exportJWK(stranger.publicKey) } });
      },
    ],
    [
      'naming a key set of its own (jku)',
      () => sign(claims(), { key: stranger, header: { jku: 'https://evil.test/jwks' } }),
    ],
    [
      'naming a certificate of its own (x5u)',
      () => sign(claims(), { key: stranger, header: { x5u: 'https://evil.test/x' } }),
    ],
    [
      'signed by HMAC with our public key as the secret',
      async () => {
        const secret = Buffer.from(await exportSPKI(trusted.publicKey));
        return new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' }).sign(secret);
      },
    ],
    [
      'with a critical header that nobody knows',
      async () => {
        const options = { crit: { 'urn:x': true } };
        const header = { alg: 'ES256', kid: 'k1', typ: 'at+jwt', crit: ['urn:x'], 'urn:x': 1 };
        return new SignJWT(claims()).setProtectedHeader(header).sign(trusted.privateKey, options);
      },
    ],
    ['without a kid', () => sign(claims(), { header: { kid: undefined } })],
    ['with an empty kid', () => sign(claims(), { kid: '' })],
    ['with a kid that nobody published', () => sign(claims(), { kid: 'k9' })],
    ['with a kid that climbs folders', () => sign(claims(), { kid: '../../dev/null' })],
    [
      'changed after it was signed',
      async () => {
        const [header, , signature] = (await sign(claims())).split('.');
        return `${header}.${encode({ ...claims(), sub: 'root' })}.${signature}`;
      },
    ],
    ['without exp', () => sign(without('exp'))],
    ['without iat', () => sign(without('iat'))],
    ['without sub', () => sign(without('sub'))],
    ['without iss', () => sign(without('iss'))],
    ['without aud', () => sign(without('aud'))],
    ['with an empty sub', () => sign({ ...claims(), sub: '' })],
    ['with a sub that is no string', () => sign({ ...claims(), sub: 7 as unknown as string })],
    ['with a sub of 300 characters', () => sign({ ...claims(), sub: 'a'.repeat(300) })],
    ["with a service account's subject", () => sign({ ...claims(), sub: 'service-account:commerce/etl' })],
    ["with Meshgate's own subject", () => sign({ ...claims(), sub: 'meshgate' })],
    ['that has expired', () => sign({ ...claims(), iat: now() - 900, exp: now() - 60 })],
    ['whose exp is no number', () => sign({ ...claims(), exp: '9999999999' as unknown as number })],
    ['that is not valid yet', () => sign({ ...claims(), nbf: now() + 300 })],
    ['issued in the future', () => sign({ ...claims(), iat: now() + 300 })],
    ['issued longer ago than we take', () => sign({ ...claims(), iat: now() - 90_000 })],
    ['of another issuer', () => sign({ ...claims(), iss: 'https://other.test' })],
    ['of an issuer that differs by a slash', () => sign({ ...claims(), iss: 'https://id.test/' })],
    ['for another audience', () => sign({ ...claims(), aud: 'another-service' })],
    ['that is an ID token', () => sign(claims(), { header: { typ: 'JWT' } })],
    ['that states its subject twice', () => signText(JSON.stringify(claims()).replace('{', '{"sub":"root",'))],
    [
      'that states its subject twice, once in disguise',
      () => {
        return signText(JSON.stringify(claims()).replace('{', '{"\\u0073ub":"root",'));
      },
    ],
    ['of more than 8 KB', () => sign({ ...claims(), padding: 'x'.repeat(8_192) })],
    ['that is no token', () => 'a.b.c'],
    ['whose claims are null', () => signText('null')],
    ['that is encrypted', () => 'a.b.c.d.e'],
  ];

  function encode(value: unknown): string {
    return Buffer.from(JSON.stringify(value)).toString('base64url');
  }
  function forge(header: unknown, payload: unknown, signature: string): string {
    return `${encode(header)}.${encode(payload)}.${signature}`;
  }

  it.each(attacks)('%s', async (_, attack) => {
    const refusal = await authenticate(await attack()).then(
      () => 'accepted',
      (error: { extensions?: { code?: string } }) => error.extensions?.code,
    );
    expect(refusal).toBe('UNAUTHENTICATED');
  });

  it.each([undefined, '', 'Basic YTpi', 'Bearer', 'Bearer  '])('when the header is %j', async (header) => {
    await expect(createAuthenticate({ issuers: [issuer()] })(header)).rejects.toMatchObject({
      extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } },
    });
  });
});

describe("an issuer's keys", () => {
  it('are fetched once for many tokens, and again at the first token of a rotated key', async () => {
    const verify = createAuthenticate({ issuers: [issuer()] });
    fetches = 0;
    const token = await sign(claims());
    await Promise.all(Array.from({ length: 50 }, () => verify(`Bearer ${token}`)));
    expect(fetches).toBe(1);
    const rotated = await generateKeyPair('ES256', { extractable: true });
    published = [await publicKey(trusted, 'k1'), await publicKey(rotated, 'k2')];
    expect(await verify(`Bearer ${await sign(claims(), { key: rotated, kid: 'k2' })}`)).toMatchObject({
      subject: 'alice',
    });
    expect(fetches).toBe(2);
  });

  it('cause no storm of fetches when made-up key ids pour in', async () => {
    const verify = createAuthenticate({ issuers: [issuer()] });
    fetches = 0;
    for (let index = 0; index < 200; index += 1) {
      await expect(verify(`Bearer ${await sign(claims(), { kid: `made-up-${index}` })}`)).rejects.toThrow();
    }
    expect(fetches).toBeLessThanOrEqual(5);
    expect(await verify(`Bearer ${await sign(claims())}`)).toMatchObject({ subject: 'alice' });
  });

  it('serve for an hour while the issuer is down, then no more', async () => {
    let clock = 0;
    let up = true;
    const keys = issuerKeys(jwksUri, {
      now: () => clock,
      load: async () => {
        if (!up) throw new Error('down');
        return { keys: [await publicKey(trusted, 'k1')] };
      },
    });
    const find = async () => keys({ alg: 'ES256', kid: 'k1' }, { payload: '', signature: '' });
    await find();
    up = false;
    clock = 59 * 60_000;
    await expect(find()).resolves.toBeDefined();
    clock = 61 * 60_000;
    await expect(find()).rejects.toThrow();
    up = true;
    clock = 62 * 60_000;
    await expect(find()).resolves.toBeDefined();
  });
});

describe('a symmetric key in a key set', () => {
  it('signs nothing: who reads the set could sign with it', async () => {
    const secret = Buffer.alloc(32, 7);
    const before = published;
    published = [{ kty: 'oct', k: secret.toString('base64url'), kid: 'k1', alg: 'HS256' }];
    const token = await new SignJWT(claims())
      .setProtectedHeader({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })
      .sign(secret);
    await expect(authenticate(token)).rejects.toMatchObject({ extensions: { code: 'UNAUTHENTICATED' } });
    published = before;
  });
});

describe('duplicate keys', () => {
  it('are found at any depth, and only within one object', () => {
    expect(hasDuplicateKeys('{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}')).toBe(false);
    expect(hasDuplicateKeys('{"b":{"a":2,"x":"a","a":3}}')).toBe(true);
    expect(hasDuplicateKeys('{"a":"\\"b\\":","b":"}"}')).toBe(false);
  });
});
