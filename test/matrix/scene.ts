import pg from 'pg';
import { until } from '../../src/demo/client.js';
import type { Product } from '../testkit/product.js';
import { appendExamples } from './events.js';

/** Everybody who asks: each by his relation to logistics, which gives, finance, which reads, and customer, which has no part in it. */
export const ROLES = [
  'admin',
  'producer-owner',
  'producer-steward',
  'producer-member',
  'producer-machine',
  'deputy',
  'narrow-token',
  'requester',
  'consumer-owner',
  'consumer-steward',
  'consumer-member',
  'other-owner',
  'outsider',
] as const;
export type Role = (typeof ROLES)[number];

/** The requester has left finance since he asked; the deputy decides for the owner of logistics, and has no other part in it. */
const SUBJECTS: Partial<Record<Role, string>> = {
  admin: 'ada.admin',
  'producer-owner': 'lena.fischer',
  'producer-steward': 'tomasz.nowak',
  'producer-member': 'elif.kaya',
  deputy: 'dora.deputy',
  requester: 'gone.asker',
  'consumer-owner': 'sofia.rossi',
  'consumer-steward': 'pierre.laurent',
  'consumer-member': 'oskar.lind',
  'other-owner': 'amina.diallo',
  outsider: 'otto.outsider',
};

export interface Answer {
  status: number;
  data: Record<string, unknown> | null;
  errors: { message: string; path?: (string | number)[]; extensions: { code: string } }[];
}

/** A mesh in which every field that there is has something to tell. */
export interface Scene {
  ask(role: Role, query: string, variables?: object): Promise<Answer>;
  tokenOf(role: Role): string;
  /** Global ids by what they name. */
  ids: Record<string, string>;
  owner: pg.Pool;
}

/** Words that some may read and others not, wherever they turn up. */
export const SECRETS = {
  principal: 'arn:aws:iam::444455556666:role/reader/matrix-principal',
  rowFilter: "carrier_code = 'MATRIX-FILTER'",
  answer: 'matrix-answer',
  comment: 'matrix-comment',
  verdict: 'matrix-verdict',
  reason: 'matrix-reason',
  role: 'role/matrix-crawler',
  token: 'matrix-token',
  machine: 'matrix-machine',
  draft: 'matrix-draft',
  webhook: 'matrix-webhook',
  quarantined: 'matrix-quarantined',
} as const;

const asText = (error: unknown): string => JSON.stringify(error);

/** Fills the demo mesh by the public API, and by hand with what only time or AWS would bring. */
export async function buildScene(product: Product): Promise<Scene> {
  const owner = new pg.Pool({ connectionString: product.ownerUrl, max: 2 });
  const tokens = new Map<Role, string>();
  for (const role of ROLES) {
    const subject = SUBJECTS[role];
    if (subject) tokens.set(role, await product.tokenOf(subject));
  }
  const tokenOf = (role: Role): string => tokens.get(role) ?? '';
  const ask: Scene['ask'] = async (role, query, variables = {}) => {
    const response = await fetch(product.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokenOf(role)}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data = null, errors = [] } = (await response.json()) as Partial<Answer>;
    return { status: response.status, data, errors };
  };
  const change = async (role: Role, name: string, input: object, fields: string) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const inputType = /^(approve|reject)/.test(name) ? 'DecideAccessRequest' : type;
    const text = `mutation ($input: ${inputType}Input!) { ${name}(input: $input) { __typename ... on ${type}Payload { ${fields} } ... on UserError { code message } } }`;
    const { data, errors } = await ask(role, text, { input });
    const payload = data?.[name] as Record<string, never> | undefined;
    if (payload?.__typename !== `${type}Payload`) throw new Error(asText({ name, data, errors }));
    return payload as Record<string, { id: string }> & Record<string, never>;
  };
  const ids = await findIds(ask);
  const kit = { ask, change, ids, owner };
  await makeAccess(kit);
  await makeIdentities(kit, tokens);
  await makePolicies(kit);
  await settled(owner);
  ids.beforeExamples = await appendExamples(product, ids);
  await settled(owner);
  await change('admin', 'pausePublisher', { reason: 'Matrix' }, '__typename');
  await fillByHand(kit);
  return { ask, tokenOf, ids, owner };
}

