import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ArchiveStep, archiveLog, type StoppedBecause } from '../../src/events/archive.js';
import { BadFolder } from '../../src/events/archive-file.js';
import { verifyWithArchive } from '../../src/events/archive-verify.js';
import { takeCursor } from '../../src/events/cursor-lock.js';
import { exportLog } from '../../src/events/export.js';
import { startTail } from '../../src/events/tail.js';
import { verifyChain } from '../../src/events/verify.js';
import { archiveAuditTrail, verifyAuditTrail } from '../../src/server/audit-commands.js';
import { headReaches, openTestLog, prepareLog, silent, someEvents, type TestLog, write } from './log.js';
import { readFrom } from './reader.js';

const script = fileURLToPath(new URL('../testkit/archive-process.mjs', import.meta.url));
const FIRST = 'events-0000000000000000001-0000000000000000099';
const SECOND = 'events-0000000000000000100-0000000000000000199';
const soon = () => new Date(Date.now() + 60_000);

let log: TestLog;
let folder: string;

/** A partition made as the sequencer makes them. */
const attached = (name: string, from: number, to: number): string =>
  `CREATE TABLE "${name}" (LIKE "Event" INCLUDING ALL);
   ALTER TABLE "Event" ATTACH PARTITION "${name}" FOR VALUES FROM (${from}) TO (${to});`;

/** 250 events over partitions of 99, 100 and the rest, in place of partitions of a million. */
const prepared = await prepareLog(async (filled) => {
  await filled.owner.pool.query(`
    DROP TABLE "Event_000000000";
    ${attached('Event_small_1', 0, 100)}
    ${attached('Event_small_2', 100, 200)}
    ${attached('Event_000000000', 200, 1_000_000)}`);
  await write(filled, someEvents(250));
  await headReaches(filled, 250);
});
beforeEach(async ({ onTestFinished }) => {
  const opened = await openTestLog({ from: prepared });
  log = opened;
  folder = mkdtempSync(join(tmpdir(), 'meshgate-archive-'));
  onTestFinished(async () => {
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  });
});

async function archive(before = soon(), reached?: (step: ArchiveStep) => Promise<void>): Promise<StoppedBecause> {
  const client = new pg.Client({ connectionString: log.urls.ownerUrl });
  await client.connect();
  try {
    return await archiveLog({ client, folder, before, ...(reached ? { reached } : {}) });
  } finally {
    await client.end();
  }
}

const stored = async () =>
  (
    await log.pool.query<{ first: string; count: string }>(
      'SELECT min("seq") AS "first", count(*) AS "count" FROM "Event"',
    )
  ).rows[0];
const verified = (range = {}) => verifyWithArchive(log.pool, folder, range);
const linesOf = (name: string): string[] =>
  gunzipSync(readFileSync(join(folder, `${name}.jsonl.gz`)))
    .toString()
    .split('\n')
    .slice(0, -1);
const rewrite = (name: string, lines: string[]): void =>
  writeFileSync(join(folder, `${name}.jsonl.gz`), gzipSync(`${lines.join('\n')}\n`));

test('full partitions that are old enough move to files, and the chain verifies across the files and the log', async () => {
  const { rows } = await log.pool.query(
    'SELECT "seq", "canonical", encode("hash", \'hex\') AS "hash" FROM "Event" WHERE "seq" < 100 ORDER BY "seq"',
  );
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
  expect(await stored()).toEqual({ first: '200', count: '51' });
  expect(readdirSync(folder).sort()).toEqual([FIRST, SECOND].flatMap((name) => [`${name}.json`, `${name}.jsonl.gz`]));
  expect(linesOf(FIRST).map((line) => JSON.parse(line))).toEqual(rows);
  expect(await verifyChain(log.pool)).toEqual({ ok: true, head: 250n });
  expect(await verified()).toEqual({ ok: true, head: 250n });
  expect(await verified({ from: 120n, to: 220n })).toEqual({ ok: true, head: 220n });
  expect(await verified({ to: 150n })).toMatchObject({ ok: true });
});

test('what goes on being read goes on: the log from its first number that is left, and new events', async () => {
  await archive();
  await write(log, someEvents(10));
  await headReaches(log, 260);
  expect(await verified()).toEqual({ ok: true, head: 260n });
  const output = join(folder, 'export.jsonl');
  expect(await exportLog(log.pool, { output, version: '0.1.0' })).toBe(61);
});

test('a subscription after a cursor that is no longer stored is told to read anew; after the last archived number it goes on', async () => {
  await archive();
  const tail = await startTail({ pool: log.pool, listener: log.listener, log: silent });
  await expect(readFrom(tail, { after: 150n })).rejects.toMatchObject({ code: 'RESYNC_REQUIRED' });
  const events = await readFrom(tail, { after: 199n });
  expect((await events.next()).value).toMatchObject({ seq: 200n });
  await events.return?.();
  await tail.stop();
});

