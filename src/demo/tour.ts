import { randomUUID } from 'node:crypto';
import { createClient, type Execute, payload, until } from './client.js';
import {
  ApproveRequest,
  Catalogue,
  DomainEventsTold,
  GrantById,
  RequestAccess,
  RevokeGrant,
  WhoAmI,
} from './documents.js';
import { Sandbox } from './sandbox.js';
import { hearDomainEvent, openStream, type Stream } from './stream.js';

/** One step as it is told: a line for people, or a JSON line `{ step, ok, detail }`. */
export interface TourStep {
  step: string;
  ok: boolean;
  detail: string;
}

/** Whom the tour plays and where. `sandbox` is the embedded AWS, where there is one: without it `canRead` and the calls are left out. */
export interface TourOptions {
  graphql: string;
  adminToken: string;
  requesterToken: string;
  deciderToken: string;
  sandbox?: string | undefined;
}

type Product = Awaited<ReturnType<typeof internalProducts>>[number];

/** What the steps hand on to one another. */
interface Scene {
  requester: Execute;
  decider: Execute;
  product: Product;
  consumer: { id: string; name: string; awsAccountId: string };
  principal: string;
  table: string;
  columns: string[];
  withheld: string | undefined;
  sandbox: Sandbox | undefined;
}

/**
 * Walks the main job against a running server, through its public API: request, approve, read, revoke, with the event stream open
 * all the while. Tells each step and answers whether all went well; it never throws.
 */
export async function runTour(options: TourOptions, tell: (step: TourStep) => void): Promise<boolean> {
  let stream: Stream | undefined;
  let doing = 'connect';
  const step = async <T>(name: string, act: () => Promise<{ detail: string; value: T }>): Promise<T> => {
    doing = name;
    const { detail, value } = await act();
    tell({ step: name, ok: true, detail });
    return value;
  };
  try {
    stream = await step('connect', async () => {
      const { viewer } = await createClient(options.graphql, options.adminToken)(WhoAmI);
      if (!viewer.admin) throw new Error(`${viewer.subject} is not a platform admin.`);
      const opened = openStream(options.graphql, options.adminToken);
      return { detail: `${viewer.subject} listens to every event of the mesh over WebSocket`, value: opened };
    });
    const scene = await step('choose a product', () => setTheScene(options, 'NRAC'));
    const grant = await askAndApprove(step, scene, stream);
    await readAndRevoke(step, { scene, grant, stream });
    await tourByTag(step, options, stream);
    await step('domain events', () => hearDomains(options));
    await step('stream', () => judgeStream(stream as Stream));
    return true;
  } catch (error) {
    tell({ step: doing, ok: false, detail: error instanceof Error ? error.message : String(error) });
    return false;
  } finally {
    await stream?.close();
  }
}

type Step = <T>(name: string, act: () => Promise<{ detail: string; value: T }>) => Promise<T>;

async function internalProducts(execute: Execute) {
  const { dataProducts } = await execute(Catalogue, { after: null });
  return dataProducts.nodes;
}

/** Finds a published INTERNAL product that the decider decides on, and a domain of the requester that is not the product's. */
async function setTheScene(options: TourOptions, mode: 'NRAC' | 'LF_TBAC'): Promise<{ detail: string; value: Scene }> {
  const requester = createClient(options.graphql, options.requesterToken);
  const decider = createClient(options.graphql, options.deciderToken);
  const decides = (await decider(WhoAmI)).viewer;
  const governed = new Set(decides.memberships.filter(({ role }) => role !== 'MEMBER').map(({ domain }) => domain?.id));
  const product = (await internalProducts(requester)).find(
    ({ domain, accessMode, tables }) =>
      accessMode === mode && tables.length > 0 && (decides.admin || governed.has(domain?.id)),
  );
  if (!product) throw new Error(`${decides.subject} decides on no published INTERNAL product by ${mode}.`);
  const asks = (await requester(WhoAmI)).viewer;
  const consumer = asks.memberships
    .map(({ domain }) => domain)
    .find((domain) => domain && domain.id !== product.domain?.id);
  if (!consumer) throw new Error(`${asks.subject} belongs to no domain that could ask for ${product.path}.`);
  const [table] = product.tables;
  const names = table?.columns.filter(({ pii }) => !pii).map(({ name }) => name) ?? [];
  const columns = mode === 'LF_TBAC' ? names : names.slice(0, Math.max(1, Math.min(3, names.length - 1)));
  const scene: Scene = {
    requester,
    decider,
    product,
    consumer,
    principal: `arn:aws:iam::${consumer.awsAccountId}:role/tour/reader-${randomUUID().slice(0, 8)}`,
    table: table?.name ?? '',
    columns,
    withheld: names.find((name) => !columns.includes(name)),
    sandbox: options.sandbox ? new Sandbox(options.sandbox) : undefined,
  };
  const promises =
    product.contract?.sla.map(({ property, value, unit }) => `${property} ${value} ${unit ?? ''}`.trim()) ?? [];
  const detail = `${product.path}: ${product.description} Contract ${product.contract?.version ?? '-'} promises ${promises.join(', ') || 'nothing'}`;
  return { detail, value: scene };
}

