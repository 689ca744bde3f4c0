import { stateOf } from './control-state.js';
import type { Front } from './front.js';
import { runOutOfBand } from './front.js';
import { ISSUER, type Issuer, type TokenRequest } from './issuer.js';
import type { LineLog } from './line-log.js';
import { AwsError } from './service.js';

/** The answer of a control endpoint; `json` is ready text where a log is passed through unparsed. */
export type ControlAnswer = { status: number; body: unknown } | { status: number; json: string };

/** Asks whether a principal can read; names as the consumer's account sees them. */
type CanRead = (query: { principal: string; account: string; database: string; table: string; column?: string }) => {
  allowed: boolean;
  reason: string;
};

/** What the control endpoints steer. */
export interface Control extends Front {
  deliveries: LineLog;
  issuer: Issuer;
  canRead: CanRead;
  accounts: { list(): string[]; add(accounts: string[]): void };
  region: string;
  baseUrl: () => string;
}

interface ControlRequest {
  query: URLSearchParams;
  body: unknown;
}

/** A request that the caller must correct; answered as HTTP 400. */
class BadRequest extends Error {}

type Endpoint = (control: Control, request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;

const MAX_ROWS = 10_000;

const ENDPOINTS: Record<string, Endpoint> = {
  'GET /health': () => ok({ ok: true }),
  'GET /can-read': canRead,
  'GET /calls': ({ calls }, { query }) =>
    logText(calls.read(number(query, 'after', 0), number(query, 'limit', MAX_ROWS))),
  'GET /deliveries': readDeliveries,
  'GET /state': (control, { query }) => ok(stateOf(control.state, query.get('account') ?? undefined)),
  'GET /faults': ({ faults }) => ok(faults.list()),
  'POST /faults': addFaults,
  'DELETE /faults': ({ faults }) => {
    faults.clear();
    return ok([]);
  },
  'POST /drift': applyDrift,
  'GET /accounts': ({ accounts }) => ok(accounts.list()),
  'POST /accounts': addAccounts,
  'GET /organization': ({ world }) => ok({ ramSharing: world.organization.ramSharing }),
  'POST /organization': changeOrganization,
  'GET /issuer/jwks.json': async ({ issuer }) => ok(await issuer.jwks()),
  'GET /issuer/.well-known/openid-configuration': describeIssuer,
  'POST /issuer/token': issueToken,
};

/** Answers a request below /_sandbox; `path` is what follows. Malformed requests get 400 with `{ error }`. */
export async function answerControlRequest(
  control: Control,
  { method, path, query, body }: { method: string; path: string; query: URLSearchParams; body: string },
): Promise<ControlAnswer> {
  const endpoint = ENDPOINTS[`${method} ${path}`];
  if (!endpoint) return { status: 404, body: { error: `no such endpoint: ${method} /_sandbox${path}` } };
  try {
    const answer = await endpoint(control, { query, body: body === '' ? undefined : parse(body) });
    control.state.flush();
    return answer;
  } catch (error) {
    if (error instanceof BadRequest) return { status: 400, body: { error: error.message } };
    throw error;
  }
}

function ok(body: unknown): ControlAnswer {
  return { status: 200, body };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new BadRequest('the body is not valid JSON');
  }
}

function number(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new BadRequest(`${name} must be a whole number`);
}

function object(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new BadRequest('the body must be a JSON object');
}

function canRead(control: Control, { query }: ControlRequest): ControlAnswer {
  const required = (name: string): string => {
    const value = query.get(name);
    if (!value) throw new BadRequest(`${name} is required`);
    return value;
  };
  const column = query.get('column');
  return ok(
    control.canRead({
      principal: required('principal'),
      account: required('account'),
      database: required('database'),
      table: required('table'),
      ...(column && { column }),
    }),
  );
}

function logText(lines: string[]): ControlAnswer {
  return { status: 200, json: `[${lines.join(',\n')}]` };
}

