import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { GraphQLObjectType, getNamedType, isInterfaceType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EVENT_TYPES, upperCase } from '../../src/events/types.js';
import { nodeShapes } from '../../src/governance/read/event.js';
import { ruleOf } from '../../src/governance/read/field-rules.js';
import { fieldsWithoutRule } from '../../src/resolvers/field-rules.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { productOfTest } from '../testkit/product.js';
import { answered, askingOf } from './documents.js';
import { type Answer, buildScene, ROLES, type Role, type Scene, SECRETS } from './scene.js';

/**
 * Every field of the API, asked by everybody, held to the committed list of who is answered. After a change of who may read what,
 * `MATRIX_WRITE=1 npx vitest run test/matrix` writes the list anew: read the difference.
 */
const LIST = new URL('./fields.txt', import.meta.url);

const product = await productOfTest();
const schema = await buildSchema();

/** Where each object that has an id is met, and each answer of the root that is none: `*` stands for all its fields. */
const ENTRIES: [type: string, document: (ids: Record<string, string>) => string, at?: string[]][] = [
  ...(
    [
      ['Domain', 'logistics'],
      ['DataProduct', 'shipments'],
      ['DataProduct', 'draft'],
      ['DataContract', 'contract'],
      ['DataContract', 'imported'],
      ['AccessRequest', 'decided'],
      ['AccessRequest', 'pending'],
      ['AccessRequest', 'deputized'],
      ['AccessGrant', 'grant'],
      ['AccessGrant', 'ended'],
      ['Resource', 'resource'],
      ['ForeignGrant', 'foreign'],
      ['Policy', 'policy'],
      ['EventRoute', 'route'],
      ['DeadLetter', 'letter'],
      ['Deputy', 'pastDeputy'],
      ['DomainEventType', 'eventType'],
      ['ServiceAccount', 'machine'],
      ['ServiceAccount', 'bound'],
      ['PersonalAccessToken', 'token'],
      ['PersonalAccessToken', 'spent'],
    ] as const
  ).map(([type, id]): (typeof ENTRIES)[number] => [
    type,
    (ids) => `{ it: node(id: "${ids[id]}") { ... on ${type} { * } } }`,
  ]),
  ['Viewer', () => '{ it: viewer { * } }'],
  ['MeshEvent', () => '{ it: events(first: 50) { nodes { * } } }', ['nodes']],
  ['QuarantinedEvent', () => '{ it: quarantinedEvents(first: 20) { nodes { * } } }', ['nodes']],
  ['Webhook', () => '{ it: webhooks(first: 20) { nodes { * } } }', ['nodes']],
  ['Deputy', () => '{ it: domain(by: { name: "logistics" }) { deputies { * } } }', ['deputies']],
  ...(
    [
      ['AccessRequestConnection', () => 'accessRequests(first: 20)'],
      ['AccessGrantConnection', () => 'accessGrants(first: 20)'],
      ['DataProductConnection', () => 'dataProducts(first: 20, search: "shipments")'],
      ['DomainConnection', () => 'domains(first: 20)'],
      ['ForeignGrantConnection', () => 'foreignGrants(first: 20)'],
      ['PolicyConnection', () => 'policies(first: 20)'],
      ['ResourceConnection', () => 'resources(first: 20)'],
      ['MeshEventConnection', () => 'events(first: 20)'],
      ['AuditEntryConnection', () => 'auditTrail(first: 50)'],
      ['AuditVerification', () => 'verifyAuditTrail'],
      ['Publisher', () => 'publisher'],
      ['QuarantinedEventConnection', () => 'quarantinedEvents(first: 20)'],
      ['DeadLetterConnection', () => 'deadLetters(first: 20)'],
      [
        'EventPatternTest',
        (ids) =>
          `testEventPattern(first: 20, domain: "${ids.logistics}", pattern: { detail: { subject: { name: ["shipments"] } } })`,
      ],
      [
        'EventRoutePlan',
        (ids) =>
          `planEventRoute(input: { domain: "${ids.logistics}", name: "planned", pattern: { time: [{ prefix: "2" }] },
            targets: ["arn:aws:sqs:eu-west-1:333344445555:matrix"] })`,
      ],
      ['ContractDiff', (ids) => `diffDataContracts(from: "${ids.contract}", to: "${ids.imported}")`],
      [
        'AccessExplanation',
        (ids) => `explainAccess(dataProduct: "${ids.shipments}", principal: "${SECRETS.principal}-2")`,
      ],
      [
        'AccessExplanation',
        (ids) => `explainAccess(dataProduct: "${ids.shipments}", principal: "${SECRETS.principal}")`,
      ],
      [
        'AccessExplanation',
        (ids) =>
          `explainAccess(dataProduct: "${ids.punctuality}", principal: "arn:aws:iam::444455556666:role/analysts")`,
      ],
      ['PrincipalAccessConnection', (ids) => `whoCanAccess(dataProduct: "${ids.shipments}", first: 20)`],
      ['PolicyTrial', (ids) => `tryPolicy(first: 20, input: { policy: "${ids.policy}", version: 3 })`],
      [
        'TagChangePreview',
        (ids) => `previewTagChange(input: { dataProduct: "${ids.punctuality}", classification: RESTRICTED })`,
      ],
      [
        'AccessPlan',
        (ids) =>
          `planAccess(input: { dataProduct: "${ids.orders}", consumerDomain: "${ids.finance}", principals: ["${SECRETS.principal}"],
            grantTo: ACCOUNT, purpose: "Bills" })`,
      ],
    ] as [string, (ids: Record<string, string>) => string][]
  ).map(([type, field]): (typeof ENTRIES)[number] => [type, (ids) => `{ it: ${field(ids)} { * } }`]),
];

