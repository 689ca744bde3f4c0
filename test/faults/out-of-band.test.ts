import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { payload, until } from '../../src/demo/client.js';
import type { UpdateDomainInput } from '../../src/generated/graphql/graphql.js';
import { globalId } from '../../src/governance/global-id.js';
import { disagreements, isAtRest } from '../testkit/mesh-checker.js';
import { GOVERNANCE, type MeshProcess, processMeshOfTest } from '../testkit/process-mesh.js';
import { RetryResource, UpdateDomain } from './documents.js';
import { CONSUMER, type Market, openMarket, PRODUCER, range, reader, together } from './market.js';
import { befall, type Change, type Target, targetsOf } from './out-of-band.js';
import { atScale } from './scale.js';

/** What others change behind Meshgate's back, in the governance account and in the consumer's, drawn from all that can be. */
const DRIFT_SECONDS = atScale({ quick: 4, soak: 6 });
/** What a busy machine may add; in `npm run test:soak` it is not busy. */
const NOISE_SECONDS = atScale({ quick: 22, soak: 3 });
const SIZE = atScale({ quick: 1, soak: 3 });

const mesh = await processMeshOfTest({ accounts: [PRODUCER, CONSUMER] });
let api: MeshProcess;
let market: Market;

beforeAll(async () => {
  api = await mesh.api();
  const worker = await mesh.worker({ environment: { MESHGATE_DRIFT_PERIOD: `PT${DRIFT_SECONDS}S` } });
  await Promise.all([api.start(), worker.start()]);
  market = await openMarket(mesh, [api]);
  const carts = await market.publish('carts');
  const give = async (wish: Parameters<Market['request']>[0]) => market.approve(await market.request(wish));
  await together(range(12 * SIZE), (n) => give({ principals: [reader(n)], ...WISHES[n % WISHES.length] }));
  await together(range(2), (n) => give({ principals: [reader(`carts-${n}`)], product: carts }));
  await resting();
});

/** Whole tables, columns, rows, and what goes through the account. */
const WISHES = [
  { tables: ['orders', 'returns'] },
  { tables: ['orders'], columns: ['orders.id', 'orders.city'] },
  { tables: ['returns'], rowFilter: "reason = 'late'" },
  { tables: ['returns'], grantTo: 'ACCOUNT' as const },
];

const resting = (): Promise<unknown> =>
  until('all has come to rest', async () => ((await isAtRest(mesh)) ? true : undefined), 30_000);

async function setPolicies(policies: Pick<UpdateDomainInput, 'driftPolicy' | 'foreignGrantPolicy'>): Promise<void> {
  for (const domain of Object.values(market.domains)) {
    await market.ask('admin', async (execute) =>
      payload((await execute(UpdateDomain, { input: { domain, ...policies } })).updateDomain),
    );
  }
}

const OF_READERS = `"spec" ->> 'principal' LIKE '%:role/reader-%' AND "spec" #>> '{resource,type}' IN ('TABLE', 'DATABASE')`;
/** The links that are deleted and the tables that are changed are those of carts, and nothing else befalls carts. */
const CARTS = `"key" LIKE '%carts%'`;
const isIn = (account: string): string => `"account" = '${account}' AND NOT ${CARTS}`;

interface Drawn {
  change: Change;
  target: Target;
}

/** So many objects for each change, none twice. */
async function draw(lots: { change: Change; more: string; count: number }[]): Promise<Drawn[]> {
  const drawn: Drawn[] = [];
  for (const { change, more, count } of lots) {
    const free = (await targetsOf(mesh, change, more)).filter(
      ({ id }) => !drawn.some(({ target }) => target.id === id),
    );
    expect(free.length, `${change} where ${more}`).toBeGreaterThanOrEqual(count);
    drawn.push(...range(count).map((n) => ({ change, target: free[Math.floor((n * free.length) / count)] as Target })));
  }
  return drawn;
}

