import { readFileSync, writeFileSync } from 'node:fs';
import { GraphQLObjectType, getNamedType, isInterfaceType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeShapes } from '../../src/governance/read/event.js';
import { ruleOf } from '../../src/governance/read/field-rules.js';
import { TABLE } from '../../src/governance/read/field-table.js';
import { applyFieldRules, fieldsWithoutRule } from '../../src/resolvers/field-rules.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { productOfTest } from '../testkit/product.js';
import { type Answer, ROLES, type Role, type Scene, SECRETS } from './cast.js';
import { askingOf } from './documents.js';
import { APART, ENTRIES } from './entries.js';
import { type Readers, readList, writeList } from './list.js';
import { observe } from './observe.js';
import { buildScene } from './scene.js';
import { firstOf } from './stream.js';

/**
 * Every field of the API, asked by everybody, held to the committed list of who is answered. After a change of who may read what,
 * `MATRIX_WRITE=1 npx vitest run test/matrix` writes the list anew: read the difference.
 */
const LIST = new URL('./fields.txt', import.meta.url);

const product = await productOfTest();
const schema = await buildSchema();

/** What is null in this scene whoever asks, and why that is so. */
const NEVER: Record<string, string> = {
  'AccessPlan.refusals': 'nothing stands against what is planned here',
  'DataProductPlan.refusals': 'nothing stands against what is planned here',
  'AuditEntry.causationId': 'no entry of the scene follows from another',
  'AuditVerification.anchorsCompared': 'nothing has been anchored yet',
  'AuditVerification.fault': 'the trail is intact',
  'AuditVerification.firstBad': 'the trail is intact',
  'AuditVerification.next': 'the trail is short',
  'EventNumbers.first': 'the publisher leaves nothing out',
  'EventNumbers.last': 'the publisher leaves nothing out',
  'EventPatternTest.endCursor': 'the log is short',
  'EventRoutePlan.refusals': 'nothing stands against what is planned here',
  'EventRoutePlan.warnings': 'nothing stands against what is planned here',
  'Webhook.removedAt': 'a removed one is listed nowhere',
  'Webhook.removedBy': 'a removed one is listed nowhere',
  'ResourceRepaired.after': 'it is null where all is well again',
  'DataProduct.previousAccessMode': 'a change of mode is over within a second',
  'PrincipalAccessConnection.totalCount': 'it is never counted',
  'TableAccess.reason': 'nothing narrows what is read here',
  'TagChangePreview.gains': 'what is stricter gives nobody more',
};

let scene: Scene;
let observed: Readers;
const texts = new Map<Role, string[]>();

beforeAll(async () => {
  scene = await buildScene(product);
  observed = await observe({ scene, schema, texts });
  for (const role of ROLES) texts.get(role)?.push(...(await eventsOf(role)));
}, 240_000);
afterAll(() => scene.owner.end());

describe('who reads which field', () => {
  test('is as it is committed: nobody reads more, and nobody less', () => {
    if (process.env.MATRIX_WRITE) writeFileSync(LIST, writeList(observed));
    const rules = readList(readFileSync(LIST, 'utf8'));
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
    expect(() => applyFieldRules(schema)).toThrow('AccessRequest.whim');
    delete type.getFields().whim;
  });

  test('has no rule for a field that there is not', () => {
    const ruled = Object.entries(TABLE).flatMap(([type, rules]) =>
      Object.values(rules).flatMap((fields) => fields.split(/\s+/).map((field) => ({ type, field }))),
    );
    const gone = ruled.filter(
      ({ type, field }) => !(schema.getType(type) as GraphQLObjectType | undefined)?.getFields()[field],
    );
    expect(gone).toEqual([]);
  });

  test('is not got round by the columns that every read brings', () => {
    const open = new Set([undefined, 'WITH_OBJECT', 'ITSELF']);
    const kept = nodeShapes().flatMap(({ type, always }) => always.filter((column) => !open.has(ruleOf(type, column))));
    expect(kept).toEqual([]);
  });

  test('asks nobody who has not signed in', async () => {
    for (const { type, document } of ENTRIES) {
      const query = document(scene.ids).replace('*', askingOf({ schema, type, apart: APART }).text);
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

/** Payloads and errors are what mutations answer, and progress is streamed alone: who opens that is asked below. */
const isElsewhere = (field: string): boolean =>
  /(Payload|Error|^Query|^Mutation|^Subscription|^ProvisioningProgress)\./.test(field);

/** "AccessRequest.decision.reasons" is AccessDecision.reasons. */
function ownerOf(path: string): string {
  const [root = '', ...fields] = path.replace(/\(.+?\)/, '').split('.');
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
    const text = 'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence data } }';
    const stream = { text, variables: { after: scene.ids.beforeExamples }, token: scene.tokenOf(role) };
    const told = nodes.length === 0 ? [] : await firstOf(product.graphql, { ...stream, count: nodes.length });
    expect(
      told.map(({ data }) => data?.meshEvents),
      role,
    ).toEqual(nodes);
  }
});

/** It tells how things are as soon as it is open. */
const PROGRESS = 'provisioningProgress(owner: $id)';
const STEERS: Role[] = ['admin', 'producer-owner', 'producer-steward'];
test.each<[field: string, id: string, expected: Role[]]>([
  [`${PROGRESS} { state failures { id } owner { id } }`, 'logistics', STEERS],
  [`${PROGRESS} { state failures { id } owner { id } }`, 'shipments', STEERS],
  [`${PROGRESS} { state failures { id } owner { id } }`, 'grant', [...STEERS, 'consumer-owner', 'consumer-steward']],
  [`${PROGRESS} { state failures { id } owner { id } }`, 'othersGrant', ['admin', 'other-owner']],
  ['dataProductChanged(id: $id) { sequence }', 'shipments', [...ROLES]],
  ['dataProductChanged(id: $id) { sequence }', 'drafted', ['admin']],
  [
    'accessRequestChanged(id: $id) { sequence }',
    'pending',
    ROLES.filter((role) => !['narrow-token', 'other-owner', 'outsider'].includes(role)),
  ],
  ['accessRequestChanged(id: $id) { sequence }', 'othersRequest', ['admin', 'other-owner']],
  ['domainEvents(domain: $id) { sequence }', 'logistics', [...ROLES]],
])('who opens %s on %s', async (field, id, expected) => {
  const opened: Role[] = [];
  for (const role of ROLES) {
    const text = `subscription ($id: ID!) { ${field} }`;
    const stream = { text, variables: { id: scene.ids[id] }, token: scene.tokenOf(role) };
    const [told] = await firstOf(product.graphql, { ...stream, count: field.startsWith(PROGRESS) ? 1 : 0 });
    if (told === undefined || told.data) opened.push(role);
  }
  expect(opened).toEqual(ROLES.filter((role) => expected.includes(role)));
});

/** All events that somebody may see, page by page. */
async function eventsOf(role: Role): Promise<string[]> {
  const pages: string[] = [];
  for (let after: string | null = null; ; ) {
    const query = `query ($after: EventCursor) { events(first: 100, after: $after) { nodes { type data actor { subject } } pageInfo { hasNextPage endCursor } } }`;
    const { data }: Answer = await scene.ask(role, query, { after });
    const page = data?.events as { nodes: unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
    pages.push(JSON.stringify(page.nodes));
    if (!page.pageInfo.hasNextPage) return pages;
    after = page.pageInfo.endCursor;
  }
}
