import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { Loop } from '../../src/events/loop.js';
import { parseNetworks } from '../../src/events/webhook-address.js';
import type { Tell } from '../../src/events/webhook-deliveries.js';
import type { WebhookTimes } from '../../src/events/webhook-lane.js';
import { createWebhookSecrets } from '../../src/events/webhook-secret.js';
import { startWebhookSender, type WebhookLanes } from '../../src/events/webhook-sender.js';
import { turnOffWebhook } from '../../src/governance/webhook-delivery.js';
import { tellWebhook } from '../../src/server/webhooks.js';
import { silent, type TestLog } from '../events/log.js';
import { TEST_MESH } from '../testkit/execute.js';

export const secrets = createWebhookSecrets([Buffer.alloc(32, 1)]);
const QUICK: WebhookTimes = { retriesMs: [20, 20, 20, 20], pauseMs: 1, disableAfterMs: 60_000, turnMs: 5_000 };

/** Starts a sender that reaches loopback and tries again soon; it stops when the test ends. */
export function startSender(
  log: TestLog,
  { times, tell = tellWebhook, lanes }: { times?: Partial<WebhookTimes>; tell?: Tell; lanes?: WebhookLanes } = {},
): Loop {
  const system = { db: log.prisma, mesh: TEST_MESH, committed: () => log.sequencer.poke() };
  const sender = startWebhookSender({
    ...{ pool: log.pool, listener: log.listener, log: silent, secrets, tell },
    limits: { allowed: parseNetworks(['127.0.0.1']), timeoutMs: 1_000 },
    disable: (id, reason) => turnOffWebhook(system, { id, reason }),
    times: { ...QUICK, ...times },
    ...(lanes ? { lanes } : {}),
  });
  onTestFinished(() => sender.stop());
  return sender;
}

/** Registers a webhook as an admin would; answers its id. */
export async function addWebhook(
  log: TestLog,
  url: string,
  { domainId = null, filter = {} }: { domainId?: string | null; filter?: object } = {},
): Promise<string> {
  const id = randomUUID();
  await log.owner.pool.query(
    `INSERT INTO "Webhook" ("id", "domainId", "name", "url", "filter", "createdBy") VALUES ($1, $2, 'hook-' || $1::uuid, $3, $4, 'ada')`,
    [id, domainId, url, filter],
  );
  await log.owner.pool.query(
    'INSERT INTO "WebhookProgress" ("webhookId", "position") SELECT $1, "seq" FROM "EventHead"',
    [id],
  );
  return id;
}
