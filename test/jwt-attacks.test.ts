import { CompactSign, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { seconds } from './testkit/claims.js';
import { issuerOfTest } from './testkit/issuer.js';
import { askWith, serverOfTest } from './testkit/server.js';
import { openSocket } from './testkit/socket.js';

/** Every token here is sent to a whole server, over HTTP and in a WebSocket's `connection_init` (RFC 8725; security.md, Identity). */
const people = await issuerOfTest('https://people.test', 'RS256');
const machines = await issuerOfTest('https://machines.test');
const hanging = await issuerOfTest('https://hanging.test');
const down = await issuerOfTest('https://down.test');
const flooded = await issuerOfTest('https://flooded.test');
const stranger = await generateKeyPair('RS256', { extractable: true });
hanging.behave('hanging');
down.behave('down');

const trust = ({ issuer, jwksUri }: typeof people, subjectPrefix: string, more: object = {}) => ({
  issuer,
  jwksUri,
  audience: 'meshgate',
  typ: 'at+jwt',
  subjectPrefix,
  ...more,
});
const { graphql } = await serverOfTest({
  issuers: [
    trust(people, 'people:', { adminGroups: ['admins'] }),
    trust(machines, 'machine:', { kind: 'MACHINE', adminGroups: ['people'] }),
    trust(hanging, 'hanging:'),
    trust(down, 'down:'),
    trust(flooded, 'flooded:'),
  ],
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const good = () => ({
  iss: people.issuer,
  aud: 'meshgate',
  sub: 'alice',
  iat: seconds(),
  exp: seconds(600),
});
const without = (claim: string) => people.token({ [claim]: undefined });
const byStranger = (header: object) =>
  new SignJWT(good())
    .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'at+jwt', ...header })
    .sign(stranger.privateKey);
const publicPem = () => exportSPKI(people.keyOf('k1').publicKey);

/** Signs a text as it is: claims can stand twice, numbers be out of range. */
const signText = (payload: string, header: object = {}): Promise<string> =>
  new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'at+jwt', ...header })
    .sign(people.keyOf('k1').privateKey);

async function parts(): Promise<[string, string, string]> {
  return (await people.token()).split('.') as [string, string, string];
}

async function hmac(alg: string): Promise<string> {
  const secret = Buffer.from(await publicPem());
  return new SignJWT(good()).setProtectedHeader({ alg, kid: 'k1', typ: 'at+jwt' }).sign(secret);
}

/** A token that holds, some bytes longer than that. */
async function tokenOver(length: number): Promise<string> {
  const bare = (await people.token({ padding: '' })).length;
  return people.token({ padding: 'x'.repeat(Math.ceil(((length - bare) * 3) / 4) + 3) });
}

interface Refused {
  http: number;
  socket: number;
}
const REFUSED: Refused = { http: 401, socket: 4401 };

