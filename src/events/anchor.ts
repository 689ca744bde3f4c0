import type { Pool } from 'pg';
import { takeCursor } from './cursor-lock.js';
import { type Log, type Loop, startLoop } from './loop.js';
import type { PutEvents } from './put-events.js';
import { within10Seconds } from './read.js';
import { uuidv7 } from './uuid.js';

const READER = 'audit-anchor';
const EVERY_MS = 60_000;

/** EventBridge's detail-type of an anchor. It is no event of the log: telling one must not make the next one due. */
const ANCHORED = 'AuditAnchored';

export interface AnchorOptions {
  pool: Pool;
  put: PutEvents;
  /** The central bus. */
  bus: string;
  /** Whether it is there, as far as Meshgate knows: EventBridge answers success for a bus that is not, and drops what is put on it. */
  busStands(): Promise<boolean>;
  log: Log;
  /** How often the head is told, in milliseconds; once a minute unless a test is in a hurry. */
  everyMs?: number;
}

/**
 * Tells EventBridge, where nobody who owns the database can take it back, which hash the log has at its last number: once a minute if
 * it has moved, by one process of the installation, at least once. While the bus is not there the anchor is not told, and not taken for told.
 */
export function startAnchors({ pool, put, bus, busStands, log, everyMs = EVERY_MS }: AnchorOptions): Loop {
  return startLoop({
    name: 'anchors of the audit trail',
    log,
    idleMs: everyMs,
    run: async () => {
      const cursor = await takeCursor(pool, READER);
      if (cursor === undefined) return false;
      try {
        const { rows } = await cursor.connection.query<{ seq: string; hash: string; at: Date }>(
          within10Seconds({ text: `SELECT "seq", encode("hash", 'hex') AS "hash", now() AS "at" FROM "EventHead"` }),
        );
        const { seq, hash, at } = rows[0]!;
        if (BigInt(seq) < cursor.seq)
          log.error({ seq, anchored: String(cursor.seq) }, 'the log ends before its last anchor');
        if (BigInt(seq) <= cursor.seq) return false;
        if (!(await busStands())) {
          log.warn({ seq, anchored: String(cursor.seq) }, 'no anchor is told: the central bus is not there');
          return false;
        }
        const detail = { version: 1, id: uuidv7(), occurredAt: at.toISOString(), anchor: { sequence: seq, hash } };
        const entry = { bus, source: 'meshgate', detailType: ANCHORED, resources: [], time: at };
        const [outcome] = await put([{ ...entry, detail: JSON.stringify(detail) }]).send();
        if (!outcome?.ok) throw new Error(`EventBridge did not take the anchor: ${outcome?.code} ${outcome?.message}`);
        await cursor.advance(BigInt(seq));
        return false;
      } finally {
        cursor.release();
      }
    },
  });
}