test('nothing that is too young is archived', async () => {
  expect(await archive(new Date(Date.now() - 60_000))).toEqual({ why: 'TOO_YOUNG' });
  expect(await stored()).toEqual({ first: '1', count: '250' });
  expect(readdirSync(folder)).toEqual([]);
});

const held = { why: 'READER' } as const;

/** A cursor of the publisher that has come to the end of the log. */
const publisherIsDone = () => log.owner.prisma.eventCursor.create({ data: { reader: 'eventbridge', seq: 250 } });
const MOVE_BACK = `UPDATE "EventCursor" SET "seq" = 4 WHERE "reader" = 'eventbridge'`;

test('a reader that goes back while the file is written keeps its events in the log', async () => {
  await publisherIsDone();
  const stopped = await archive(soon(), async (step) => {
    if (step === 'STATED') await log.owner.pool.query(MOVE_BACK);
  });
  expect(stopped).toMatchObject({ ...held, reader: 'eventbridge', position: 4n });
  expect(await stored()).toEqual({ first: '1', count: '250' });
  expect(await verified()).toEqual({ ok: true, head: 250n });
  await log.owner.prisma.eventCursor.updateMany({ data: { seq: 250 } });
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
  expect(await stored()).toEqual({ first: '200', count: '51' });
});

test('a move back that is under way when the partition is to go is waited for, without a deadlock', async () => {
  await publisherIsDone();
  const mover = await log.pool.connect();
  let moved: Promise<unknown> | undefined;
  const stopped = await archive(soon(), async (step) => {
    if (step !== 'STATED') return;
    // As resumePublisher does: the cursor is locked, what is stored is read, and then it is moved.
    await mover.query(`BEGIN; SELECT FROM "EventCursor" FOR NO KEY UPDATE; SELECT min("seq") FROM "Event"`);
    moved = new Promise((resolve) => setTimeout(resolve, 700)).then(() => mover.query(`${MOVE_BACK}; COMMIT`));
  });
  await moved;
  mover.release();
  expect(stopped).toMatchObject({ ...held, reader: 'eventbridge', position: 4n });
  expect(await stored()).toEqual({ first: '1', count: '250' });
});

