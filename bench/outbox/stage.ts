import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import pg from 'pg';
import pino from 'pino';
import { MADE_ONCE } from '../../src/aws/event-bridge.js';
import { startPostgres } from '../../src/sandbox/postgres.js';
import { migrate } from '../../src/server/migrate.js';
import type { Seen } from './sink.js';

/** A Postgres with a log of events, and a sink in a process of its own that answers PutEvents. */
export interface Stage {
  serverUrl: string;
  owner: pg.Pool;
  /** As the product has it. */
  client: EventBridgeClient;
  /** As one makes it. */
  ordinaryClient: EventBridgeClient;
  /** The sink begins anew, with so many of 100 entries failing once. */
  begin(failingOf100: number): Promise<void>;
  seen(): Promise<Seen>;
  close(): Promise<void>;
}

/** Makes the stage and numbers so many events. */
export async function setStage(events: number): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'meshgate-bench-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  await migrate(postgres.ownerUrl, pino({ level: 'silent' }), 'prisma/migrations');
  const owner = new pg.Pool({ connectionString: postgres.ownerUrl, max: 2 });
  await fill(owner, events);
  const sink = spawn(process.execPath, [fileURLToPath(import.meta.url), 'sink'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: sink.stdout }), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  const ask = async (path: string, body = '') =>
    (await (await fetch(`${url}${path}`, { method: 'POST', body })).json()) as Seen;
  const credentials = { accessKeyId: 'AKIABENCH', secretAccessKey: 'bench' };
  const settings = { endpoint: url, region: 'eu-west-1', credentials, maxAttempts: 1 };
  return {
    serverUrl: postgres.serverUrl,
    owner,
    client: new EventBridgeClient({ ...settings, ...MADE_ONCE }),
    ordinaryClient: new EventBridgeClient(settings),
    begin: async (failingOf100) => void (await ask('/begin', String(failingOf100))),
    seen: () => ask('/seen'),
    close: async () => {
      sink.kill();
      await owner.end();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Events of some 500 bytes each, as a mesh at work writes them: about different products, and every fifth of what one domain's systems tell. */
async function fill(owner: pg.Pool, events: number): Promise<void> {
  await owner.query(
    `INSERT INTO "EventPending" ("id", "type", "version", "subjectType", "subjectId", "subject", "audiencePublic", "audienceDomains",
       "audienceSubjects", "actor", "correlationId", "occurredAt", "data", "canonical")
     SELECT gen_random_uuid(), CASE WHEN heard THEN 'DomainEventReceived' ELSE 'DataProductUpdated' END, 1,
       CASE WHEN heard THEN 'Domain' ELSE 'DataProduct' END,
       CASE WHEN heard THEN '0192f0a0-0000-7000-8000-000000000001'::uuid ELSE gen_random_uuid() END,
       CASE WHEN heard THEN '{"type":"Domain","id":"RG9tYWluOjE","name":"commerce","domain":"commerce"}'::jsonb
         ELSE jsonb_build_object('type', 'DataProduct', 'id', 'RGF0YVByb2R1Y3Q6' || n, 'name', 'orders-' || n, 'domain', 'commerce') END, true, '{}',
       '{}', '{"kind":"USER","subject":"ana","name":"Ana","tokenId":null,"address":null}', gen_random_uuid()::text, now(),
       jsonb_build_object('tags', '["sales","daily"]'::jsonb, 'before', jsonb_build_object('description', repeat('a', 120)),
         'after', jsonb_build_object('description', repeat('b', 120))), '{}'
     FROM (SELECT n, n % 5 = 0 AS heard FROM generate_series(1, $1::int) n) made`,
    [events],
  );
  for (let moved = 1; moved > 0; ) {
    const { rows } = await owner.query<{ moved: number }>('SELECT sequence_events(2000) AS moved');
    moved = rows[0]?.moved ?? 0;
  }
  await owner.query('ANALYZE "Event"');
}