const APART = new Set(ENTRIES.map(([type]) => type).filter((type) => !type.endsWith('Connection')));

/** What is null in this scene whoever asks, and why that is so. */
const NEVER: Record<string, string> = {
  'AccessPlan.refusals': 'nothing stands against what is planned here',
  'DataProductPlan.refusals': 'nothing stands against what is planned here',
  'AuditEntry.causationId': 'no entry of the scene follows from another',
  'AuditVerification.fault': 'the trail is intact',
  'AuditVerification.firstBad': 'the trail is intact',
  'AuditVerification.next': 'the trail is short',
  'EventPatternTest.endCursor': 'the log is short',
  'EventRoutePlan.refusals': 'nothing stands against what is planned here',
  'EventRoutePlan.warnings': 'nothing stands against what is planned here',
  'Webhook.removedAt': 'a removed one is listed nowhere',
  'Webhook.removedBy': 'a removed one is listed nowhere',
  'DataProduct.previousAccessMode': 'a change of mode is over within a second',
  'PrincipalAccessConnection.totalCount': 'it is never counted',
  'TableAccess.reason': 'nothing narrows what is read here',
  'TagChangePreview.gains': 'what is stricter gives nobody more',
};

let scene: Scene;
let observed: Map<string, Set<Role>>;
const texts = new Map<Role, string[]>();

beforeAll(async () => {
  scene = await buildScene(product);
  observed = await observe();
}, 240_000);
afterAll(() => scene.owner.end());

async function observe(): Promise<Map<string, Set<Role>>> {
  const found = new Map<string, Set<Role>>();
  for (const [type, document, at = []] of ENTRIES) {
    const { text, paths } = askingOf(schema, type, APART);
    for (const path of paths) found.set(path, found.get(path) ?? new Set());
    const query = document(scene.ids).replace('*', text);
    for (const role of ROLES) {
      const answer = await scene.ask(role, query);
      expectExpected(role, type, answer);
      texts.set(role, [...(texts.get(role) ?? []), JSON.stringify(answer)]);
      for (const path of answered(type, valueAt(answer.data, ['it', ...at]))) found.get(path)?.add(role);
    }
  }
  await observeEvents(found);
  return found;
}

/** One event of each type, several types a request. */
async function observeEvents(found: Map<string, Set<Role>>): Promise<void> {
  const types = Object.keys(EVENT_TYPES);
  for (let from = 0; from < types.length; from += 5) {
    const asked = types.slice(from, from + 5).map((type) => ({ type, ...askingOf(schema, type, APART) }));
    for (const path of asked.flatMap(({ paths }) => paths)) found.set(path, new Set());
    const fragments = asked.map(({ type, text }) => `... on ${type} { ${text} }`).join(' ');
    const query = `{ it: events(first: 5, after: "${scene.ids.beforeExamples}", filter: { types: [${asked.map(({ type }) => upperCase(type)).join(' ')}] }) {
      nodes { __typename ${fragments} } } }`;
    for (const role of ROLES) {
      const answer = await scene.ask(role, query);
      expectExpected(role, types.slice(from, from + 5).join(), answer);
      for (const node of (valueAt(answer.data, ['it', 'nodes']) ?? []) as { __typename: string }[])
        for (const path of answered(node.__typename, node)) found.get(path)?.add(role);
    }
  }
}