interface Kit {
  ask: Scene['ask'];
  change: (role: Role, name: string, input: object, fields: string) => Promise<Record<string, { id: string }>>;
  ids: Record<string, string>;
  owner: pg.Pool;
}

async function findIds(ask: Scene['ask']): Promise<Record<string, string>> {
  const { data } = await ask(
    'admin',
    `{ logistics: domain(by: { name: "logistics" }) { id } finance: domain(by: { name: "finance" }) { id }
       shipments: dataProduct(by: { path: "logistics/shipments" }) { id contract { id document } }
       punctuality: dataProduct(by: { path: "logistics/carrier-performance" }) { id }
       orders: dataProduct(by: { path: "commerce/orders" }) { id }
       draft: dataProduct(by: { path: "commerce/checkout-events" }) { id } }`,
  );
  const found = Object.entries(data ?? {}).map(([name, value]) => [name, (value as { id: string }).id]);
  const { contract } = (data as { shipments: { contract: { id: string; document: string } } }).shipments;
  return { ...Object.fromEntries(found), contract: contract.id, document: contract.document };
}

/** Requests in every state that tells something, and their grants. */
async function makeAccess({ change, ids }: Kit): Promise<void> {
  const questions = { type: 'object', properties: { why: { type: 'string' } }, required: ['why'] };
  await change(
    'producer-owner',
    'updateDataProduct',
    { dataProduct: ids.shipments, requestTemplate: questions },
    '__typename',
  );
  const until = new Date(Date.now() + 10 * 86_400_000).toISOString();
  for (const deputy of ['dora.deputy', 'past.deputy'])
    await change('producer-owner', 'nameDeputy', { domain: ids.logistics, deputy, until }, '__typename');
  await change(
    'admin',
    'addDomainMember',
    { domain: ids.finance, subject: 'gone.asker', role: 'MEMBER' },
    '__typename',
  );
  const input = {
    ...{ dataProduct: ids.shipments, consumerDomain: ids.finance, principals: [SECRETS.principal] },
    ...{ tables: ['shipments'], rowFilter: SECRETS.rowFilter, purpose: 'Bills', namedPurpose: 'billing' },
    ...{ answers: { why: SECRETS.answer }, expiresAt: new Date(Date.now() + 30 * 86_400_000).toISOString() },
  };
  const requested = async (columns: string[], principal: string = SECRETS.principal) =>
    (await change('requester', 'requestAccess', { ...input, columns, principals: [principal] }, 'accessRequest { id }'))
      .accessRequest?.id ?? '';
  const granted = async (accessRequest: string, decider: Role = 'producer-owner') =>
    (
      await change(
        decider,
        'approveAccessRequest',
        { accessRequest, comment: SECRETS.verdict, expiresAt: input.expiresAt },
        'accessGrant { id }',
      )
    ).accessGrant?.id ?? '';
  ids.decided = await requested(['shipment_id']);
  ids.pending = await requested(['carrier_code']);
  const leaving = await requested(['shipment_id', 'carrier_code']);
  await change(
    'requester',
    'commentAccessRequest',
    { accessRequest: ids.decided, text: SECRETS.comment },
    '__typename',
  );
  await change(
    'requester',
    'commentAccessRequest',
    { accessRequest: ids.pending, text: SECRETS.comment },
    '__typename',
  );
  ids.grant = await granted(ids.decided);
  ids.deputized = await requested(['shipment_id'], `${SECRETS.principal}-2`);
  await granted(ids.deputized, 'deputy');
  ids.ended = await granted(leaving);
  const later = new Date(Date.now() + 60 * 86_400_000).toISOString();
  const { accessRequest } = await change(
    'requester',
    'extendAccess',
    { accessGrant: ids.grant, expiresAt: later },
    'accessRequest { id }',
  );
  ids.extension = accessRequest?.id ?? '';
  await change('producer-owner', 'revokeAccess', { accessGrant: ids.ended, reason: SECRETS.reason }, '__typename');
  await change('admin', 'removeDomainMember', { domain: ids.finance, subject: 'gone.asker' }, '__typename');
}

