import { setTimeout as sleep } from 'node:timers/promises';
import { CONSUMER, PRODUCER, REGION, type Stack } from './stack.js';

/** A domain that produces and one that consumes, and what their people do through the public API. */
export interface Market {
  /** Publishes a product of the producer with these tables and waits until it is there; answers its id. */
  publish(name: string, tables: string[]): Promise<string>;
  request(wish: Wish): Promise<string>;
  /** Approves as soon as it is called; answers the grant's id. */
  approve(request: string): Promise<string>;
  /** Waits until each of these grants is ACTIVE. */
  active(grants: string[], deadlineMs: number): Promise<void>;
}

export interface Wish {
  product: string;
  principal: string;
  tables?: string[];
}

/** A role of the consumer's account. */
export const roleOf = (name: string): string => `arn:aws:iam::${CONSUMER}:role/${name}`;
export const OWNER_OF_SALES = 'sales-0';
// One person may send a thousand requests at once, then a hundred a second: more than one share the work.
const PEOPLE = 10;
const people = (domain: string): string[] => Array.from({ length: PEOPLE }, (_, n) => `${domain}-${n}`);

const REGISTER_DOMAIN = `mutation ($input: RegisterDomainInput!) {
  result: registerDomain(input: $input) { ... on RegisterDomainPayload { made: domain { id } } ... on UserError { code message } } }`;
const REGISTER_PRODUCT = `mutation ($input: RegisterDataProductInput!) {
  result: registerDataProduct(input: $input) { ... on RegisterDataProductPayload { made: dataProduct { id } } ... on UserError { code message } } }`;
const PUBLISH = `mutation ($id: ID!) {
  result: publishDataProduct(input: { dataProduct: $id }) { ... on PublishDataProductPayload { made: dataProduct { id } } ... on UserError { code message } } }`;
const REQUEST = `mutation ($input: RequestAccessInput!) {
  result: requestAccess(input: $input) { ... on RequestAccessPayload { made: accessRequest { id } } ... on UserError { code message } } }`;
const APPROVE = `mutation ($input: DecideAccessRequestInput!) {
  result: approveAccessRequest(input: $input) { ... on ApproveAccessRequestPayload { made: accessGrant { id } } ... on UserError { code message } } }`;

type Send = (subject: string, query: string, variables: object) => Promise<string>;

/** Registers both domains; the worker has to run. */
export async function openMarket(stack: Stack): Promise<Market> {
  const send = sender(stack);
  await send('admin', REGISTER_DOMAIN, { input: domainInput('sales', PRODUCER) });
  const consumerDomain = await send('admin', REGISTER_DOMAIN, { input: domainInput('research', CONSUMER) });
  const sales = await idOfDomain(stack, 'sales');
  await until('both domains are ready', 60_000, async () => {
    const rows = await stack.query(`SELECT 1 FROM "Domain" WHERE "status" = 'READY'`);
    return rows.length === 2;
  });
  let turn = 0;
  const somebodyOf = (domain: string): string => people(domain)[turn++ % PEOPLE]!;
  return {
    publish: async (name, tables) => {
      const id = await send(OWNER_OF_SALES, REGISTER_PRODUCT, { input: productInput(sales, name, tables) });
      await send(OWNER_OF_SALES, PUBLISH, { id });
      await until(`${name} is published`, 120_000, async () => {
        const rows = await stack.query(`SELECT 1 FROM "DataProduct" WHERE "name" = $1 AND "status" = 'PUBLISHED'`, [
          name,
        ]);
        return rows.length === 1;
      });
      return id;
    },
    request: ({ product: dataProduct, principal, ...wish }) => {
      const input = { dataProduct, consumerDomain, principals: [principal], purpose: 'A benchmark', ...wish };
      return send(somebodyOf('research'), REQUEST, { input });
    },
    approve: (accessRequest) => send(somebodyOf('sales'), APPROVE, { input: { accessRequest } }),
    active: (grants, deadlineMs) => allActive(stack, { grants, deadlineMs }),
  };
}

async function idOfDomain(stack: Stack, name: string): Promise<string> {
  const answer = await post(stack, await stack.tokenOf('admin', ['admins']), {
    query: 'query ($name: String!) { domain(by: { name: $name }) { id } }',
    variables: { name },
  });
  return (answer.data as { domain: { id: string } }).domain.id;
}

interface Answer {
  data?: unknown;
  errors?: { message: string }[];
}

async function post({ graphql }: Stack, token: string, body: object): Promise<Answer> {
  const response = await fetch(graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Answer;
  if (answer.errors?.length) throw new Error(answer.errors.map(({ message }) => message).join('; '));
  return answer;
}

function sender(stack: Stack): Send {
  const tokens = new Map<string, Promise<string>>();
  return async (subject, query, variables) => {
    const token = tokens.get(subject) ?? stack.tokenOf(subject, subject === 'admin' ? ['admins'] : []);
    tokens.set(subject, token);
    const { data } = await post(stack, await token, { query, variables });
    const { result } = data as { result: { made?: { id: string }; code?: string; message?: string } };
    if (!result.made) throw new Error(`${result.code}: ${result.message}`);
    return result.made.id;
  };
}

const domainInput = (name: string, account: string) => ({
  name,
  displayName: name,
  awsAccountId: account,
  awsRegion: REGION,
  roleArn: `arn:aws:iam::${account}:role/meshgate`,
  eventTargetRoleArn: `arn:aws:iam::${account}:role/meshgate-events`,
  dataLocation: `s3://${name}-lake/data`,
  manageSettings: true,
  owners: people(name),
});

const productInput = (domain: string, name: string, tables: string[]) => ({
  domain,
  name,
  description: name,
  owner: 'bench',
  accessMode: 'NRAC',
  classification: 'INTERNAL',
  tables: tables.map((table) => ({
    name: table,
    location: `s3://sales-lake/data/${name}/${table}/`,
    format: 'PARQUET',
    columns: ['id', 'amount', 'city'].map((column) => ({ name: column, type: 'string' })),
  })),
});

async function allActive(
  stack: Stack,
  { grants, deadlineMs }: { grants: string[]; deadlineMs: number },
): Promise<void> {
  await until(
    `${grants.length} grants are ACTIVE`,
    deadlineMs,
    async () => (await activeOf(stack, grants)) === grants.length,
  );
}

/** How many of these grants are ACTIVE. */
async function activeOf(stack: Stack, grants: string[]): Promise<number> {
  const sql = `SELECT count(*)::int AS n FROM "AccessGrant" WHERE "id" = ANY($1::uuid[]) AND "status" = 'ACTIVE'`;
  return (await stack.query<{ n: number }>(sql, [grants.map(rowId)]))[0]?.n ?? 0;
}

/** The row's id in a global id. */
export const rowId = (globalId: string): string =>
  /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(Buffer.from(globalId, 'base64url').toString())?.[0] ?? '';

/** Asks ten times a second until it holds; throws after the deadline. */
export async function until(what: string, deadlineMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs / 1_000} s`);
    await sleep(100);
  }
}

/** Runs `work` for each item, eight at a time; the results in the items' order. */
export async function together<Item, Result>(items: Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const left = [...items.entries()];
  const take = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: 8 }, take));
  return results;
}

/** Names `prefix000`, `prefix001`, ... */
export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(3, '0')}`);
