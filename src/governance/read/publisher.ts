import { PUBLISHER } from '../../events/read.js';
import { PUBLISHER_ID } from '../global-id.js';
import { INTERACTIVE } from '../token-scope.js';
import type { ConnectionList, Order } from './connection.js';
import { eventShape } from './event.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { adminsOnly } from './visible.js';

/** The publisher has no row of its own: what is known of it stands in the log's head, its cursor and the dead letters. */
const ROW =
  raw(`(SELECT '${PUBLISHER_ID}'::uuid AS "id", h."seq" AS head, coalesce(c."seq", 0) AS "position", c."pausedAt", c."pausedBy",
    c."pauseReason", c."failingSince", c."failureCode", c."failureMessage", c."failedTries" FROM "EventHead" h LEFT JOIN "EventCursor" c ON c."reader" = '${PUBLISHER}')`);

const occurredAt = (seq: Sql) => sql`(SELECT e."occurredAt" FROM "Event" e WHERE e."seq" = ${seq})`;
const seconds = (duration: Sql) => sql`greatest(coalesce(extract(epoch FROM ${duration}), 0), 0)::float8`;

export const publisherShape: Shape = {
  type: 'Publisher',
  from: ROW,
  always: ['id'],
  columns: {
    ...plain(
      'id',
      'pausedAt',
      'pausedBy',
      'pauseReason',
      'failingSince',
      'failureCode',
      'failureMessage',
      'failedTries',
    ),
    paused: (t) => sql`(${t}."pausedAt" IS NOT NULL)`,
    position: (t) => sql`${t}."position"::text`,
    eventsBehind: (t) => sql`(${t}.head - ${t}."position")::int`,
    secondsBehind: (t) =>
      seconds(sql`${occurredAt(sql`${t}.head`)} - ${occurredAt(sql`greatest(${t}."position", 1)`)}`),
    oldestUnsentAt: (t) => occurredAt(sql`${t}."position" + 1`),
    oldestUnsentSeconds: (t) => seconds(sql`now() - ${occurredAt(sql`${t}."position" + 1`)}`),
    deadLetterCount: () => sql`(SELECT count(*)::int FROM "DeadLetter" WHERE "status" <> 'SENT')`,
  },
  relations: {},
  scope: INTERACTIVE,
  visible: (_, viewer) => adminsOnly(viewer),
};

export const deadLetterShape: Shape = {
  type: 'DeadLetter',
  from: raw('"DeadLetter"'),
  always: ['id'],
  columns: {
    ...plain(
      'id',
      'eventId',
      'type',
      'code',
      'message',
      'attempts',
      'status',
      'createdAt',
      'refusedAt',
      'redrivenBy',
      'sentAt',
    ),
    sequence: (t) => sql`${t}."seq"::text`,
    detailType: (t) => sql`${t}."entry" ->> 'detailType'`,
    entry: (t) => sql`${t}."entry"`,
    redrive: (t) => sql`${t}."redriveId"`,
  },
  relations: {
    event: { kind: 'one', shape: () => eventShape, where: (t, r) => sql`${r}."seq" = ${t}."seq"` },
  },
  documents: ['entry'],
  scope: INTERACTIVE,
  visible: (_, viewer) => adminsOnly(viewer),
};

const inLogOrder: Order = {
  name: 'seq',
  descending: false,
  keys: [
    { sql: (r) => sql`${r}."seq"`, cast: 'bigint' },
    { sql: (r) => sql`${r}."part"`, cast: 'int' },
  ],
};

/** DeadLetterFilter. */
interface DeadLetterFilter {
  status?: string[] | null;
  redrive?: string | null;
}

export const deadLetterList: ConnectionList = {
  shape: () => deadLetterShape,
  order: () => inLogOrder,
  filter: (r, args) => {
    const { status, redrive } = (args.filter ?? {}) as DeadLetterFilter;
    const conditions: Sql[] = [];
    if (status) conditions.push(sql`${r}."status"::text = ANY(${status}::text[])`);
    if (redrive) conditions.push(sql`${r}."redriveId"::text = ${redrive}`);
    return conditions;
  },
};
