import type { Pool, PoolClient } from 'pg';
import { type CursorLock, takeCursor } from './cursor-lock.js';
import type { Listener } from './listen.js';
import { type Log, type Loop, startLoop } from './loop.js';
import { WEBHOOKS, within10Seconds } from './read.js';
import { forgetDeliveries, makeDeliveries, readLeastPosition, type Tell } from './webhook-deliveries.js';
import { type DisableReason, type LaneOptions, runLane, WEBHOOK_TIMES, type WebhookTimes } from './webhook-lane.js';
import { type PostLimits, post } from './webhook-post.js';
import { createWebhookRoom, type WebhookRoom } from './webhook-room.js';
import type { WebhookSecrets } from './webhook-secret.js';
import { createTurns } from './webhook-turns.js';

const POLL_MS = 250;
const FORGET_EVERY_MS = 3_600_000;
/** Webhooks that are served at once: those that fail have places of their own, so that they take none from the others. */
export interface WebhookLanes {
  well: number;
  failing: number;
}
const LANES: WebhookLanes = { well: 100, failing: 50 };

export interface WebhookSenderOptions {
  pool: Pool;
  listener: Listener;
  log: Log;
  secrets: WebhookSecrets;
  limits: PostLimits;
  tell: Tell;
  /** Turns a webhook off and says so in the log. */
  disable: (webhookId: string, reason: DisableReason) => Promise<void>;
  times?: WebhookTimes;
  lanes?: WebhookLanes;
}

/**
 * Sends the log to webhooks, at least once, with the event's id: one process of the installation at a time. Each webhook has its own place in
 * the log and its own deliveries, so that none waits for another.
 */
export function startWebhookSender(options: WebhookSenderOptions): Loop {
  const { pool, listener, log, secrets, limits, tell, disable, times = WEBHOOK_TIMES } = options;
  const places = options.lanes ?? LANES;
  const lanes = new Map<string, { failing: boolean; ended: Promise<void> }>();
  const turns = createTurns();
  let held: { cursor: CursorLock; lost: AbortController; room: WebhookRoom } | undefined;

  async function sendOn(signal: AbortSignal): Promise<boolean> {
    const cursor = held?.cursor ?? (await takeCursor(pool, WEBHOOKS));
    if (cursor === undefined) return false;
    if (held === undefined) {
      takeTurns(cursor.connection);
      held = { cursor, lost: new AbortController(), room: createWebhookRoom() };
    }
    try {
      const { connection } = cursor;
      const { more, missed } = await makeDeliveries(connection, { tell, room: held.room });
      for (const id of missed) await disable(id, 'MISSED_EVENTS');
      await openLanes(held, signal);
      const least = await readLeastPosition(connection);
      if (least !== cursor.seq) await cursor.advance(least);
      return more;
    } catch (error) {
      await giveUp();
      throw error;
    }
  }

  async function openLanes({ cursor, lost }: NonNullable<typeof held>, signal: AbortSignal): Promise<void> {
    const send: LaneOptions['send'] = (message) => post(message, limits);
    const lane: LaneOptions = { connection: cursor.connection, secrets, tell, send, disable, times };
    for (const { id, failing } of turns.inOrder(await readWaiting(cursor))) {
      const taken = [...lanes.values()].filter((one) => one.failing === failing).length;
      if (lanes.has(id) || taken >= (failing ? places.failing : places.well)) continue;
      const ended = runLane(lane, id, AbortSignal.any([lost.signal, signal]))
        .catch((err: unknown) => log.warn({ err, webhook: id }, 'deliveries to a webhook broke off and will go on'))
        .then((more) => {
          lanes.delete(id);
          // Who waits for the place need not wait for the next poll.
          if (more) loop.poke();
        });
      lanes.set(id, { failing, ended });
      turns.serve(id);
    }
  }

  async function giveUp(): Promise<void> {
    const { cursor, lost } = held ?? {};
    held = undefined;
    lost?.abort();
    // What is under way is noted, where that is still possible, before another process may begin.
    await Promise.all([...lanes.values()].map(({ ended }) => ended));
    cursor?.release();
  }

  const loop = startLoop({ name: 'webhooks', log, idleMs: POLL_MS, run: sendOn });
  const forgetting = startLoop({
    ...{ name: 'webhook deliveries that are over', log, idleMs: FORGET_EVERY_MS },
    run: () => forgetDeliveries(pool),
  });
  const forget = listener.onWake(loop.poke);
  return {
    poke: loop.poke,
    get lastRunAt() {
      return loop.lastRunAt;
    },
    async stop() {
      forget();
      await Promise.all([loop.stop(), forgetting.stop()]);
      await giveUp();
    },
  };
}

/** Many lanes use the one connection, and it takes one query at a time. It is never given back to the pool, so that it may stay so. */
function takeTurns(connection: PoolClient): void {
  const query = connection.query.bind(connection) as (...given: unknown[]) => Promise<unknown>;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (...given: unknown[]): Promise<unknown> => {
    const next = last.then(() => query(...given));
    last = next.catch(() => undefined);
    return next;
  };
  Object.assign(connection, { query: inTurn });
}

/** Webhooks for which something is due: of each the earliest alone is looked at, however many wait. */
async function readWaiting({ connection }: CursorLock): Promise<{ id: string; failing: boolean }[]> {
  const { rows } = await connection.query<{ id: string; failing: boolean }>(
    within10Seconds({
      name: 'webhooks_waiting',
      text: `SELECT w."id", p."failures" > 0 AS "failing" FROM "Webhook" w JOIN "WebhookProgress" p ON p."webhookId" = w."id"
        WHERE w."removedAt" IS NULL AND (
          now() >= (SELECT min("nextAttemptAt") FROM "WebhookDelivery" WHERE "webhookId" = w."id" AND "status" = 'PENDING' AND "kind" = 'PING')
          OR w."status" = 'ENABLED' AND coalesce(p."pausedUntil" <= now(), true) AND now() >= (
            SELECT min("nextAttemptAt") FROM "WebhookDelivery" WHERE "webhookId" = w."id" AND "status" = 'PENDING' AND "kind" = 'EVENT'))
        ORDER BY random()`,
    }),
  );
  return rows;
}
