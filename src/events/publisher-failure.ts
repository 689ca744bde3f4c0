import type { PoolClient } from 'pg';
import type { Failing } from './deliver.js';
import { within10Seconds } from './read.js';

/** Texts of AWS are kept up to here. */
const LONGEST = 2_000;

/** Notes why a reader of the log comes no further, for whoever looks: since when it is so stays as it was first noted. */
export async function noteFailure(
  connection: PoolClient,
  reader: string,
  { code, message, tries }: Failing,
): Promise<void> {
  await connection.query(
    within10Seconds({
      name: 'note_failure',
      text: `UPDATE "EventCursor" SET "failingSince" = coalesce("failingSince", now()), "failureCode" = $2, "failureMessage" = $3,
          "failedTries" = $4 WHERE "reader" = $1`,
      values: [reader, code.slice(0, LONGEST), message.slice(0, LONGEST), tries],
    }),
  );
}

/** Notes that it goes on. */
export async function forgetFailure(connection: PoolClient, reader: string): Promise<void> {
  await connection.query(
    within10Seconds({
      name: 'forget_failure',
      text: `UPDATE "EventCursor" SET "failingSince" = NULL, "failureCode" = NULL, "failureMessage" = NULL, "failedTries" = NULL
        WHERE "reader" = $1 AND "failingSince" IS NOT NULL`,
      values: [reader],
    }),
  );
}
