import { GraphQLError } from 'graphql';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type pg from 'pg';
import type { DomainRole } from '../generated/prisma/client.js';
import type { Viewer } from '../governance/context.js';
import type { Config, Issuer } from './config.js';
import { hasDuplicateKeys } from './duplicate-claims.js';
import { issuerKeys } from './issuer-keys.js';

/** What a verified token says of its bearer. */
export interface Identity {
  /** The token's `sub`, after the issuer's prefix where it has one. */
  subject: string;
  name: string | null;
  groups: string[];
  /** `jti`, null where the issuer sets none. */
  tokenId: string | null;
  issuer: string;
  expiresAt: Date;
  /** Platform admin: one of the groups is an admin group of the issuer. */
  admin: boolean;
}

/** Verifies the Authorization header; throws UNAUTHENTICATED (HTTP 401). */
export type Authenticate = (authorization: string | undefined) => Promise<Identity>;

/** Asymmetric signatures only: with a symmetric one, a public key would do as the secret (RFC 8725, section 2.1). */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const longestToken = 8_192;

/** A request without a token that holds. The reason given is one that helps an honest caller and no other. */
export function unauthenticated(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } });
}

/** Builds the verifier of the configured issuers' tokens (RFC 8725, RFC 9068). */
export function createAuthenticate(config: Pick<Config, 'issuers'>): Authenticate {
  const issuers = new Map(
    config.issuers.map((issuer) => [issuer.issuer, { issuer, keys: issuerKeys(issuer.jwksUri) }]),
  );
  return async (authorization) => {
    const token = bearerToken(authorization);
    const claimed = readClaims(token);
    const known = issuers.get(claimed);
    if (!known) throw unauthenticated('The token is of an issuer that is not trusted here.');
    return verify(token, known.issuer, known.keys);
  };
}

function bearerToken(authorization: string | undefined): string {
  if (!authorization) throw unauthenticated('Send a token: "Authorization: Bearer ...".');
  if (authorization.length > longestToken + 16) throw unauthenticated('The token is too long.');
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  if (!token) throw unauthenticated('The Authorization header is not "Bearer" and a signed token.');
  if (token.length > longestToken) throw unauthenticated('The token is too long.');
  return token;
}

/** The issuer that the token claims, before any signature is looked at: it chooses whose keys must have signed it. */
function readClaims(token: string): string {
  try {
    const [header = '', payload = ''] = token
      .split('.')
      .slice(0, 2)
      .map((part) => Buffer.from(part, 'base64url').toString());
    const claims = JSON.parse(payload) as JWTPayload;
    if (!decodeProtectedHeader(token).kid) throw unauthenticated('The token names no key (kid).');
    if (hasDuplicateKeys(header) || hasDuplicateKeys(payload)) throw unauthenticated('The token states a claim twice.');
    return String(claims.iss);
  } catch (error) {
    throw error instanceof GraphQLError ? error : unauthenticated('The token cannot be read.');
  }
}

async function verify(token: string, issuer: Issuer, keys: JWTVerifyGetKey): Promise<Identity> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms,
      issuer: issuer.issuer,
      audience: issuer.audience,
      requiredClaims: ['sub', 'exp', 'iat'],
      maxTokenAge: issuer.maxTokenAgeSeconds,
      clockTolerance: 30,
      ...(issuer.typ ? { typ: issuer.typ } : {}),
    });
    return identityOf(payload, issuer);
  } catch (error) {
    if (error instanceof GraphQLError) throw error;
    if (error instanceof errors.JWTExpired) throw unauthenticated('The token has expired.');
    throw unauthenticated('The token is not valid here.');
  }
}

function identityOf(payload: JWTPayload, issuer: Issuer): Identity {
  const { sub, exp, jti, name } = payload;
  if (typeof sub !== 'string' || sub === '' || sub.length > 255)
    throw unauthenticated('The token has no usable subject.');
  const groups = strings(payload.groups);
  return {
    subject: `${issuer.subjectPrefix}${sub}`,
    name: typeof name === 'string' ? name : null,
    groups,
    tokenId: typeof jti === 'string' ? jti : null,
    issuer: issuer.issuer,
    expiresAt: new Date(Number(exp) * 1000),
    admin: groups.some((group) => issuer.adminGroups.includes(group)),
  };
}