const foreignOf = (drawn: Drawn[]): Drawn[] =>
  drawn.filter(({ change }) => change === 'somebody else is granted something');
const ownOf = (drawn: Drawn[]): Drawn[] => drawn.filter((one) => !foreignOf([one]).length);
const namesOf = (targets: Target[]): string[] => targets.map(({ kind, account, key }) => `${kind} ${account} ${key}`);

/** What stands on an object that is deleted goes with it. */
async function goneWith(drawn: Drawn[]): Promise<Target[]> {
  const deleted = drawn.filter(({ change }) => change === 'a link is deleted' || change === 'a filter is deleted');
  const keys = deleted.map(({ target: { account, key } }) => `${account}/${key}`);
  return mesh.query<Target>(
    `SELECT * FROM "Resource" WHERE "kind" IN ('LfGrant', 'ShareAcceptance')
     AND regexp_replace("key", '^.* (on|from) (table|filter) ', '') = ANY ($1)`,
    [keys],
  );
}

interface Told {
  own: string[];
  foreign: string[];
}

/** Whom events of this type after this one are about, once for each event. */
async function told(type: string, after: number): Promise<Told> {
  const rows = await mesh.query<{ name: string; foreign: string | null }>(
    `SELECT concat_ws(' ', "data" ->> 'kind', "data" ->> 'account', "data" ->> 'key') AS name,
       "data" #>> '{foreignGrant,principal}' AS foreign
     FROM "Event" WHERE "type" = $1 AND "seq" > $2 ORDER BY 1`,
    [type, after],
  );
  const names = (foreign: boolean) => rows.filter((row) => (row.foreign !== null) === foreign).map(({ name }) => name);
  return { own: names(false), foreign: names(true) };
}

const lastEvent = async (): Promise<number> =>
  Number((await mesh.query<{ seq: string }>(`SELECT max("seq")::text AS seq FROM "Event"`))[0]?.seq);

/** What Meshgate itself called since then that changes anything in Glue, Lake Formation and SQS. */
async function writesSince(call: number): Promise<string[]> {
  const calls = await mesh.sandbox.calls(call);
  return calls
    .filter(
      ({ principal, operation }) =>
        !principal.includes('role/administrator') && !/^(Get|List|Describe|Receive)/.test(operation),
    )
    .filter(({ service }) => ['lakeformation', 'glue', 'sqs'].includes(service))
    .map(({ operation }) => operation);
}

const without = (names: string[], known: string[]): string[] => names.filter((name) => !known.includes(name));

const lots = (size: number): Parameters<typeof draw>[0] => [
  { change: 'a grant is taken away', more: `${OF_READERS} AND ${isIn(GOVERNANCE)}`, count: 3 * size },
  { change: 'a grant is taken away', more: `${OF_READERS} AND ${isIn(CONSUMER)}`, count: 3 * size },
  { change: 'a grant is widened', more: `${OF_READERS} AND ${isIn(GOVERNANCE)}`, count: 2 * size },
  { change: 'a grant is widened', more: `${OF_READERS} AND ${isIn(CONSUMER)}`, count: 2 * size },
  { change: 'somebody else is granted something', more: isIn(GOVERNANCE), count: 2 },
  { change: 'somebody else is granted something', more: isIn(CONSUMER), count: 2 },
  { change: 'a table is changed', more: CARTS, count: 2 },
  { change: 'a link is deleted', more: `"account" = '${CONSUMER}' AND ${CARTS}`, count: 2 },
  { change: 'a tag is taken off', more: isIn(GOVERNANCE), count: 1 },
  { change: 'a filter is deleted', more: isIn(GOVERNANCE), count: 1 },
  { change: 'a queue loses its policy', more: isIn(GOVERNANCE), count: 1 },
];

