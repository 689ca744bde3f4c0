import type pg from 'pg';
import type { DomainRole, TokenScope } from '../generated/prisma/client.js';
import type { Deputyship, SignIn } from '../governance/context.js';
import { parseSecret, type SecretKind, sameHash } from '../governance/secret.js';
import { EVERY_SCOPE } from '../governance/token-scope.js';
import type { Identity } from './authenticate.js';
import { unauthenticated } from './error.js';
import type { Log } from './log.js';

/** Tokens and secrets that Meshgate made. */
export interface OwnTokens {
  /** Who holds the token; throws UNAUTHENTICATED. Nothing is kept from one request to the next, so that a revoke holds at once. */
  identify(token: string): Promise<Identity>;
  /** Those of the ids that are not revoked. */
  live(ids: string[]): Promise<ReadonlySet<string>>;
}

interface Row {
  hash: Buffer;
  subject: string;
  name: string | null;
  scopes: TokenScope[] | null;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  memberships: Record<string, DomainRole>;
  deputyships: Deputyship[];
}

const memberships = (subject: string): string => `(SELECT coalesce(json_object_agg(m."domainId", m."role"), '{}')
  FROM "DomainMember" m WHERE m."subject" = ${subject}) AS "memberships"`;

/** For whom the holder decides now. */
const deputyships = `(SELECT coalesce(json_agg(json_build_object('id', v."id", 'domainId', v."domainId", 'standsInFor', v."standsInFor",
  'role', v."role")), '[]') FROM "Deputyship" v WHERE v."deputy" = t."subject" AND v."startsIn" <= 0) AS "deputyships"`;

/** The token and its holder's memberships in one statement. */
const FIND: Record<SecretKind, string> = {
  PERSONAL_ACCESS_TOKEN: `SELECT t."hash", t."subject", t."holderName" AS "name", t."scopes"::text[] AS "scopes", t."expiresAt",
    t."lastUsedAt", t."revokedAt", ${memberships('t."subject"')}, ${deputyships} FROM "PersonalAccessToken" t WHERE t."id" = $1`,
  SERVICE_ACCOUNT_SECRET: `SELECT s."hash", a."subject", a."name", NULL AS "scopes", s."expiresAt", s."lastUsedAt",
    coalesce(s."revokedAt", a."removedAt") AS "revokedAt", ${memberships('a."subject"')}, '[]'::json AS "deputyships"
    FROM "ServiceAccountSecret" s JOIN "ServiceAccount" a ON a."id" = s."serviceAccountId" WHERE s."id" = $1`,
};

const touch = (table: string): string => `UPDATE "${table}" SET "lastUsedAt" = date_trunc('hour', now())
  WHERE "id" = $1 AND ("lastUsedAt" IS NULL OR "lastUsedAt" < date_trunc('hour', now()))`;
const TOUCH: Record<SecretKind, string> = {
  PERSONAL_ACCESS_TOKEN: touch('PersonalAccessToken'),
  SERVICE_ACCOUNT_SECRET: touch('ServiceAccountSecret'),
};

const LIVE = `SELECT "id" FROM "PersonalAccessToken" WHERE "id" = ANY ($1::uuid[]) AND "revokedAt" IS NULL
  UNION ALL SELECT "id" FROM "ServiceAccountSecret" WHERE "id" = ANY ($1::uuid[]) AND "revokedAt" IS NULL`;

/** Whether a bearer token looks like one that Meshgate makes. */
export const looksOwn = (token: string): boolean => /^mg(pat|sa)_/.test(token);

/** Looks tokens up in the database. */
export function createOwnTokens(pool: pg.Pool, log: Log): OwnTokens {
  return {
    identify: async (token) => {
      const named = parseSecret(token);
      // Mistyped, cut off or made up: the checksum says so without a question to the database.
      if (!named) throw unauthenticated('The token is not valid here.');
      const { kind, id, hash } = named;
      const { rows } = await pool.query<Row>({ name: `find ${kind}`, text: FIND[kind], values: [id] });
      const [row] = rows;
      if (!row || !sameHash(row.hash, hash)) throw unauthenticated('The token is not valid here.');
      if (row.revokedAt) throw unauthenticated('The token was revoked.');
      if (row.expiresAt.getTime() <= Date.now()) throw unauthenticated('The token has expired.');
      if (isStale(row.lastUsedAt)) {
        pool.query(TOUCH[kind], [id]).catch((error: unknown) => log.warn({ err: error }, 'last use not noted'));
      }
      return identityOf(row, { kind, id });
    },
    live: async (ids) => {
      const { rows } = await pool.query<{ id: string }>({ name: 'live tokens', text: LIVE, values: [ids] });
      return new Set(rows.map(({ id }) => id));
    },
  };
}

const HOUR = 3_600_000;
const isStale = (lastUsedAt: Date | null): boolean => !lastUsedAt || Date.now() - lastUsedAt.getTime() >= HOUR;

/** Groups come of an issuer alone, and with them platform admins. */
function identityOf(row: Row, { kind, id }: { kind: SecretKind; id: string }): Identity {
  const scopes = row.scopes === null ? EVERY_SCOPE : new Set(row.scopes);
  const signIn: SignIn = { kind, issuer: null, tokenId: id, expiresAt: row.expiresAt, scopes };
  const memberships = new Map(Object.entries(row.memberships));
  const { subject, name, deputyships } = row;
  return { subject, name, groups: [], admin: false, signIn, memberships, deputyships };
}
