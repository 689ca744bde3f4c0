import { z } from 'zod';
import type { AccessMode } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { announceProduct } from './announce.js';
import { productOwner } from './claims.js';
import type { ActingContext } from './context.js';
import { inWords, readFaults } from './event-fault.js';
import { tableInMode } from './named-table.js';
import { centralDatabase, MODE_NAME, workflowDatabase, workflowLinkName } from './names.js';
import { lockProduct, type ProductRow } from './rows.js';
import { settled } from './settled.js';
import type { Tx } from './transaction.js';
import { type ReceivedEvent, Untaken } from './untaken.js';
import { type ProvisioningReport, reportOf, type WorkflowAnswer } from './workflow-orders.js';

/** What the crawler workflow of the AWS Analytics Reference Architecture answers; RUNNING comes again and again. */
const answer = z.object({
  dbName: z.string().min(1).max(255),
  tableName: z.string().min(1).max(255),
  state: z.string().min(1).max(64),
  crawlerInfo: z
    .object({ LastCrawl: z.object({ Status: z.string(), ErrorMessage: z.string().optional() }).optional() })
    .nullish(),
  error: z.unknown().optional(),
});

/**
 * A domain's workflow says how far it is with a table. What ends it is told (HealthReported) and kept; once all tables that the workflow
 * was told of have succeeded, the product has the domain's word. The newest answer of a table counts, in whichever order they come.
 */
export async function takeWorkflowAnswer(ctx: ActingContext, tx: Tx, event: ReceivedEvent): Promise<LaneKey[]> {
  const { success, data: told, error } = answer.safeParse(event.detail);
  if (!success) {
    throw new Untaken('INVALID_DETAIL', inWords(readFaults(error, 'detail')));
  }
  const found = await tableAnswered(ctx, tx, { event, told });
  const outcome = outcomeOf(told);
  if (outcome === null) return [];
  const product = await lockProduct(tx, found.productId);
  const message = outcome === 'FAILED' ? reasonOf(told) : null;
  // What a workflow says names what is in its account: the domain's members alone hear it.
  const data = { table: found.table, state: outcome, message, reportedAt: event.time.toISOString() };
  await announceProduct(tx, ctx, { type: 'HealthReported', product, published: false, data });
  const answered = { ...found, answer: { status: outcome, message, at: event.time.toISOString(), id: event.id } };
  await keep(ctx, tx, { product, answered });
  return [];
}

type Told = z.output<typeof answer>;

async function tableAnswered({ mesh }: ActingContext, tx: Tx, { event, told }: { event: ReceivedEvent; told: Told }) {
  const domain = await tx.domain.findUnique({ where: { awsAccountId: event.account } });
  if (domain === null) throw new Untaken('UNKNOWN_ACCOUNT', `${event.account} is no account of a domain.`);
  const mode = (Object.keys(MODE_NAME) as AccessMode[]).find((each) => {
    const local = workflowDatabase('producer', each);
    return [centralDatabase(mesh, domain, MODE_NAME[each]), local, `${local}-${event.account}`].includes(told.dbName);
  });
  const names = [told.tableName, told.tableName.replace(new RegExp(`^${workflowLinkName('')}`), '')];
  for (const table of mode ? names : []) {
    const found = await tableInMode(tx, { domain, mode: mode as AccessMode, table });
    if (found) return { ...found, mode: mode as AccessMode };
  }
  throw new Untaken('NOT_ITS_OWN', `${told.dbName}/${told.tableName} is no table of a product of ${domain.name}.`);
}

/** SUCCEEDED and FAILED end a crawl; null: it goes on. The crawler's own word comes first. */
function outcomeOf({ state, crawlerInfo, error }: Told): WorkflowAnswer['status'] | null {
  const word = (crawlerInfo?.LastCrawl?.Status ?? state).toUpperCase();
  if (state.toUpperCase() === 'RUNNING' || word === 'RUNNING' || word === 'STARTED') return null;
  if (word === 'SUCCEEDED' && (error === undefined || error === null || error === '')) return 'SUCCEEDED';
  return 'FAILED';
}

function reasonOf({ state, crawlerInfo, error }: Told): string {
  const reason = crawlerInfo?.LastCrawl?.ErrorMessage ?? (typeof error === 'string' ? error : JSON.stringify(error));
  return (reason || `The crawl ended ${crawlerInfo?.LastCrawl?.Status ?? state}.`).slice(0, 2_000);
}

interface Answered {
  product: ProductRow;
  answered: { table: string; mode: AccessMode; answer: WorkflowAnswer };
}

/** Nothing waits for the word of a domain that was told nothing: Meshgate provisions for it. */
async function keep(ctx: ActingContext, tx: Tx, { product, answered }: Answered): Promise<void> {
  const before = reportOf(product);
  if (before === null) return;
  const { mode, table, answer: given } = answered;
  const held = before.answers?.[mode] ?? {};
  const known = held[table];
  if (known && rank(known) >= rank(given)) return;
  const answers = { ...before.answers, [mode]: { ...held, [table]: given } };
  const after =
    mode === product.accessMode ? { ...withWord(before, answers[mode] ?? {}), answers } : { ...before, answers };
  await tx.dataProduct.update({ where: { id: product.id }, data: { provisioningReport: after } });
  if (after.status === before.status && after.message === before.message) return;
  const data = { before: { provisioning: shown(before) }, after: { provisioning: shown(after) } };
  await announceProduct(tx, ctx, { type: 'DataProductUpdated', product, published: false, data });
  await settled(ctx.mesh, tx, productOwner(product));
}

const rank = ({ at, status, id }: WorkflowAnswer): string => `${at} ${status === 'FAILED' ? 1 : 0} ${id}`;
const shown = ({ answers: _, ...report }: ProvisioningReport) => report;

/** Who reported, where it was the domain's workflow. */
const WORKFLOW = 'workflow';

/** What the answers of all tables come to: any failure is one, and success needs every table. */
function withWord(before: ProvisioningReport, answers: Record<string, WorkflowAnswer>): ProvisioningReport {
  const given = before.tables.map((table) => ({ table, answer: answers[table] }));
  const failed = given.filter(({ answer: each }) => each?.status === 'FAILED');
  const newest =
    given
      .flatMap(({ answer: each }) => each?.at ?? [])
      .sort()
      .at(-1) ?? null;
  const word = { reportedBy: WORKFLOW, reportedAt: newest };
  if (failed.length > 0) {
    const message = failed.map(({ table, answer: each }) => `${table}: ${each?.message}`).join(' ');
    return { ...before, ...word, status: 'FAILED', message: message.slice(0, 2_000) };
  }
  if (given.every(({ answer: each }) => each?.status === 'SUCCEEDED')) {
    return { ...before, ...word, status: 'SUCCEEDED', message: null };
  }
  // What somebody said of the whole product stays; what answers came to before counts no more.
  if (before.reportedBy !== WORKFLOW) return before;
  return { ...before, status: 'AWAITED', message: null, reportedBy: null, reportedAt: null };
}
