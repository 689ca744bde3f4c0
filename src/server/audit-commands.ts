import type { Pool } from 'pg';
import { exportLog } from '../events/export.js';
import { type Anchor, type BadReason, verifyChain } from '../events/verify.js';
import { readDatabaseUrl } from './config.js';
import { openDatabase } from './database.js';

/** Options of `meshgate verify`. */
export interface VerifyFlags {
  from?: bigint;
  to?: bigint;
  anchor: Anchor[];
}

/** Options of `meshgate audit export`. */
export interface ExportFlags {
  from?: bigint;
  to?: bigint;
  /** `-`: the standard output. */
  output: string;
}

const SAYS: Record<BadReason, string> = {
  MISSING: 'there is no such entry: it was deleted, or the trail was cut',
  CHANGED: 'the entry is not the one that was written under this number',
  HEAD: 'the last entry and the counter disagree',
  ANCHOR: 'the trail is not the one that was anchored: it was written anew, here or before',
};

/** Verifies the audit trail over DATABASE_URL and tells what it found; answers whether all is as it was written. */
export function verifyAuditTrail(flags: VerifyFlags, tell: (line: string) => void): Promise<boolean> {
  return withPool(async (pool) => {
    const { from, to, anchor: anchors } = flags;
    const verdict = await verifyChain(pool, { from, to, anchors });
    tell(
      verdict.ok
        ? `The audit trail is as it was written, up to number ${verdict.head}${anchors.length > 0 ? ', and as it was anchored' : ''}.`
        : `The audit trail is not as it was written: the first bad number is ${verdict.firstBad} (${verdict.reason}): ${SAYS[verdict.reason]}.`,
    );
    return verdict.ok;
  });
}

/** Writes the audit trail over DATABASE_URL as OCSF; answers how many entries. */
export function exportAuditTrail({ from, to, output }: ExportFlags, version: string): Promise<number> {
  return withPool((pool) => exportLog(pool, { from, to, output: output === '-' ? process.stdout : output, version }));
}

async function withPool<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
  const { pool, close } = openDatabase(readDatabaseUrl(), { poolSize: 1, applicationName: 'meshgate-audit' });
  return work(pool).finally(close);
}