/** What stands under these names. */
const valueAt = (data: unknown, names: string[]): unknown =>
  names.reduce((found, name) => (found as Record<string, unknown> | null)?.[name], data);

/** A denial is told as such: what else goes wrong is a fault of the scene, or a bug. */
function expectExpected(role: Role, type: string, { errors }: Answer): void {
  const others = errors.filter(({ extensions }) => !['FORBIDDEN', 'NOT_FOUND'].includes(extensions.code));
  expect(others, `${role} asks for ${type}`).toEqual([]);
}

const inOrder = (roles: Iterable<string>): string => {
  const set = new Set(roles);
  return set.size === ROLES.length ? 'all' : ROLES.filter((role) => set.has(role)).join(' ') || 'nobody';
};

function committed(): Map<string, Set<string>> {
  const lines = existsSync(LIST) ? readFileSync(LIST, 'utf8').split('\n').filter(Boolean) : [];
  return new Map(
    lines.map((line) => {
      const [path = '', roles = ''] = line.split(': ');
      return [path, new Set(roles === 'all' ? ROLES : roles.split(' '))];
    }),
  );
}

describe('who reads which field', () => {
  test('is as it is committed: nobody reads more, and nobody less', () => {
    if (process.env.MATRIX_WRITE) {
      const lines = [...observed].map(([path, roles]) => `${path}: ${inOrder(roles)}\n`);
      writeFileSync(LIST, lines.join(''));
    }
    const rules = committed();
    const unexpected: string[] = [];
    for (const [path, roles] of observed) {
      const allowed = rules.get(path);
      if (!allowed) unexpected.push(`${path} is not in the list`);
      for (const role of ROLES) {
        if (roles.has(role) && allowed && !allowed.has(role)) unexpected.push(`${role} reads ${path}`);
        if (!roles.has(role) && allowed?.has(role)) unexpected.push(`${role} no longer reads ${path}`);
      }
    }
    for (const path of rules.keys()) if (!observed.has(path)) unexpected.push(`${path} is no field any more`);
    expect(unexpected).toEqual([]);
  });

  test('is tried on every field: of each somebody reads it, and no type is left out', () => {
    const met = new Set([...observed].filter(([, roles]) => roles.size > 0).map(([path]) => ownerOf(path)));
    const left = Object.values(schema.getTypeMap())
      .filter((type) => type instanceof GraphQLObjectType && !type.name.startsWith('__'))
      .flatMap((type) => Object.keys((type as GraphQLObjectType).getFields()).map((field) => `${type.name}.${field}`))
      .filter((field) => !met.has(field) && !isElsewhere(field));
    expect(left.sort()).toEqual(Object.keys(NEVER).sort());
  });

  test('has a rule for each field, and a schema with one more does not start', () => {
    expect(fieldsWithoutRule(schema)).toEqual([]);
    const type = schema.getType('AccessRequest') as GraphQLObjectType;
    const { rowFilter } = type.getFields();
    type.getFields().whim = { ...(rowFilter as NonNullable<typeof rowFilter>), name: 'whim' };
    expect(fieldsWithoutRule(schema)).toEqual(['AccessRequest.whim']);
    delete type.getFields().whim;
  });

  test('is not got round by the columns that every read brings', () => {
    const open = new Set([undefined, 'WITH_OBJECT', 'ITSELF']);
    const kept = nodeShapes().flatMap(({ type, always }) => always.filter((column) => !open.has(ruleOf(type, column))));
    expect(kept).toEqual([]);
  });

  test('asks nobody who has not signed in', async () => {
    for (const [type, document] of ENTRIES) {
      const query = document(scene.ids).replace('*', askingOf(schema, type, APART).text);
      for (const headers of [{}, { authorization: 'Bearer not.a.token' }]) {
        const response = await fetch(product.graphql, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ query }),
        });
        expect(response.status).toBe(401);
        expect(((await response.json()) as { data?: unknown }).data).toBeUndefined();
      }
    }
  });
});