/** From the question to the grant: nobody can read before, the requester's principal can read just what was asked after. */
async function askAndApprove(step: Step, scene: Scene, stream: Stream): Promise<string> {
  const { requester, product, consumer, principal, table, columns } = scene;
  const link = { account: consumer.awsAccountId, ...linkOf(scene) };
  if (scene.sandbox) await step('canRead before approval', () => readable(scene, link, { asked: false }));
  const request = await step('request access', async () => {
    const purpose = 'To show how access is asked for, given and taken back';
    const { id, status } = await ask(scene, { tables: [table], columns, purpose });
    await stream.hear('AccessRequested', ({ type, subjectId }) => type === 'ACCESS_REQUESTED' && subjectId === id);
    return {
      detail: `${consumer.name} asks for ${table} (${columns.join(', ')}) for ${principal}: ${status}`,
      value: id,
    };
  });
  const callsBefore = await scene.sandbox?.lastCall();
  const grant = await step('approve', async () => {
    const { id, status } = await approve(scene, request);
    return { detail: `an owner of ${product.domain?.name} approves: the grant is ${status}`, value: id };
  });
  await step('granted', async () => {
    const started = Date.now();
    await stream.hear('AccessGranted', ({ type, subjectId }) => type === 'ACCESS_GRANTED' && subjectId === grant);
    const found = await grantOf(requester, grant);
    return { detail: `after ${Date.now() - started} ms; ${found.howToQuery?.athenaSql}`, value: undefined };
  });
  const { sandbox } = scene;
  if (sandbox) {
    await step('what AWS did', async () => ({ detail: await sandbox.callsSince(callsBefore ?? 0), value: undefined }));
    await step('canRead after approval', () => readable(scene, link, { asked: true }));
    await step('EventBridge', async () => ({ detail: await announced(sandbox, scene, grant), value: undefined }));
  }
  return grant;
}

async function ask(
  { requester, product, consumer, principal }: Scene,
  asked: { purpose: string; tables?: string[]; columns?: string[] },
) {
  const input = { dataProduct: product.id, consumerDomain: consumer.id, principals: [principal], ...asked };
  const answer = payload((await requester(RequestAccess, { input })).requestAccess);
  if (!('accessRequest' in answer) || !answer.accessRequest) throw new Error('The request was not answered.');
  return answer.accessRequest;
}

async function approve({ decider }: Scene, request: string) {
  const answer = payload((await decider(ApproveRequest, { accessRequest: request })).approveAccessRequest);
  if (!('accessGrant' in answer) || !answer.accessGrant) throw new Error('The approval was not answered.');
  return answer.accessGrant;
}

async function revoke({ decider }: Scene, grant: string): Promise<{ detail: string; value: undefined }> {
  const answer = payload((await decider(RevokeGrant, { accessGrant: grant })).revokeAccess);
  const status = 'accessGrant' in answer ? answer.accessGrant?.status : undefined;
  return { detail: `the grant is ${status}`, value: undefined };
}

/** The same once more for a product by tag: asked for as a whole, read through the link to the domain's database. */
async function tourByTag(step: Step, options: TourOptions, stream: Stream): Promise<void> {
  const scene = await step('choose a product by tag', () => setTheScene(options, 'LF_TBAC'));
  const { sandbox, consumer, product } = scene;
  const link = { account: consumer.awsAccountId, ...linkOf(scene) };
  if (sandbox) await step('canRead by tag before approval', () => readable(scene, link, { asked: false }));
  const grant = await step('request and approve by tag', async () => {
    const purpose = 'To show how access by tag is given and taken back';
    const { id } = await approve(scene, (await ask(scene, { purpose })).id);
    return {
      detail: `${consumer.name} asks for ${product.path}, and an owner of ${product.domain?.name} approves`,
      value: id,
    };
  });
  await step('granted by tag', async () => {
    await stream.hear('AccessGranted', ({ type, subjectId }) => type === 'ACCESS_GRANTED' && subjectId === grant);
    const found = await grantOf(scene.requester, grant);
    return { detail: `${found.howToQuery?.athenaSql}`, value: undefined };
  });
  if (sandbox) await step('canRead by tag after approval', () => readable(scene, link, { asked: true }));
  await step('revoke by tag', () => revoke(scene, grant));
  await step('revoked by tag', async () => {
    await stream.hear('AccessRevoked', ({ type, subjectId }) => type === 'ACCESS_REVOKED' && subjectId === grant);
    return { detail: `the grant is ${(await grantOf(scene.requester, grant)).status}`, value: undefined };
  });
  if (sandbox) await step('canRead by tag after revoke', () => readable(scene, link, { asked: false }));
}

