import { GraphQLError } from 'graphql';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { DomainRole } from '../generated/prisma/client.js';
import type { Deputyship, SignIn } from '../governance/context.js';
import type { Config, Issuer } from './config.js';
import { hasDuplicateKeys } from './duplicate-claims.js';
import { refusal, unauthenticated } from './error.js';
import { IssuerUnavailable, issuerKeys, type KeyCacheOptions } from './issuer-keys.js';
import { looksOwn, type OwnTokens } from './own-token.js';
import { isReservedSubject } from './reserved-subject.js';

/** What a verified token says of its bearer. */
export interface Identity {
  /** The token's `sub`, after the issuer's prefix where it has one. */
  subject: string;
  name: string | null;
  groups: string[];
  /** Platform admin: one of the groups is an admin group of the issuer. */
  admin: boolean;
  signIn: SignIn;
  /** By domain, where they were read together with the token. */
  memberships?: ReadonlyMap<string, DomainRole>;
  /** Read with them. */
  deputyships?: Deputyship[];
}

/** Verifies the Authorization header; throws UNAUTHENTICATED (HTTP 401), or ISSUER_UNAVAILABLE (HTTP 503) where no key can be had. */
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
const longestText = 255;

/** The token may be good, but whoever could say so cannot be asked. */
function issuerUnavailable(): GraphQLError {
  const message = "The token's issuer cannot be asked for its keys at the moment: try again.";
  return refusal('ISSUER_UNAVAILABLE', message, { status: 503 });
}

/** Where tokens are looked up that Meshgate made, and how issuers' keys are kept. */
interface AuthenticateOptions {
  ownTokens: Pick<OwnTokens, 'identify'>;
  keyCache?: KeyCacheOptions;
}

/** Builds the verifier of the configured issuers' tokens (RFC 8725, RFC 9068) and of Meshgate's own. */
export function createAuthenticate(
  config: Pick<Config, 'issuers'>,
  { ownTokens, keyCache = {} }: AuthenticateOptions,
): Authenticate {
  const issuers = new Map(
    config.issuers.map((issuer) => [issuer.issuer, { issuer, keys: issuerKeys(issuer.jwksUri, keyCache) }]),
  );
  return async (authorization) => {
    const token = bearerToken(authorization);
    if (looksOwn(token)) return ownTokens.identify(token);
    const claimed = readIssuer(token);
    const known = issuers.get(claimed);
    if (!known) throw unauthenticated('The token is of an issuer that is not trusted here.');
    return verify(token, known.issuer, known.keys);
  };
}

function bearerToken(authorization: string | undefined): string {
  if (!authorization) throw unauthenticated('Send a token: "Authorization: Bearer ...".');
  if (authorization.length > longestToken + 16) throw unauthenticated('The token is too long.');
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+|\w+)$/i.exec(authorization)?.[1];
  if (!token) throw unauthenticated('The Authorization header is not "Bearer" and a token.');
  if (token.length > longestToken) throw unauthenticated('The token is too long.');
  return token;
}

/** The issuer that the token claims, before any signature is looked at: it chooses whose keys must have signed it. */
function readIssuer(token: string): string {
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
    if (error instanceof IssuerUnavailable) throw issuerUnavailable();
    if (error instanceof errors.JWTExpired) throw unauthenticated('The token has expired.');
    throw unauthenticated('The token is not valid here.');
  }
}

function identityOf(payload: JWTPayload, issuer: Issuer): Identity {
  const { exp, iat, jti, name } = payload;
  const groups = strings(payload.groups);
  return {
    subject: subjectOf(payload, issuer),
    name: isPlain(name) ? name : null,
    groups,
    admin: groups.some((group) => issuer.adminGroups.includes(group)),
    signIn: {
      kind: issuer.kind,
      issuer: issuer.issuer,
      tokenId: isPlain(jti) ? jti : null,
      // Neither outlives the age that is taken: what is open closes then, whatever the token says of itself.
      expiresAt: new Date(Math.min(Number(exp), Number(iat) + issuer.maxTokenAgeSeconds) * 1000),
      scopes: null,
    },
  };
}

/** Two subjects must never become one: not by a prefix, and not by characters that the database would store as others. */
function subjectOf({ sub }: JWTPayload, { subjectPrefix }: Issuer): string {
  const subject = `${subjectPrefix}${sub}`;
  if (!sub || !isPlain(sub) || !isPlain(subject)) throw unauthenticated('The token has no usable subject.');
  if (isReservedSubject(subject)) throw unauthenticated("The token's subject is reserved for Meshgate itself.");
  return subject;
}

/** A text that Postgres stores as it is: no lone surrogates, no control characters, not endless. */
function isPlain(claim: unknown): claim is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the check against them
  return typeof claim === 'string' && claim.length <= longestText && !/[\0-\x1f\x7f]|\p{Surrogate}/u.test(claim);
}

function strings(claim: unknown): string[] {
  return Array.isArray(claim) ? claim.filter(isPlain) : [];
}