const ATTACKS: [string, () => Promise<string> | string, Refused?][] = [
  ['alg none', async () => `${encode({ alg: 'none', kid: 'k1', typ: 'at+jwt' })}.${(await parts())[1]}.`],
  ['alg NoNe', async () => `${encode({ alg: 'NoNe', kid: 'k1', typ: 'at+jwt' })}.${(await parts())[1]}.AAAA`],
  [
    'alg none with the signature kept',
    async () => {
      const [, payload, signature] = await parts();
      return `${encode({ alg: 'none', kid: 'k1', typ: 'at+jwt' })}.${payload}.${signature}`;
    },
  ],
  ['HS256 with the public RSA key as its secret', () => hmac('HS256')],
  ['HS512 with the public RSA key as its secret', () => hmac('HS512')],
  ['a key of its own embedded (jwk)', async () => byStranger({ jwk: await exportJWK(stranger.publicKey) })],
  ['a key set of its own (jku)', () => byStranger({ jku: `${people.jwksUri}#evil` })],
  ['a certificate of its own (x5u)', () => byStranger({ x5u: 'https://evil.test/certificate' })],
  ['a certificate of its own embedded (x5c)', () => byStranger({ x5c: ['MIIB'] })],
  ['another key under our kid', () => byStranger({})],
  ['a kid that nobody published', () => people.token({}, { kid: 'k1' }).then(async () => byStranger({ kid: 'k9' }))],
  ['a kid that climbs folders', () => byStranger({ kid: '../../../dev/null' })],
  ['a kid with SQL in it', () => byStranger({ kid: "k1' OR '1'='1" })],
  ['a kid that is no text', () => byStranger({ kid: ['k1'] as unknown as string })],
  [
    'no kid',
    async () => {
      return new SignJWT(good())
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' })
        .sign(people.keyOf('k1').privateKey);
    },
  ],
  [
    'a changed payload',
    async () => {
      const [header, , signature] = await parts();
      return `${header}.${encode({ ...good(), sub: 'root' })}.${signature}`;
    },
  ],
  [
    'a changed header',
    async () => {
      const [, payload, signature] = await parts();
      return `${encode({ alg: 'RS256', kid: 'k1', typ: 'at+jwt', x: 1 })}.${payload}.${signature}`;
    },
  ],
  ['its signature cut off', async () => (await parts()).slice(0, 2).join('.')],
  ['an empty signature', async () => `${(await parts()).slice(0, 2).join('.')}.`],
  [
    'a critical header that nobody knows',
    () => {
      return new SignJWT(good())
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'at+jwt', crit: ['urn:x'], 'urn:x': 1 })
        .sign(people.keyOf('k1').privateKey, { crit: { 'urn:x': true } });
    },
  ],
  ['exp as a text', () => people.token({ exp: '9999999999' })],
  ['exp in the past', () => people.token({ iat: seconds(-900), exp: seconds(-60) })],
  ['no exp', () => without('exp')],
  ['nbf in the future', () => people.token({ nbf: seconds(300) })],
  ['no iat', () => without('iat')],
  ['iat in the future', () => people.token({ iat: seconds(300) })],
  ['iat longer ago than is taken', () => people.token({ iat: seconds(-90_000) })],
  ['no iss', () => without('iss')],
  ['an issuer that is not trusted', () => people.token({ iss: 'https://evil.test' })],
  ['an issuer that differs by a slash', () => people.token({ iss: `${people.issuer}/` })],
  ['a list of issuers', () => signText(JSON.stringify({ ...good(), iss: [people.issuer] }))],
  ["another trusted issuer's name under our key", () => people.token({ iss: machines.issuer })],
  ['another audience', () => people.token({ aud: 'another-service' })],
  ['no audience', () => without('aud')],
  ['the typ of something else', () => people.token({}, { typ: 'logout+jwt' })],
  ['an ID token', () => people.token({ nonce: 'n', at_hash: 'h' }, { typ: 'JWT' })],
  ['no sub', () => without('sub')],
  ['an empty sub', () => people.token({ sub: '' })],
  ['a sub that is a number', () => signText(JSON.stringify({ ...good(), sub: 7 }))],
  ['a sub that is a list', () => signText(JSON.stringify({ ...good(), sub: ['alice'] }))],
  ['a sub with U+0000', () => people.token({ sub: 'ali\0ce' })],
  ['a sub with half a character', () => signText(JSON.stringify(good()).replace('alice', 'alice\\ud800'))],
  ['a sub of 300 characters', () => people.token({ sub: 'a'.repeat(300) })],
  ['sub stated twice', () => signText(JSON.stringify(good()).replace('{', '{"sub":"root",'))],
  ['sub stated twice, once escaped', () => signText(JSON.stringify(good()).replace('{', '{"\\u0073ub":"root",'))],
  ['claims that are a list', () => signText('[]')],
  ['claims that are no JSON', () => signText('{"sub":')],
  ['an encrypted token', () => 'a.b.c.d.e'],
  ['more than 8 KB', () => tokenOver(8_192)],
  ['1.5 MB', () => 'a'.repeat(1_500_000), { http: 431, socket: 1009 }],
  ['an issuer that does not answer', () => hanging.token(), { http: 503, socket: 1013 }],
  ['an issuer that is down', () => down.token(), { http: 503, socket: 1013 }],
];

const whoAmI = '{ viewer { subject admin groups signIn { kind issuer tokenId } } }';