/** A machine of logistics, and a token of its owner that reads the catalogue alone. */
async function makeIdentities({ ask, change, ids }: Kit, tokens: Map<Role, string>): Promise<void> {
  const machine = await change(
    'producer-owner',
    'registerServiceAccount',
    { domain: ids.logistics, name: SECRETS.machine, description: 'Loads' },
    'secret serviceAccount { id }',
  );
  tokens.set('producer-machine', String(machine.secret));
  ids.machine = machine.serviceAccount?.id ?? '';
  const input = { name: SECRETS.token, scopes: ['CATALOGUE_READ'] };
  const token = await change('producer-owner', 'createPersonalAccessToken', input, 'secret personalAccessToken { id }');
  tokens.set('narrow-token', String(token.secret));
  ids.token = token.personalAccessToken?.id ?? '';
  const spent = await change(
    'producer-owner',
    'createPersonalAccessToken',
    { ...input, name: `${SECRETS.token}-spent` },
    'personalAccessToken { id }',
  );
  ids.spent = spent.personalAccessToken?.id ?? '';
  await change('producer-owner', 'revokePersonalAccessToken', { personalAccessToken: ids.spent }, '__typename');
  await ask('narrow-token', '{ viewer { subject } }');
  await ask('producer-machine', '{ viewer { subject } }');
}

/** A policy of logistics that decides, with a draft after it. */
async function makePolicies({ change, ids }: Kit): Promise<void> {
  const source = (tag: string) =>
    `@reason("Matrix.") forbid (principal, action == Action::"publish", resource in Domain::"logistics") when { resource.tags.contains("${tag}") };`;
  const forbidding = `@reason("${SECRETS.draft}") forbid (principal, action == Action::"submit", resource in Domain::"logistics");`;
  const made = await change(
    'producer-steward',
    'createPolicy',
    { domain: ids.logistics, name: 'matrix', description: 'For the matrix', source: source('first') },
    'policy { id }',
  );
  ids.policy = made.policy?.id ?? '';
  await change('producer-steward', 'activatePolicy', { policy: ids.policy, version: 1 }, '__typename');
  await change('producer-steward', 'draftPolicy', { policy: ids.policy, source: source('second') }, '__typename');
  await change('producer-steward', 'activatePolicy', { policy: ids.policy, version: 2 }, '__typename');
  await change('producer-steward', 'draftPolicy', { policy: ids.policy, source: forbidding }, '__typename');
  const document = ids.document?.replace('version: 1.4.1', 'version: 1.5.0').replaceAll('weight_grams', 'weight_mg');
  const route = await change(
    'producer-owner',
    'addEventRoute',
    { domain: ids.logistics, name: 'matrix', description: 'For the matrix', ...ROUTE },
    'eventRoute { id }',
  );
  ids.route = route.eventRoute?.id ?? '';
  const eventType = async (detailType: string) => {
    const input = { domain: ids.logistics, detailType, schema: { type: 'object' }, description: 'For the matrix' };
    const made = await change('producer-owner', 'registerDomainEventType', input, 'domainEventType { id }');
    return made.domainEventType?.id ?? '';
  };
  ids.eventType = await eventType('Gone');
  await eventType('Matrix');
  const contract = await change(
    'producer-owner',
    'importDataContract',
    { dataProduct: ids.shipments, document },
    'dataContract { id }',
  );
  ids.imported = contract.dataContract?.id ?? '';
}

const ROUTE = {
  pattern: { 'detail-type': ['DataProductReady'] },
  targets: ['arn:aws:sqs:eu-west-1:333344445555:matrix'],
};

/** Waits until AWS agrees with all that is wanted and every event is numbered. */
export async function settled(owner: pg.Pool): Promise<void> {
  await until(
    'All has come to rest',
    async () => {
      const { rows } = await owner.query<{ busy: boolean }>(
        `SELECT EXISTS (SELECT FROM "Resource" WHERE "status" NOT IN ('READY', 'REMOVED')) OR EXISTS (SELECT FROM "EventPending")
           OR EXISTS (SELECT FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'REVOKING')) AS "busy"`,
      );
      return rows[0]?.busy ? undefined : true;
    },
    60_000,
  );
}

export const rowId = (id: string | undefined): string =>
  Buffer.from(id ?? '', 'base64url')
    .toString()
    .split(':')[1] ?? '';

