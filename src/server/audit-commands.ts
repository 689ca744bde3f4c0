import pg, { type Pool } from 'pg';
import { archiveLog, type SlowReader, type StoppedBecause } from '../events/archive.js';
import { BadManifest } from '../events/archive-file.js';
import { verifyWithArchive } from '../events/archive-verify.js';
import { exportLog } from '../events/export.js';
import { PUBLISHER } from '../events/read.js';
import {
  type Anchor,
  anchorsCompared,
  assertOrder,
  assertPart,
  type BadReason,
  firstExpected,
  verifyChain,
} from '../events/verify.js';
import { ConfigError, readArchiveConfig, readDatabaseUrl } from './config.js';
import { openDatabase } from './database.js';

/** Options of `meshgate verify`. */
export interface VerifyFlags {
  from?: bigint;
  to?: bigint;
  anchor?: Anchor[];
  /** Folder of what `meshgate archive` wrote. */
  archive?: string;
}

/** Options of `meshgate archive`. */
export interface ArchiveFlags {
  /** What is older; without it, the retention of the configuration says. */
  before?: Date;
  to: string;
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

/**
 * Verifies the audit trail over DATABASE_URL and tells what it found; answers whether all is as it was written, and as it was anchored by
 * every anchor that was given. Throws BadRange and BadFolder.
 */
export function verifyAuditTrail(flags: VerifyFlags, tell: (line: string) => void): Promise<boolean> {
  return withPool(async (pool) => {
    const { from, to, anchor: anchors = [], archive } = flags;
    const range = { from, to, anchors };
    const archived = archive !== undefined;
    const first = from ?? (archived ? 1n : await firstExpected(pool));
    await assertPart(pool, range);
    assertOrder(first, to);
    const verdict = archived
      ? await verifyWithArchive(pool, archive, range)
      : await verifyChain(pool, { ...range, from: first });
    if (!verdict.ok) {
      const { firstBad, reason } = verdict;
      tell(
        `The audit trail is not as it was written: the first bad number is ${firstBad} (${reason}): ${SAYS[reason]}.`,
      );
      return false;
    }
    const compared = anchorsCompared(anchors, { first, verdict });
    const anchored = compared.length > 0 ? ', and as it was anchored' : '';
    tell(`The audit trail is as it was written, up to number ${verdict.head}${anchored}.`);
    const others = anchors.filter((anchor) => !compared.includes(anchor)).map(({ seq }) => seq);
    if (others.length === 0) return true;
    const how = archived ? '' : ' What was archived is compared with --archive.';
    tell(`Not compared is what was anchored at ${others.join(', ')}: ${first} to ${verdict.head} was verified.${how}`);
    return false;
  }).catch((error: unknown) => {
    if (!(error instanceof BadManifest)) throw error;
    tell(`The archive is not as it was written: ${error.message}`);
    return false;
  });
}

/** Writes the audit trail over DATABASE_URL as OCSF; answers how many entries. Throws BadRange, and ConfigError where no file can be made. */
export function exportAuditTrail({ from, to, output }: ExportFlags, version: string): Promise<number> {
  const target = output === '-' ? process.stdout : output;
  return withPool((pool) => exportLog(pool, { from, to, output: target, version })).catch((error: unknown) => {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall !== 'open') throw error;
    throw new ConfigError(
      code === 'EEXIST'
        ? `${output} is there and is not written over: name another file with --output, or move it away.`
        : `${output} cannot be written (${message}): name another file with --output.`,
    );
  });
}

const DAY_MS = 86_400_000;

/** Moves whole partitions of the audit trail to files, as the owner of the database, and tells what was done and why no more. */
export async function archiveAuditTrail(flags: ArchiveFlags, tell: (line: string) => void): Promise<void> {
  const { ownerUrl, retentionDays } = readArchiveConfig();
  const before = flags.before ?? (retentionDays === null ? undefined : new Date(Date.now() - retentionDays * DAY_MS));
  if (before === undefined)
    throw new ConfigError('Say what is old enough: give --before, or set MESHGATE_RETENTION_DAYS.');
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'meshgate-archive' });
  await client.connect();
  try {
    const stopped = await archiveLog({
      client,
      folder: flags.to,
      before,
      archived: ({ first, last, path }) => tell(`Archived ${first} to ${last}: ${path}`),
    });
    tell(whyNoMore(stopped));
  } finally {
    await client.end();
  }
}

function whyNoMore(stopped: StoppedBecause): string {
  switch (stopped.why) {
    case 'NOT_FULL':
      return 'The rest stays: it is the part that is written to.';
    case 'TOO_YOUNG':
      return 'The rest stays: the next part has events that are not old enough.';
    case 'READER':
      return `The rest stays: ${whoHolds(stopped)}`;
  }
}

/** Which reader holds the log, since when, and what lets go of it. */
function whoHolds({ reader, position, since }: SlowReader): string {
  const webhook = reader.startsWith('webhook ');
  const when =
    since === null ? '' : `${webhook ? ', and fails' : ', and has stood there'} since ${since.toISOString()}`;
  const cure = webhook
    ? 'Once it is sent that, or disabled or removed (disableWebhook, removeWebhook), it holds nothing.'
    : reader === PUBLISHER
      ? 'A worker sends on; what keeps it from that, publisher { pauseReason failureCode failureMessage } says.'
      : 'A worker moves it on, once the central bus is there.';
  return `${reader} has come to ${position} only${when}. ${cure}`;
}

async function withPool<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
  const { pool, close } = openDatabase(readDatabaseUrl(), { poolSize: 1, applicationName: 'meshgate-audit' });
  return work(pool).finally(close);
}
