import { z } from 'zod';
import { observeSoon } from '../provisioning/declare.js';
import type { LaneKey } from '../provisioning/lane.js';
import type { ActingContext } from './context.js';
import type { Tx } from './transaction.js';
import { type ReceivedEvent, Untaken } from './untaken.js';

/** The detail of `Glue Crawler State Change` (AWS Glue developer guide, "Automating AWS Glue with EventBridge"). */
const state = z.object({ crawlerName: z.string().min(1).max(255), state: z.string() });

/**
 * A crawler in the sender's account began or ended a run: what is waited for there is looked at now, and not when its time comes. A name is
 * looked for in that account alone; one that nobody waits for changes nothing.
 */
export async function takeCrawlerState(_: ActingContext, tx: Tx, event: ReceivedEvent): Promise<LaneKey[]> {
  const read = state.safeParse(event.detail);
  if (!read.success) throw new Untaken('INVALID_DETAIL', 'detail: crawlerName and state are texts.');
  return observeSoon(tx, { kind: 'CrawlerRun', account: event.account, key: read.data.crawlerName });
}
