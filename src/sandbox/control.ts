import {
  answerBy,
  BadRequest,
  type ControlAnswer,
  type ControlRequest,
  type Endpoint,
  FAULT_ENDPOINTS,
  json,
  logText,
  MAX_ROWS,
  number,
  object,
  ok,
} from './control-endpoints.js';
import { stateOf } from './control-state.js';
import type { Front } from './front.js';
import { runOutOfBand } from './front.js';
import { ISSUER, type Issuer, type TokenRequest } from './issuer.js';
import { LAKE_ENDPOINTS } from './lake-endpoints.js';
import type { LineLog } from './line-log.js';
import { AwsError } from './service.js';
import { tellAsService } from './service-events.js';
import type { Storage } from './storage.js';
import { STORAGE_ENDPOINTS } from './storage-endpoints.js';

/** What the control endpoints steer. */
export interface Control extends Front {
  deliveries: LineLog;
  issuer: Issuer;
  storage: Storage;
  accounts: { list(): string[]; add(accounts: string[]): void };
  region: string;
  baseUrl: () => string;
}

const ENDPOINTS: Record<string, Endpoint<Control>> = {
  ...FAULT_ENDPOINTS,
  ...LAKE_ENDPOINTS,
  ...STORAGE_ENDPOINTS,
  'GET /deliveries': readDeliveries,
  'GET /state': (control, { query }) => ok(stateOf(control.state, query.get('account') ?? undefined)),
  'POST /drift': applyDrift,
  'POST /service-events': tellServiceEvents,
  'GET /accounts': ({ accounts }) => ok(accounts.list()),
  'POST /accounts': addAccounts,
  'GET /organization': ({ world }) => ok({ ramSharing: world.organization.ramSharing }),
  'POST /organization': changeOrganization,
  'GET /issuer/jwks.json': async ({ issuer }) => ok(await issuer.jwks()),
  'GET /issuer/.well-known/openid-configuration': describeIssuer,
  'POST /issuer/token': issueToken,
};

/** Answers a request below /_sandbox. */
export function answerControlRequest(control: Control, request: ControlRequest): Promise<ControlAnswer> {
  return answerBy(ENDPOINTS, control, request);
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

/** Each item is tried on its own: one that AWS would refuse does not keep the others from happening. */
async function applyDrift(control: Control, request: ControlRequest): Promise<ControlAnswer> {
  const body = json(request);
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
    outOfBand: true,
  };
}

/** Events that services of AWS tell and that nothing in the sandbox leads to, such as results of data quality. */
async function tellServiceEvents({ world, region }: Control, request: ControlRequest): Promise<ControlAnswer> {
  const body = json(request);
  if (!Array.isArray(body)) throw new BadRequest('a list of { account, source, detailType, detail } is expected');
  for (const item of body) {
    const { account, source, detailType, detail } = object(item);
    if (typeof account !== 'string' || !world.knowsAccount(account)) throw new BadRequest('unknown account');
    if (typeof source !== 'string' || !source.startsWith('aws.')) throw new BadRequest('source begins with aws.');
    if (typeof detailType !== 'string') throw new BadRequest('detailType is a text');
    await tellAsService(world, { account, region, source, detailType, detail: object(detail) });
  }
  return ok({ told: body.length });
}

function addAccounts({ accounts }: Control, request: ControlRequest): ControlAnswer {
  const body = json(request);
  const given = Array.isArray(body) ? body : [object(body).accounts ?? object(body).account].flat();
  if (given.length === 0 || !given.every((account) => /^\d{12}$/.test(String(account)))) {
    throw new BadRequest('accounts must be a list of 12-digit account ids');
  }
  accounts.add(given.map(String));
  return ok(accounts.list());
}

function changeOrganization({ world }: Control, request: ControlRequest): ControlAnswer {
  const { ramSharing } = object(json(request));
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

async function issueToken({ issuer }: Control, request: ControlRequest): Promise<ControlAnswer> {
  const { subject, name = subject, groups = [], ttlSeconds = 3600 } = object(json(request));
  if (typeof subject !== 'string' || typeof name !== 'string') throw new BadRequest('subject and name must be strings');
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    throw new BadRequest('groups must be a list of strings');
  }
  if (typeof ttlSeconds !== 'number' || !(ttlSeconds > 0)) throw new BadRequest('ttlSeconds must be a positive number');
  const wish: TokenRequest = { subject, name, groups, ttlSeconds };
  return ok({ access_token: await issuer.issueToken(wish), token_type: 'Bearer', expires_in: ttlSeconds });
}
