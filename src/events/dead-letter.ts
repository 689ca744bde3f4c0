import type { PoolClient } from 'pg';
import type { Refused, Sending } from './deliver.js';
import type { Outgoing } from './entries.js';
import type { PutEventsEntry } from './put-events.js';
import { within10Seconds } from './read.js';
import { uuidv7 } from './uuid.js';

/** A dead letter that is to be sent again. */
export interface Redriven extends Sending {
  id: string;
}

/** An entry as it is kept: the bus is the one that is configured when it is sent. */
type KeptEntry = Omit<PutEventsEntry, 'bus' | 'time'> & { time: string };

/** Keeps entries that were refused for good. One whose refusal was kept before is told again, unless it has arrived since. */
export async function keepDeadLetters(connection: PoolClient, refused: readonly Refused<Outgoing>[]): Promise<void> {
  const rows = refused.map(({ event, part, entry: { bus: _, ...entry }, failure: { code, message }, attempts }) => ({
    ...{ id: uuidv7(), seq: String(event.seq), part, eventId: event.id, type: event.type },
    ...{ entry, code, message, attempts },
  }));
  await connection.query(
    within10Seconds({
      text: `INSERT INTO "DeadLetter" ("id", "seq", "part", "eventId", "type", "entry", "code", "message", "attempts")
        SELECT * FROM jsonb_to_recordset($1) AS r ("id" uuid, "seq" bigint, "part" int, "eventId" uuid, "type" text, "entry" jsonb,
          "code" text, "message" text, "attempts" int)
        ON CONFLICT ("seq", "part") DO UPDATE SET "code" = excluded."code", "message" = excluded."message",
          "attempts" = "DeadLetter"."attempts" + excluded."attempts", "refusedAt" = now() WHERE "DeadLetter"."status" <> 'SENT'`,
      values: [JSON.stringify(rows)],
    }),
  );
}

/** The next dead letters that somebody wants sent again, in the order of the log. */
export async function readRedriven(
  connection: PoolClient,
  { bus, limit }: { bus: string; limit: number },
): Promise<Redriven[]> {
  const { rows } = await connection.query<{ id: string; eventId: string; seq: string; type: string; entry: KeptEntry }>(
    within10Seconds({
      name: 'read_redriven',
      text: `SELECT "id", "eventId", "seq", "type", "entry" FROM "DeadLetter" WHERE "status" = 'REDRIVING'
        ORDER BY "seq", "part" LIMIT $1`,
      values: [limit],
    }),
  );
  return rows.map(({ id, eventId, seq, type, entry }) => ({
    id,
    event: { id: eventId, seq: BigInt(seq), type },
    entry: { ...entry, bus, time: new Date(entry.time) },
  }));
}

/** Notes what became of a dead letter that was sent again. */
export async function noteRedriven(
  connection: PoolClient,
  { id }: Redriven,
  refused: Refused<Redriven> | undefined,
): Promise<void> {
  const { failure, attempts = 1 } = refused ?? {};
  await connection.query(
    within10Seconds({
      name: 'note_redriven',
      text: `UPDATE "DeadLetter" SET "attempts" = "attempts" + $2, "status" = (CASE WHEN $3::text IS NULL THEN 'SENT' ELSE 'DEAD' END)::"DeadLetterStatus",
          "sentAt" = CASE WHEN $3::text IS NULL THEN now() END, "code" = coalesce($3, "code"), "message" = coalesce($4, "message"),
          "refusedAt" = CASE WHEN $3::text IS NULL THEN "refusedAt" ELSE now() END
        WHERE "id" = $1 AND "status" = 'REDRIVING'`,
      values: [id, attempts, failure?.code ?? null, failure?.message ?? null],
    }),
  );
}