function strings(claim: unknown): string[] {
  return Array.isArray(claim) ? claim.filter((item) => typeof item === 'string') : [];
}

/** A viewer who stays: `current` is he with the memberships that were read last. */
export interface WatchedViewer {
  current(): Viewer;
  /** Aborts when he was removed from a domain. */
  removed: AbortSignal;
  stop(): void;
}

/** Memberships of those who ask, read again after a second at the latest. */
export interface Viewers {
  viewerOf(identity: Identity): Promise<Viewer>;
  /** For sockets, which outlive a request: `refresh` keeps what they see up to date. */
  watch(identity: Identity): Promise<WatchedViewer>;
  /** Forgets what was read: call when memberships may have changed. */
  forget(): void;
  /** Reads the memberships of all who are watched anew, in one statement. */
  refresh(): Promise<void>;
}

type Memberships = ReadonlyMap<string, DomainRole>;

interface Watched {
  memberships: Memberships;
  watchers: Set<AbortController>;
}

function update(entry: Watched, memberships: Memberships): void {
  const removed = [...entry.memberships.keys()].some((domain) => !memberships.has(domain));
  entry.memberships = memberships;
  if (removed) for (const watcher of entry.watchers) watcher.abort('Removed from a domain');
}

/** Reads memberships by one statement; requests of a subject that come together share it. `freshFor` is in ms. */
export function createViewers(pool: pg.Pool, freshFor = 1_000): Viewers {
  const cache = new Map<string, { memberships: Promise<Memberships>; readAt: number }>();
  const watched = new Map<string, Watched>();
  let refreshes = 0;

  function membershipsOf(subject: string): Promise<Memberships> {
    const known = cache.get(subject);
    if (known && Date.now() - known.readAt < freshFor) return known.memberships;
    if (cache.size > 10_000) cache.clear();
    const memberships = readMemberships(pool, [subject]).then((read) => read.get(subject) ?? new Map());
    cache.set(subject, { memberships, readAt: Date.now() });
    memberships.catch(() => cache.delete(subject));
    return memberships;
  }

  async function watch(identity: Identity): Promise<WatchedViewer> {
    const { subject } = identity;
    const entry = watched.get(subject) ?? { memberships: new Map(), watchers: new Set() };
    const watcher = new AbortController();
    watched.set(subject, entry);
    entry.watchers.add(watcher);
    // Read again where a refresh came in between: what was read may be older than what it found.
    for (let before = -1; before !== refreshes; ) {
      before = refreshes;
      update(entry, await membershipsOf(subject));
    }
    return {
      current: () => viewerWith(identity, entry.memberships),
      removed: watcher.signal,
      stop: () => {
        entry.watchers.delete(watcher);
        if (entry.watchers.size === 0 && watched.get(subject) === entry) watched.delete(subject);
      },
    };
  }

  return {
    viewerOf: async (identity) => viewerWith(identity, await membershipsOf(identity.subject)),
    watch,
    forget: () => cache.clear(),
    refresh: async () => {
      refreshes += 1;
      cache.clear();
      if (watched.size === 0) return;
      const read = await readMemberships(pool, [...watched.keys()]);
      for (const [subject, entry] of watched) update(entry, read.get(subject) ?? new Map());
    },
  };
}

function viewerWith({ subject, name, groups, admin }: Identity, memberships: Memberships): Viewer {
  return { subject, name, groups, admin, memberships };
}

async function readMemberships(pool: pg.Pool, subjects: string[]): Promise<Map<string, Map<string, DomainRole>>> {
  const { rows } = await pool.query<{ subject: string; domainId: string; role: DomainRole }>({
    name: 'memberships',
    text: 'SELECT "subject", "domainId", "role" FROM "DomainMember" WHERE "subject" = ANY ($1)',
    values: [subjects],
  });
  const read = new Map<string, Map<string, DomainRole>>();
  for (const { subject, domainId, role } of rows) {
    read.set(subject, (read.get(subject) ?? new Map<string, DomainRole>()).set(domainId, role));
  }
  return read;
}