/** What only time, a failure or somebody's hand in AWS would bring. */
async function fillByHand({ owner, ids }: Kit): Promise<void> {
  const set = (text: string, values: unknown[] = []) => owner.query(text, values);
  await set(
    `UPDATE "Domain" SET "crawlerRoleArn" = 'arn:aws:iam::333344445555:${SECRETS.role}',
       "kmsKeyArn" = 'arn:aws:kms:eu-west-1:333344445555:key/matrix' WHERE "id" = $1`,
    [rowId(ids.logistics)],
  );
  const { rows } = await set(
    `SELECT r."id", r."account" FROM "Resource" r JOIN "ResourceClaim" c ON c."resourceId" = r."id"
     WHERE c."ownerId" = $1 AND r."kind" = 'LfGrant' AND r."account" = '111122223333' LIMIT 1`,
    [rowId(ids.grant)],
  );
  const [{ id, account }] = rows as [{ id: string; account: string }];
  ids.resource = Buffer.from(`Resource:${id}`).toString('base64url');
  const drift = {
    ...{ foundAt: new Date().toISOString(), differences: ['a permission more'], observed: { permissions: ['ALTER'] } },
    ...{ acknowledgedAt: new Date().toISOString(), acknowledgedBy: 'lena.fischer', reason: 'known' },
  };
  const error = {
    code: 'AccessDenied',
    message: `Not for ${SECRETS.principal}`,
    awsRequestId: 'r-1',
    since: drift.foundAt,
  };
  await set(
    `UPDATE "Resource" SET "drift" = $2, "lastError" = $3, "unhealthySince" = now(), "observed" = '{"seen": true}',
       "nextAttemptAt" = now() + interval '1 day' WHERE "id" = $1`,
    [id, drift, error],
  );
  const { rows: foreign } = await set(
    `INSERT INTO "ForeignGrant" ("id", "account", "region", "principal", "resource", "permissions", "resourceId", "acknowledgedAt",
       "acknowledgedBy", "reason", "lastError", "tries")
     VALUES (gen_random_uuid(), $1, 'eu-west-1', 'arn:aws:iam::123412341234:role/stranger', 'table x',
       '{"permissions": ["SELECT"], "grantable": ["SELECT"]}', $2, now(), 'lena.fischer', 'known', $3, 1) RETURNING "id"::text`,
    [account, id, error],
  );
  ids.foreign = Buffer.from(`ForeignGrant:${foreign[0]?.id}`).toString('base64url');
  const { rows: letters } = await set(
    `INSERT INTO "DeadLetter" ("id", "seq", "part", "eventId", "type", "entry", "code", "message", "attempts", "status", "redriveId",
       "redrivenBy", "sentAt")
     SELECT gen_random_uuid(), "seq", 0, "id", "type", '{"detailType": "DomainReady"}', 'MalformedDetail', 'no', 1, 'SENT',
       gen_random_uuid(), 'ada.admin', now() FROM "Event" ORDER BY "seq" LIMIT 1 RETURNING "id"::text`,
  );
  ids.letter = Buffer.from(`DeadLetter:${letters[0]?.id}`).toString('base64url');
  const report = {
    ...{ status: 'FAILED', message: 'no link', tables: ['shipments'], told: {} },
    ...{ reportedBy: 'lena.fischer', reportedAt: new Date().toISOString() },
  };
  await set(
    `UPDATE "DataProduct" SET "provisioningReport" = $2, "deprecatedAt" = now(), "retiredAt" = now() WHERE "id" = $1`,
    [rowId(ids.shipments), report],
  );
  await set(`UPDATE "DataContract" SET "warnings" = $2, "quality" = $3, "sla" = $4 WHERE "id" = $1`, [
    rowId(ids.imported),
    JSON.stringify([{ path: 'x', reason: 'odd' }]),
    JSON.stringify([
      {
        ...{
          table: 'shipments',
          column: 'shipment_id',
          description: 'unique',
          dimension: 'uniqueness',
          type: 'library',
        },
        ...{ rule: 'duplicateCount', query: 'SELECT 1', severity: 'error', unit: 'rows', thresholds: { mustBe: 0 } },
      },
    ]),
    JSON.stringify([{ property: 'freshness', value: 2, unit: 'h', element: 'shipments', driver: 'regulatory' }]),
  ]);
  await set(`UPDATE "SchemaVersion" SET "violations" = $2 WHERE "productId" = $1`, [
    rowId(ids.shipments),
    JSON.stringify([{ kind: 'missing', path: 'x', message: 'gone' }]),
  ]);
  await set(
    `UPDATE "ProductColumn" SET "classification" = 'INTERNAL' WHERE "tableId" IN (SELECT "id" FROM "ProductTable" WHERE "productId" = $1)`,
    [rowId(ids.shipments)],
  );
  const removed = async (name: string, subject: string, issuer: string | null) => {
    const { rows } = await set(
      `INSERT INTO "ServiceAccount" ("id", "domainId", "name", "subject", "issuer", "issuerSubject", "createdBy", "removedAt", "removedBy")
       VALUES (gen_random_uuid(), $1, $2, $3, $4, $4, 'lena.fischer', now(), 'lena.fischer') RETURNING "id"::text`,
      [rowId(ids.logistics), name, subject, issuer],
    );
    return String(rows[0]?.id);
  };
  const bound = await removed('gone-bound', 'gone', 'https://id.test');
  ids.bound = Buffer.from(`ServiceAccount:${bound}`).toString('base64url');
  await set(
    `INSERT INTO "ServiceAccountSecret" ("id", "serviceAccountId", "hash", "createdBy", "expiresAt", "revokedAt", "revokedBy")
     VALUES (gen_random_uuid(), $1, sha256('gone'), 'lena.fischer', now() + interval '1 day', now(), 'lena.fischer')`,
    [rowId(ids.machine)],
  );
  const { rows: ended } = await set(
    `UPDATE "Deputy" SET "endedAt" = now(), "endedBy" = 'lena.fischer' WHERE "deputy" = 'past.deputy' RETURNING "id"::text`,
  );
  ids.pastDeputy = Buffer.from(`Deputy:${ended[0]?.id}`).toString('base64url');
  await set(`UPDATE "AccessRequest" SET "escalatedTo" = 'OWNERS', "escalatedAt" = now() WHERE "id" = $1`, [
    rowId(ids.pending),
  ]);
  await set(
    `WITH hook AS (
       INSERT INTO "Webhook" ("id", "domainId", "name", "url", "filter", "status", "disabledReason", "disabledAt", "secretVersion",
         "previousSecretEndsAt", "createdBy")
       VALUES (gen_random_uuid(), $1, $2, 'https://hooks.test/matrix', '{"types": ["AccessGranted"]}', 'DISABLED', 'by hand', now(), 2, now(),
         'lena.fischer') RETURNING "id"
     ), progress AS (
       INSERT INTO "WebhookProgress" ("webhookId", "position", "failingSince", "failures", "pausedUntil")
       SELECT "id", 1, now(), 1, now() FROM hook
     ), deliveries AS (
       INSERT INTO "WebhookDelivery" ("id", "webhookId", "kind", "messageId", "seq", "eventType", "subjectId", "status", "nextAttemptAt")
       SELECT gen_random_uuid(), "id", 'EVENT', gen_random_uuid(), 1, 'AccessGranted', gen_random_uuid(), 'PENDING', now() + interval '1 day'
       FROM hook RETURNING "id"
     ) INSERT INTO "WebhookAttempt" ("id", "deliveryId", "number", "startedAt", "milliseconds", "statusCode", "error")
       SELECT gen_random_uuid(), "id", 1, now(), 5, 500, 'no' FROM deliveries`,
    [rowId(ids.logistics), SECRETS.webhook],
  );
  await set(
    `INSERT INTO "QualityResult" ("productId", "table", "resultId", "score", "state", "rulesSucceeded", "rulesFailed", "rulesSkipped", "evaluatedAt")
     VALUES ($1, 'shipments', 'r-1', 0.9, 'FAILED', 9, 1, 1, now())`,
    [rowId(ids.shipments)],
  );
  await set(
    `INSERT INTO "QuarantinedEvent" ("id", "key", "account", "eventId", "source", "detailType", "reason", "explanation", "body", "bytes",
       "status", "resolvedAt", "resolvedBy", "comment")
     VALUES (gen_random_uuid(), 'matrix', '333344445555', 'e-1', 'matrix', 'Matrix', 'INVALID_DETAIL', 'no', $1, octet_length($1), 'DISCARDED', now(),
       'lena.fischer', 'no use')`,
    [SECRETS.quarantined],
  );
  await set(`UPDATE "DomainEventType" SET "removedAt" = now(), "removedBy" = 'lena.fischer' WHERE "id" = $1`, [
    rowId(ids.eventType),
  ]);
  await set(`UPDATE "PersonalAccessToken" SET "lastUsedAt" = now() WHERE "id" = $1`, [rowId(ids.token)]);
}