test('changes out of band are found and put right within one drift period, what nobody asked for is revoked, and nothing else is touched', {
  timeout: 120_000,
}, async () => {
  await setPolicies({ driftPolicy: 'REPAIR', foreignGrantPolicy: 'REVOKE' });
  const drawn = await draw(lots(SIZE));
  const [since, dependent] = [await lastEvent(), namesOf(await goneWith(drawn))];
  for (const { change, target } of drawn) await befall(mesh, change, target);
  const changedAt = Date.now();
  const [own, foreign] = [ownOf(drawn), foreignOf(drawn)].map((some) =>
    namesOf(some.map(({ target }) => target)).sort(),
  );
  const isDone = async (): Promise<true | undefined> => {
    const repaired = await told('ResourceRepaired', since);
    const isAll = without(own!, repaired.own).length === 0 && without(foreign!, repaired.foreign).length === 0;
    return isAll && (await isAtRest(mesh)) ? true : undefined;
  };
  await until('all is put right', isDone, 40_000).catch(async (error: Error) => {
    const repaired = await told('ResourceRepaired', since);
    const missing = [...without(own!, repaired.own), ...without(foreign!, repaired.foreign)];
    throw new Error([error.message, ...missing, ...(await disagreements(mesh))].join('\n'));
  });
  expect(Date.now() - changedAt).toBeLessThanOrEqual((DRIFT_SECONDS + NOISE_SECONDS) * 1_000);
  for (const type of ['ResourceDrifted', 'ResourceRepaired']) {
    const { own: about, foreign: others } = await told(type, since);
    expect(without(about, [...own!, ...dependent])).toEqual([]);
    expect(about.filter((name) => own!.includes(name))).toEqual(own);
    expect(others).toEqual(foreign);
  }
  expect(await disagreements(mesh)).toEqual([]);
  // Once it is right, nothing is done any more.
  const lastCall = (await mesh.sandbox.calls()).at(-1)?.n ?? 0;
  await sleep((DRIFT_SECONDS + 1) * 1_000);
  expect(await writesSince(lastCall)).toEqual([]);
});

test('where the policy is REPORT every change out of band is told once and left, and put right when somebody says so', {
  timeout: 120_000,
}, async () => {
  await setPolicies({ driftPolicy: 'REPORT', foreignGrantPolicy: 'REPORT' });
  const drawn = await draw(lots(1));
  const since = await lastEvent();
  const lastCall = (await mesh.sandbox.calls()).at(-1)?.n ?? 0;
  const dependent = namesOf(await goneWith(drawn));
  for (const { change, target } of drawn) await befall(mesh, change, target);
  const [own, foreign] = [ownOf(drawn), foreignOf(drawn)].map((some) =>
    namesOf(some.map(({ target }) => target)).sort(),
  );
  const isTold = async (): Promise<true | undefined> => {
    const drifted = await told('ResourceDrifted', since);
    return without([...own!, ...foreign!], [...drifted.own, ...drifted.foreign]).length === 0 ? true : undefined;
  };
  await until('all is told', isTold, (DRIFT_SECONDS + NOISE_SECONDS) * 1_000);
  // Looked at once more, it is neither told again nor changed.
  await sleep((DRIFT_SECONDS + 1) * 1_000);
  const drifted = await told('ResourceDrifted', since);
  expect(without(drifted.own, [...own!, ...dependent])).toEqual([]);
  expect(drifted.own.filter((name) => own!.includes(name))).toEqual(own);
  expect(drifted.foreign).toEqual(foreign);
  expect(await writesSince(lastCall)).toEqual([]);

  await setPolicies({ foreignGrantPolicy: 'REVOKE' });
  const left = await mesh.query<{ id: string }>(`SELECT "id" FROM "Resource" WHERE "drift" IS NOT NULL`);
  await together(left, ({ id }) =>
    market.ask('admin', async (execute) => {
      const input = { resource: globalId('Resource', id) };
      payload((await execute(RetryResource, { input })).retryResource);
    }),
  );
  const agree = async (): Promise<true | undefined> => ((await disagreements(mesh)).length === 0 ? true : undefined);
  await until('all is put right', agree, 30_000).catch(async () => expect(await disagreements(mesh)).toEqual([]));
});