test('a reader that is to go back while the partition goes waits, and finds what is left', async () => {
  await publisherIsDone();
  const mover = await log.pool.connect();
  await mover.query(`BEGIN; SELECT FROM "EventCursor" FOR NO KEY UPDATE`);
  let found: Promise<string | undefined> | undefined;
  const look = async () => {
    const { rows } = await mover.query<{ first: string }>('SELECT min("seq") AS "first" FROM "Event"');
    await mover.query('ROLLBACK');
    return rows[0]?.first;
  };
  const stopped = await archive(soon(), async (step) => {
    if (step !== 'DETACHED' || found) return;
    found = look();
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  expect(await found).toBe('100');
  mover.release();
  expect(stopped).toEqual({ why: 'NOT_FULL' });
});

test("the webhook sender's own cursor holds nothing back, so that it may be left behind where webhooks are given up", async () => {
  const cursor = await takeCursor(log.pool, 'webhooks');
  await cursor?.advance(120n);
  cursor?.release();
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
  expect(await stored()).toEqual({ first: '200', count: '51' });
});

test('nothing is archived that a reader has not come to the end of', async () => {
  const cursor = await takeCursor(log.pool, 'eventbridge');
  await cursor?.advance(150n);
  expect(await archive()).toEqual({ ...held, reader: 'eventbridge', position: 150n, since: expect.any(Date) });
  expect(await stored()).toEqual({ first: '100', count: '151' });
  await cursor?.advance(199n);
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
  cursor?.release();
});

test('a webhook that is on holds back what it has not been sent; one that is off holds back nothing', async () => {
  const id = '0198c2f0-7a10-7b3e-8d3c-2f6f0f5d1c11';
  await log.owner.pool.query(`
    INSERT INTO "Webhook" ("id", "name", "url", "filter", "createdBy") VALUES ('${id}', 'crm', 'https://crm.example/', '{}', 'ada')`);
  await log.owner.pool.query(`INSERT INTO "WebhookProgress" ("webhookId", "position") VALUES ('${id}', 250)`);
  await log.owner.pool.query(`INSERT INTO "WebhookDelivery" ("id", "webhookId", "messageId", "seq", "eventType", "subjectId")
    VALUES (gen_random_uuid(), '${id}', gen_random_uuid(), 120, 'DomainReady', gen_random_uuid())`);
  expect(await archive()).toEqual({ ...held, reader: 'webhook crm', position: 119n, since: null });
  expect(await stored()).toMatchObject({ first: '100' });
  await log.owner.pool.query(`UPDATE "WebhookProgress" SET "failures" = 1, "failingSince" = '2026-01-31T10:00:00Z'`);
  expect(await archive()).toMatchObject({ reader: 'webhook crm', since: new Date('2026-01-31T10:00:00Z') });
  await log.owner.pool.query(`UPDATE "Webhook" SET "status" = 'DISABLED', "disabledAt" = now()`);
  expect(await archive()).toEqual({ why: 'NOT_FULL' });
});

test('the command says which reader holds the log, since when, and what lets go of it', async () => {
  vi.stubEnv('DATABASE_OWNER_URL', log.urls.ownerUrl);
  const said: string[] = [];
  const to = join(folder, 'made/for/it');
  const run = () => archiveAuditTrail({ to, before: soon() }, (line) => said.push(line));
  await log.owner.prisma.eventCursor.create({ data: { reader: 'eventbridge', seq: 7, updatedAt: new Date(0) } });
  await run();
  const id = '0198c2f0-7a10-7b3e-8d3c-2f6f0f5d1c11';
  await log.owner.pool.query(`
    INSERT INTO "Webhook" ("id", "name", "url", "filter", "createdBy") VALUES ('${id}', 'crm', 'https://crm.example/', '{}', 'ada');
    INSERT INTO "WebhookProgress" ("webhookId", "position") VALUES ('${id}', 3)`);
  await run();
  vi.unstubAllEnvs();
  expect(said).toEqual([
    expect.stringMatching(
      /eventbridge has come to 7 only, and has stood there since 1970-01-01T00:00:00.000Z. .*publisher {/,
    ),
    expect.stringMatching(/webhook crm has come to 3 only\. .*disableWebhook/),
  ]);
  expect(statSync(to).mode & 0o777).toBe(0o700);
});

describe('a process that is killed', () => {
  const STEPS: ArchiveStep[] = ['WRITTEN', 'NAMED', 'VERIFIED', 'STATED', 'DETACHED', 'DROPPED'];
  test.each(STEPS)(
    'after the step %s loses nothing, and the next one goes on',
    async (dieAt) => {
      const settings = JSON.stringify({ ownerUrl: log.urls.ownerUrl, folder, dieAt });
      const child = spawn(process.execPath, [script, settings], { stdio: 'inherit' });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      expect(await stored()).toMatchObject(dieAt === 'DROPPED' ? { first: '100' } : { first: '1', count: '250' });
      expect(await verified()).toEqual({ ok: true, head: 250n });
      expect(await archive()).toEqual({ why: 'NOT_FULL' });
      expect(await stored()).toEqual({ first: '200', count: '51' });
      expect(linesOf(FIRST).length + linesOf(SECOND).length).toBe(199);
      expect(await verified()).toEqual({ ok: true, head: 250n });
    },
    60_000,
  );

  test('in the middle of a file leaves a part that is written anew', async () => {
    writeFileSync(join(folder, `${FIRST}.jsonl.gz.part`), 'half');
    expect(await archive()).toEqual({ why: 'NOT_FULL' });
    expect(await verified()).toEqual({ ok: true, head: 250n });
  });
});

describe('nothing is dropped', () => {
  test('where the file that was written does not read back', async () => {
    const damage = async (step: ArchiveStep) => {
      if (step === 'NAMED') truncateSync(join(folder, `${FIRST}.jsonl.gz`), 500);
    };
    await expect(archive(soon(), damage)).rejects.toThrow('nothing was dropped');
    expect(await stored()).toEqual({ first: '1', count: '250' });
  });

  test("where another log's archive is in the way, which stays as it is", async () => {
    writeFileSync(join(folder, `${FIRST}.jsonl.gz`), gzipSync('another'));
    await expect(archive()).rejects.toThrow('nothing was dropped');
    expect(linesOfText(readFileSync(join(folder, `${FIRST}.jsonl.gz`)))).toBe('another');
    expect(await stored()).toEqual({ first: '1', count: '250' });
  });

  test('where the log itself is not as it was written', async () => {
    await log.owner.pool.query(`ALTER TABLE "Event" DISABLE TRIGGER USER;
      UPDATE "Event" SET "canonical" = "canonical" || ' ' WHERE "seq" = 42; ALTER TABLE "Event" ENABLE TRIGGER USER`);
    await expect(archive()).rejects.toThrow('nothing was dropped');
    expect(await stored()).toEqual({ first: '1', count: '250' });
  });

  test('while another process archives', async () => {
    await archive(soon(), async (step) => {
      if (step === 'WRITTEN') await expect(archive()).rejects.toThrow('Another process archives this log');
    });
  });
});
const linesOfText = (bytes: Buffer): string => gunzipSync(bytes).toString();

describe('in an archive the first bad number is named', () => {
  test.each<[string, bigint, string, () => void | Promise<void>]>([
    [
      'a text that was changed',
      42n,
      'CHANGED',
      () => {
        const lines = linesOf(FIRST);
        rewrite(
          FIRST,
          lines.map((line, index) => (index === 41 ? line.replace('orders', 'others') : line)),
        );
      },
    ],
    [
      'a line that was taken out',
      42n,
      'MISSING',
      () =>
        rewrite(
          FIRST,
          linesOf(FIRST).filter((_, index) => index !== 41),
        ),
    ],
    ['an end that was cut', 150n, 'MISSING', () => rewrite(SECOND, linesOf(SECOND).slice(0, 50))],
    [
      'two lines that were swapped',
      120n,
      'MISSING',
      () => {
        const lines = linesOf(SECOND);
        const [one = '', other = ''] = [lines[20], lines[21]];
        rewrite(SECOND, lines.with(20, other).with(21, one));
      },
    ],
    ['a file that is gone', 100n, 'MISSING', () => rmSync(join(folder, `${SECOND}.jsonl.gz`))],
    [
      'a file that is gone with its manifest',
      100n,
      'MISSING',
      () => {
        for (const end of ['json', 'jsonl.gz']) rmSync(join(folder, `${SECOND}.${end}`));
      },
    ],
    [
      'the first file gone with its manifest',
      1n,
      'MISSING',
      () => {
        for (const end of ['json', 'jsonl.gz']) rmSync(join(folder, `${FIRST}.${end}`));
      },
    ],
    [
      'bytes that say the same and are others',
      1n,
      'CHANGED',
      () =>
        rewrite(
          FIRST,
          [...linesOf(FIRST)].map((line) => ` ${line}`),
        ),
    ],
    ['a file that is no gzip', 100n, 'CHANGED', () => writeFileSync(join(folder, `${SECOND}.jsonl.gz`), 'no')],
    [
      'the log after it',
      200n,
      'CHANGED',
      async () => {
        await log.owner.pool.query(`ALTER TABLE "Event" DISABLE TRIGGER USER;
        UPDATE "Event" SET "data" = '{}' WHERE "seq" = 200; ALTER TABLE "Event" ENABLE TRIGGER USER`);
      },
    ],
  ])('%s', async (_, firstBad, reason, tamper) => {
    await archive();
    await tamper();
    expect(await verified()).toMatchObject({ ok: false, firstBad, reason });
  });

  test('an anchor that an archive contradicts', async () => {
    await archive();
    const anchors = [{ seq: 77n, hash: Buffer.alloc(32, 1) }];
    expect(await verified({ anchors })).toMatchObject({ ok: false, firstBad: 77n, reason: 'ANCHOR' });
  });

  test('a manifest that was changed is named by the command, and one that cannot be read is the fault of the folder', async () => {
    await archive();
    vi.stubEnv('DATABASE_URL', log.urls.serverUrl);
    const manifest = join(folder, `${SECOND}.json`);
    writeFileSync(manifest, '{}');
    const said: string[] = [];
    const verifying = () => verifyAuditTrail({ archive: folder }, (line) => said.push(line));
    expect(await verifying()).toBe(false);
    expect(said).toEqual([`The archive is not as it was written: ${manifest} is no manifest of an archive.`]);
    rmSync(manifest);
    mkdirSync(manifest);
    await expect(verifying()).rejects.toThrow(BadFolder);
    await expect(verifyAuditTrail({ archive: '' }, (line) => said.push(line))).rejects.toThrow('no folder of archives');
    vi.unstubAllEnvs();
  });

  test('archives of another log in the place of these', async () => {
    await archive();
    const [mine, kept] = [folder, log];
    log = await openTestLog();
    onTestFinished(log.close);
    await write(log, someEvents(250));
    await headReaches(log, 250);
    expect(await verifyWithArchive(log.pool, mine, {})).toMatchObject({ ok: false });
    log = kept;
    renameSync(join(mine, `${FIRST}.json`), join(mine, `${FIRST}.away`));
    expect(await verified()).toMatchObject({ ok: false, firstBad: 1n, reason: 'MISSING' });
  });
});

test("the owner's notes on what was archived stay as they are", async () => {
  await archive();
  for (const sql of [
    'DELETE FROM "EventArchive"',
    'UPDATE "EventArchive" SET "count" = 1',
    'TRUNCATE "EventArchive"',
  ]) {
    await expect(log.owner.pool.query(sql)).rejects.toThrow('append only');
    await expect(log.pool.query(sql)).rejects.toThrow('permission denied');
  }
});
