import pg from 'pg';
import { until } from '../../src/demo/client.js';
import { globalId, PUBLISHER_ID } from '../../src/governance/global-id.js';
import type { Product } from '../testkit/product.js';
import { fillByHand } from './by-hand.js';
import { type Answer, type Kit, ROLES, type Role, type Scene, SECRETS, SUBJECTS } from './cast.js';
import { appendExamples } from './events.js';

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
  ids.publisher = globalId('Publisher', PUBLISHER_ID);
  const kit = { ask, change, ids, owner };
  await makeAccess(kit);
  await makeOthers(kit);
  await makeIdentities(kit, tokens);
  await makePolicies(kit);
  await settled(owner);
  await change('admin', 'pausePublisher', { reason: 'Matrix' }, '__typename');
  await fillByHand(kit);
  ids.beforeExamples = await appendExamples(product, ids);
  await settled(owner);
  return { ask, tokenOf, ids, owner };
}

async function findIds(ask: Scene['ask']): Promise<Record<string, string>> {
  const { data } = await ask(
    'admin',
    `{ logistics: domain(by: { name: "logistics" }) { id } finance: domain(by: { name: "finance" }) { id }
       customer: domain(by: { name: "customer" }) { id }
       shipments: dataProduct(by: { path: "logistics/shipments" }) { id contract { id document } }
       punctuality: dataProduct(by: { path: "logistics/carrier-performance" }) { id }
       orders: dataProduct(by: { path: "commerce/orders" }) { id }
       drafted: dataProduct(by: { path: "commerce/checkout-events" }) { id contracts { id } } }`,
  );
  const found = Object.entries(data ?? {}).map(([name, value]) => [name, (value as { id: string }).id]);
  const { shipments, drafted } = data as {
    shipments: { contract: { id: string; document: string } };
    drafted: { contracts: { id: string }[] };
  };
  const { id: contract, document } = shipments.contract;
  return { ...Object.fromEntries(found), contract, document, draftContract: drafted.contracts[0]?.id ?? '' };
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

/** A draft of logistics, and access to a product of commerce's for customer: nothing to do with logistics and finance. */
async function makeOthers({ change, ids }: Kit): Promise<void> {
  const location = 's3://meshgate-demo-logistics/data/returns';
  const table = { name: 'returns', location, format: 'PARQUET', columns: [{ name: 'id', type: 'string' }] };
  const product = {
    ...{ domain: ids.logistics, name: 'returns', description: 'What came back', owner: 'Team', accessMode: 'NRAC' },
    ...{ classification: 'INTERNAL', tables: [table] },
  };
  ids.draft =
    (await change('producer-owner', 'registerDataProduct', product, 'dataProduct { id }')).dataProduct?.id ?? '';
  const input = {
    ...{ dataProduct: ids.orders, consumerDomain: ids.customer, principals: ['arn:aws:iam::555566667777:role/others'] },
    ...{ tables: ['orders'], columns: ['order_id'], purpose: 'Service' },
  };
  ids.othersRequest =
    (await change('other-owner', 'requestAccess', input, 'accessRequest { id }')).accessRequest?.id ?? '';
  const approved = await change(
    'admin',
    'approveAccessRequest',
    { accessRequest: ids.othersRequest },
    'accessGrant { id }',
  );
  ids.othersGrant = approved.accessGrant?.id ?? '';
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
  const drafted = { domain: ids.logistics, name: 'matrix-drafted', description: 'For the matrix', source: forbidding };
  ids.draftPolicy = (await change('producer-steward', 'createPolicy', drafted, 'policy { id }')).policy?.id ?? '';
  const document = ids.document?.replace('version: 1.4.1', 'version: 1.5.0').replaceAll('weight_grams', 'weight_mg');
  const route = await change(
    'producer-owner',
    'addEventRoute',
    { domain: ids.logistics, name: 'matrix', description: 'For the matrix', ...ROUTE },
    'eventRoute { id }',
  );
  ids.route = route.eventRoute?.id ?? '';
  const eventType = async (detailType: string, visibility = 'DOMAIN') => {
    const input = {
      ...{ domain: ids.logistics, detailType, visibility },
      ...{ schema: { type: 'object' }, description: 'For the matrix' },
    };
    const made = await change('producer-owner', 'registerDomainEventType', input, 'domainEventType { id }');
    return made.domainEventType?.id ?? '';
  };
  ids.eventType = await eventType('Gone');
  ids.meshType = await eventType('Matrix', 'MESH');
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
