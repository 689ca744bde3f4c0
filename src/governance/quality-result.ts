import { z } from 'zod';
import type { Domain } from '../generated/prisma/client.js';
import type { LaneKey } from '../provisioning/lane.js';
import { announceProduct } from './announce.js';
import type { ActingContext } from './context.js';
import { inCatalogue } from './contract-store.js';
import { inWords, readFaults } from './event-fault.js';
import { type NamedTable, tableOf } from './named-table.js';
import { centralDatabase, MODE_NAME } from './names.js';
import { lockProduct } from './rows.js';
import type { Tx } from './transaction.js';
import { type ReceivedEvent, Untaken } from './untaken.js';

const count = z.int().min(0).max(1_000_000).default(0);

/** The detail of `Data Quality Evaluation Results Available` (AWS Glue developer guide, "Setting up alerts with EventBridge"). */
const evaluation = z.object({
  context: z.object({
    contextType: z.string(),
    databaseName: z.string().max(255).optional(),
    tableName: z.string().max(255).optional(),
    catalogId: z.string().max(255).optional(),
  }),
  resultID: z.string().min(1).max(255),
  rulesetNames: z.array(z.string().max(255)).max(100).default([]),
  state: z.string().min(1).max(64),
  score: z.number().min(0).max(1).nullish(),
  rulesSucceeded: count,
  rulesFailed: count,
  rulesSkipped: count,
});

/**
 * Keeps the result of a data quality evaluation. The table named must be of a product of the sender's domain; the governance account
 * evaluates what is in its own catalogue, whose ever it is. The newest result of a table counts, in whichever order they come.
 */
export async function takeQualityResult(ctx: ActingContext, tx: Tx, event: ReceivedEvent): Promise<LaneKey[]> {
  const { success, data: told, error } = evaluation.safeParse(event.detail);
  if (!success) {
    throw new Untaken('INVALID_DETAIL', inWords(readFaults(error, 'detail')));
  }
  const found = await tableNamed(ctx, tx, { event, context: told.context });
  const product = await lockProduct(tx, found.productId);
  const result = {
    ...{ table: found.table, resultId: told.resultID, state: told.state, score: told.score ?? null },
    ...{ rulesSucceeded: told.rulesSucceeded, rulesFailed: told.rulesFailed, rulesSkipped: told.rulesSkipped },
  };
  await tx.$executeRaw`
    INSERT INTO "QualityResult" AS held ("productId", "table", "resultId", "score", "state", "rulesSucceeded", "rulesFailed", "rulesSkipped", "evaluatedAt")
    VALUES (${product.id}::uuid, ${result.table}, ${result.resultId}, ${result.score}, ${result.state}, ${result.rulesSucceeded},
      ${result.rulesFailed}, ${result.rulesSkipped}, ${event.time})
    ON CONFLICT ("productId", "table") DO UPDATE SET "resultId" = excluded."resultId", "score" = excluded."score",
      "state" = excluded."state", "rulesSucceeded" = excluded."rulesSucceeded", "rulesFailed" = excluded."rulesFailed",
      "rulesSkipped" = excluded."rulesSkipped", "evaluatedAt" = excluded."evaluatedAt"
    WHERE (held."evaluatedAt", held."resultId") < (excluded."evaluatedAt", excluded."resultId")`;
  await announceProduct(tx, ctx, {
    type: 'QualityEvaluated',
    product,
    published: inCatalogue(product),
    data: { ...result, rulesets: told.rulesetNames, evaluatedAt: event.time.toISOString() },
  });
  return [];
}

interface Naming {
  event: ReceivedEvent;
  context: z.output<typeof evaluation>['context'];
}

async function tableNamed({ mesh }: ActingContext, tx: Tx, { event, context }: Naming) {
  const { contextType, databaseName: database, tableName: table, catalogId = event.account } = context;
  if (database === undefined || table === undefined) {
    throw new Untaken('UNKNOWN_TYPE', `The evaluation (${contextType}) names no table of the catalogue.`);
  }
  const named: NamedTable = { catalogId, database, table };
  const central = event.account === mesh.governanceAccount;
  const domain = central
    ? (await tx.domain.findMany()).find((each) => isCentral(each, database))
    : await tx.domain.findUnique({ where: { awsAccountId: event.account } });
  if (!domain && !central) throw new Untaken('UNKNOWN_ACCOUNT', `${event.account} is no account of a domain.`);
  const found = domain ? await tableOf(mesh, tx, { domain, named }) : null;
  if (found === null) {
    throw new Untaken('NOT_ITS_OWN', `${catalogId}/${database}/${table} is no table of a product of ${event.account}.`);
  }
  return found;

  function isCentral(each: Domain, name: string): boolean {
    return Object.values(MODE_NAME).some((mode) => centralDatabase(mesh, each, mode) === name);
  }
}