/** The way back: dropped and resumed in between, so that the stream shows that nothing is lost. */
async function readAndRevoke(
  step: Step,
  { scene, grant, stream }: { scene: Scene; grant: string; stream: Stream },
): Promise<void> {
  await step('drop and resume', async () => {
    const after = stream.heard.at(-1)?.sequence ?? '0';
    stream.dropAndResume();
    return { detail: `the subscriber drops its socket and goes on after event ${after}`, value: undefined };
  });
  await step('revoke', () => revoke(scene, grant));
  await step('revoked', async () => {
    await stream.hear('AccessRevoked', ({ type, subjectId }) => type === 'ACCESS_REVOKED' && subjectId === grant);
    const { status } = await grantOf(scene.requester, grant);
    return { detail: `the grant is ${status}`, value: undefined };
  });
  if (!scene.sandbox) return;
  const link = { account: scene.consumer.awsAccountId, ...linkOf(scene) };
  await step('canRead after revoke', () => readable(scene, link, { asked: false }));
}

async function grantOf(execute: Execute, id: string) {
  const { node } = await execute(GrantById, { id });
  if (node?.__typename !== 'AccessGrant') throw new Error('The grant is not to be seen.');
  return node;
}

/** The link in the consumer's account, as AccessGrant.howToQuery names it once the grant is there. */
function linkOf({ product, table }: Scene): { database: string; table: string } {
  const [domain = '', name = ''] = product.path.split('/');
  const flat = (slug: string) => slug.replaceAll('-', '_');
  if (product.accessMode === 'LF_TBAC') return { database: `${flat(domain)}__tbac`, table };
  return { database: 'data_products', table: `${flat(domain)}__${flat(name)}__${table}` };
}

/** Asks the sandbox for the columns asked for, one that was not, and another principal: only the first may ever be readable. */
async function readable(
  { sandbox, principal, columns, withheld }: Scene,
  link: { account: string; database: string; table: string },
  { asked }: { asked: boolean },
): Promise<{ detail: string; value: undefined }> {
  if (!sandbox) throw new Error('There is no sandbox to ask.');
  const stranger = principal.replace(/reader-.*$/, 'stranger');
  const questions = [
    ...columns.map((column) => ({ principal, column, expected: asked })),
    ...(withheld ? [{ principal, column: withheld, expected: false }] : []),
    { principal: stranger, column: columns[0] ?? '', expected: false },
  ];
  const told: string[] = [];
  for (const { expected, ...question } of questions) {
    const { allowed, reason } = await sandbox.canRead({ ...question, ...link });
    const who = question.principal === principal ? 'reader' : 'stranger';
    if (allowed !== expected)
      throw new Error(`${who} on ${link.table}.${question.column}: ${allowed ? 'can' : 'cannot'} read (${reason})`);
    told.push(`${who} ${question.column}: ${allowed ? 'yes' : 'no'}`);
  }
  return { detail: told.join(', '), value: undefined };
}

/** The consumer's own bus got the news, forwarded by the rule on the central bus. */
async function announced(sandbox: Sandbox, { consumer }: Scene, grant: string): Promise<string> {
  const delivery = await until(
    `AccessGranted on the bus of ${consumer.name}`,
    () => sandbox.arrival(consumer.awsAccountId, 'AccessGranted', grant),
    15_000,
  );
  return `AccessGranted reached the bus ${delivery.bus} of account ${consumer.awsAccountId}`;
}

/** What domains' own systems tell is streamed too: here what came behind the first of it. */
async function hearDomains({ graphql, requesterToken }: TourOptions): Promise<{ detail: string; value: undefined }> {
  const { nodes } = (await createClient(graphql, requesterToken)(DomainEventsTold)).events;
  const [first, second] = nodes;
  if (!first?.domain || first.domain.id !== second?.domain?.id)
    return { detail: 'no domain has told of anything that could be heard again', value: undefined };
  const { id: domain, name } = first.domain;
  const { detailType, detail } = await hearDomainEvent(graphql, requesterToken, { domain, after: first.cursor });
  return { detail: `${name} tells of ${detailType}: ${JSON.stringify(detail)}`, value: undefined };
}

/** Every event once, in order, without a gap: an admin sees every number. */
async function judgeStream({ heard }: Stream): Promise<{ detail: string; value: undefined }> {
  const numbers = heard.map(({ sequence }) => Number(sequence));
  const gap = numbers.findIndex((number, i) => i > 0 && number !== (numbers[i - 1] ?? 0) + 1);
  if (gap > 0) throw new Error(`After event ${numbers[gap - 1]} came ${numbers[gap]}.`);
  return {
    detail: `${heard.length} events, ${numbers[0]} to ${numbers.at(-1)}, each once and in order`,
    value: undefined,
  };
}