function readDeliveries({ deliveries }: Control, { query }: ControlRequest): ControlAnswer {
  const [account, bus] = [query.get('account'), query.get('bus')];
  const limit = number(query, 'limit', MAX_ROWS);
  const lines = deliveries.read(number(query, 'after', 0), Number.MAX_SAFE_INTEGER);
  if (!account && !bus) return logText(lines.slice(0, limit));
  const matching = lines.filter((line) => {
    const delivery = JSON.parse(line) as { account: string; bus: string };
    return (!account || delivery.account === account) && (!bus || delivery.bus === bus);
  });
  return logText(matching.slice(0, limit));
}

function addFaults({ faults }: Control, { body }: ControlRequest): ControlAnswer {
  const added = faults.add(body);
  if (typeof added === 'string') throw new BadRequest(added);
  return ok(added);
}

/** Each item is tried on its own: one that AWS would refuse does not keep the others from happening. */
async function applyDrift(control: Control, { body }: ControlRequest): Promise<ControlAnswer> {
  if (!Array.isArray(body)) throw new BadRequest('a list of { service, operation, account, parameters } is expected');
  const calls = body.map((item, index) => driftCall(control, item, index));
  const results = [];
  for (const call of calls) {
    try {
      results.push({ ok: true, output: await runOutOfBand(control, call) });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      results.push({ ok: false, error: error.code, message: error.message });
    }
  }
  return ok(results);
}

function driftCall({ world, region }: Control, item: unknown, index: number) {
  const { service, operation, account, parameters = {}, region: given = region } = object(item);
  if (typeof service !== 'string' || typeof operation !== 'string') {
    throw new BadRequest(`drift[${index}]: service and operation are required`);
  }
  if (typeof account !== 'string' || !world.knowsAccount(account))
    throw new BadRequest(`drift[${index}]: unknown account`);
  return {
    account,
    region: String(given),
    principal: `arn:aws:iam::${account}:role/administrator`,
    session: undefined,
    service: service === 'eventbridge' ? 'events' : service.toLowerCase(),
    operation,
    parameters: object(parameters),
  };
}

function addAccounts({ accounts }: Control, { body }: ControlRequest): ControlAnswer {
  const given = Array.isArray(body) ? body : [object(body).accounts ?? object(body).account].flat();
  if (given.length === 0 || !given.every((account) => /^\d{12}$/.test(String(account)))) {
    throw new BadRequest('accounts must be a list of 12-digit account ids');
  }
  accounts.add(given.map(String));
  return ok(accounts.list());
}

function changeOrganization({ world }: Control, { body }: ControlRequest): ControlAnswer {
  const { ramSharing } = object(body);
  if (typeof ramSharing !== 'boolean') throw new BadRequest('ramSharing must be true or false');
  world.organization.ramSharing = ramSharing;
  return ok({ ramSharing });
}

function describeIssuer({ baseUrl }: Control): ControlAnswer {
  const issuer = `${baseUrl()}/_sandbox/issuer`;
  return ok({
    issuer: ISSUER,
    jwks_uri: `${issuer}/jwks.json`,
    token_endpoint: `${issuer}/token`,
    id_token_signing_alg_values_supported: ['ES256'],
    response_types_supported: ['token'],
    subject_types_supported: ['public'],
  });
}

async function issueToken({ issuer }: Control, { body }: ControlRequest): Promise<ControlAnswer> {
  const { subject, name = subject, groups = [], ttlSeconds = 3600 } = object(body);
  if (typeof subject !== 'string' || typeof name !== 'string') throw new BadRequest('subject and name must be strings');
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    throw new BadRequest('groups must be a list of strings');
  }
  if (typeof ttlSeconds !== 'number' || !(ttlSeconds > 0)) throw new BadRequest('ttlSeconds must be a positive number');
  const request: TokenRequest = { subject, name, groups, ttlSeconds };
  return ok({ access_token: await issuer.issueToken(request), token_type: 'Bearer', expires_in: ttlSeconds });
}