describe('a token with', () => {
  test.each(ATTACKS)('%s is refused', async (_, attack, refused = REFUSED) => {
    const token = await attack();
    const answer = await askWith({ graphql, token }, whoAmI);
    expect({ status: answer.status, data: answer.data }).toEqual({ status: refused.http, data: null });
    if (answer.errors.length > 0) {
      expect(answer.errors[0]?.extensions.code).toBe(refused.http === 503 ? 'ISSUER_UNAVAILABLE' : 'UNAUTHENTICATED');
      expect(JSON.stringify(answer.errors)).not.toContain(token.slice(-40));
    }
    expect(await openSocket(graphql, token).outcome).toBe(refused.socket);
  });
});

describe('a good token', () => {
  test('is let in, over both', async () => {
    const token = await people.token({ groups: ['admins'] });
    const { status, data } = await askWith({ graphql, token }, whoAmI);
    expect(status).toBe(200);
    expect(data).toEqual({
      viewer: {
        subject: 'people:alice',
        admin: true,
        groups: ['admins'],
        signIn: { kind: 'PERSON', issuer: people.issuer, tokenId: 'one' },
      },
    });
    const socket = openSocket(graphql, token);
    expect(await socket.outcome).toBe('acknowledged');
    socket.end();
  });

  test('of another issuer with the same sub is somebody else, with the groups of his own issuer', async () => {
    const token = await machines.token({ groups: ['admins'] });
    const { data } = await askWith({ graphql, token }, whoAmI);
    expect(data).toMatchObject({ viewer: { subject: 'machine:alice', admin: false, signIn: { kind: 'MACHINE' } } });
  });

  test('that claims a name which Postgres could not store leaves it out', async () => {
    const token = await people.token({ name: 'A\0', groups: ['a\0', 'b', 7], jti: '\0' });
    const { status, data } = await askWith({ graphql, token }, '{ viewer { name groups signIn { tokenId } } }');
    expect({ status, data }).toEqual({
      status: 200,
      data: { viewer: { name: null, groups: ['b'], signIn: { tokenId: null } } },
    });
  });

  test('may be as long as 8 KB', async () => {
    const token = await tokenOver(8_180);
    expect(token.length).toBeLessThanOrEqual(8_192);
    expect((await askWith({ graphql, token }, whoAmI)).status).toBe(200);
    expect((await tokenOver(8_192)).length).toBeLessThanOrEqual(8_200);
  });

  test('opens nothing beyond the age that is taken of it, whatever its exp', async () => {
    const token = await signText(JSON.stringify(good()).replace(/"exp":\d+/, '"exp":1e400'));
    const { data } = await askWith<{ viewer: { signIn: { expiresAt: string } } }>(
      { graphql, token },
      '{ viewer { signIn { expiresAt } } }',
    );
    const left = Date.parse(data?.viewer.signIn.expiresAt ?? '') - Date.now();
    expect(left).toBeLessThanOrEqual(86_400_000);
    expect(left).toBeGreaterThan(86_000_000);
  });
});

describe('keys', () => {
  test('that are rotated work at the first token that names them', async () => {
    await machines.token().then((token) => askWith({ graphql, token }, whoAmI));
    await machines.publish('k2', { alone: true });
    const answer = await askWith({ graphql, token: await machines.token({}, { kid: 'k2' }) }, whoAmI);
    expect(answer.status).toBe(200);
    expect((await askWith({ graphql, token: await machines.token() }, whoAmI)).status).toBe(401);
  });

  test('cause no storm of fetches when made-up ids pour in, and the true one goes on working', async () => {
    const startedAt = Date.now();
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const header = { alg: 'RS256', kid: `made-up-${n}`, typ: 'at+jwt' };
        const claims = { ...good(), iss: flooded.issuer };
        const token = await new SignJWT(claims).setProtectedHeader(header).sign(stranger.privateKey);
        return (await askWith({ graphql, token }, whoAmI)).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([401]));
    // A burst of five, and then one in ten seconds.
    const refilled = Math.floor((Date.now() - startedAt) / 10_000) + 1;
    expect(flooded.fetches()).toBeLessThanOrEqual(5 + refilled);
    expect((await askWith({ graphql, token: await flooded.token() }, whoAmI)).status).toBe(200);
  });

  test('of an issuer that is back are fetched again', async () => {
    down.behave('well');
    // The allowance of fetches that the outage used up comes back after ten seconds.
    const back = async () => (await askWith({ graphql, token: await down.token() }, whoAmI)).status;
    await expect.poll(back, { timeout: 15_000, interval: 1_000 }).toBe(200);
  });
});