/** Payloads and errors are what mutations answer, and progress is streamed alone. */
const isElsewhere = (field: string): boolean =>
  /(Payload|Error|^Query|^Mutation|^Subscription|^ProvisioningProgress)\./.test(field);

/** "AccessRequest.decision.reasons" is AccessDecision.reasons. */
function ownerOf(path: string): string {
  const [root = '', ...fields] = path.split('.');
  let type = schema.getType(root);
  for (const field of fields.slice(0, -1))
    type = isObjectType(type) || isInterfaceType(type) ? getNamedType(type.getFields()[field]!.type) : type;
  return `${type?.name}.${fields.at(-1)}`;
}

const DETAILS: Role[] = [
  ...(['admin', 'producer-owner', 'producer-steward', 'deputy', 'requester'] as const),
  ...(['consumer-owner', 'consumer-steward', 'consumer-member'] as const),
];

describe('who meets with what, wherever it turns up', () => {
  test.each<[keyof typeof SECRETS, Role[]]>([
    ['principal', DETAILS],
    ['rowFilter', DETAILS],
    ['answer', DETAILS],
    ['comment', DETAILS],
    ['verdict', DETAILS],
    ['reason', DETAILS],
    ['role', ['admin', 'producer-owner', 'producer-steward', 'producer-member', 'producer-machine', 'narrow-token']],
    ['token', ['admin', 'producer-owner']],
    ['machine', ['admin', 'producer-owner', 'producer-steward', 'producer-member', 'producer-machine', 'narrow-token']],
    ['quarantined', ['admin', 'producer-owner', 'producer-steward']],
    ['webhook', ['admin', 'producer-owner', 'producer-steward']],
    ['draft', ['admin', 'producer-owner', 'producer-steward', 'narrow-token']],
  ])('%s', async (secret, expected) => {
    for (const role of ROLES) texts.get(role)?.push(...(await eventsOf(role)));
    const met = ROLES.filter((role) =>
      texts.get(role)?.some((text) => text.includes(SECRETS[secret].replace(/.*'(.+)'$/, '$1'))),
    );
    expect(met).toEqual(ROLES.filter((role) => expected.includes(role)));
  });
});

test('a stream tells each what a page tells him', async () => {
  for (const role of ROLES) {
    const query = 'query ($after: EventCursor) { events(first: 100, after: $after) { nodes { sequence data } } }';
    const { data } = await scene.ask(role, query, { after: scene.ids.beforeExamples });
    const { nodes } = (data as { events: { nodes: object[] } }).events;
    expect(await streamed(role, nodes.length), role).toEqual(nodes);
  }
});

/** The first events that somebody is streamed after the scene. */
async function streamed(role: Role, count: number): Promise<object[]> {
  if (count === 0) return [];
  const response = await fetch(`${product.graphql}/stream`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${scene.tokenOf(role)}`,
    },
    body: JSON.stringify({
      query: 'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence data } }',
      variables: { after: scene.ids.beforeExamples },
    }),
  });
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const whole = text.split('\n\n').slice(0, -1);
    const told = whole.flatMap((block) => /^data: (\{.*)$/m.exec(block)?.[1] ?? []).map((line) => JSON.parse(line));
    if (told.length >= count) return told.map((one) => one.data.meshEvents);
  }
  return [];
}

const events = new Map<Role, Promise<string[]>>();
/** All events that somebody may see. */
function eventsOf(role: Role): Promise<string[]> {
  const read = async (): Promise<string[]> => {
    const pages: string[] = [];
    for (let after: string | null = null; ; ) {
      const query = `query ($after: EventCursor) { events(first: 100, after: $after) { nodes { type data actor { subject } } pageInfo { hasNextPage endCursor } } }`;
      const { data }: Answer = await scene.ask(role, query, { after });
      const page = data?.events as { nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
      pages.push(JSON.stringify(page.nodes));
      if (!page.pageInfo.hasNextPage) return pages;
      after = page.pageInfo.endCursor;
    }
  };
  const pages = events.get(role) ?? read();
  events.set(role, pages);
  return pages;
}
