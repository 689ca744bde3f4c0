import { PUBLISHER, type Queryable, within10Seconds } from './read.js';

/** How far the publisher is behind the log, and what did not arrive. */
export interface PublisherLag {
  /** Events of the log that are not sent yet. */
  events: number;
  /** From the last event that was sent to the last of the log. */
  seconds: number;
  /** Age of the oldest event that is not sent yet; 0 where all are. */
  oldestUnsentSeconds: number;
  /** Entries that EventBridge refused and that have not arrived since. */
  deadLetters: number;
  paused: boolean;
  /** Why what comes next is sent in vain, and for how long it has been; null while it is taken. */
  failure: { code: string; seconds: number } | null;
}

/** Reads it from the database, whichever process publishes: one statement. */
export async function readPublisherLag(db: Queryable): Promise<PublisherLag> {
  const { rows } = await db.query<PublisherLag>(
    within10Seconds({
      name: 'publisher_lag',
      text: `WITH at AS (SELECT h."seq" AS head, coalesce(c."seq", 0) AS sent, c."pausedAt" IS NOT NULL AS paused,
          CASE WHEN c."failingSince" IS NOT NULL
            THEN json_build_object('code', c."failureCode", 'seconds', extract(epoch FROM now() - c."failingSince")::float8) END AS failure
          FROM "EventHead" h LEFT JOIN "EventCursor" c ON c."reader" = $1)
        SELECT (head - sent)::float8 AS "events", paused, failure,
          coalesce(extract(epoch FROM (SELECT "occurredAt" FROM "Event" WHERE "seq" = head)
            - (SELECT "occurredAt" FROM "Event" WHERE "seq" = greatest(sent, 1))), 0)::float8 AS "seconds",
          coalesce(extract(epoch FROM now() - (SELECT "occurredAt" FROM "Event" WHERE "seq" = sent + 1)), 0)::float8
            AS "oldestUnsentSeconds",
          (SELECT count(*)::float8 FROM "DeadLetter" WHERE "status" <> 'SENT') AS "deadLetters" FROM at`,
      values: [PUBLISHER],
    }),
  );
  return rows[0]!;
}
