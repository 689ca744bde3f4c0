import { createAws } from '../aws/clients.js';
import { createPutEvents } from '../aws/event-bridge.js';
import { createInboxQueue } from '../aws/inbox-queue.js';
import type { AwsSession } from '../aws/session.js';
import { heardLater } from '../events/ahead.js';
import { startAnchors } from '../events/anchor.js';
import { startInbox } from '../events/inbox.js';
import type { Listener } from '../events/listen.js';
import { startLoop } from '../events/loop.js';
import { startPublisher } from '../events/publisher.js';
import type { PutEvents } from '../events/put-events.js';
import { startWebhookSender } from '../events/webhook-sender.js';
import { aboutResource } from '../governance/about-resource.js';
import { createPolicyEngine } from '../governance/cedar/engine.js';
import { centralBusStands, followCentralBus } from '../governance/central-bus.js';
import type { Context } from '../governance/context.js';
import { declareDomains } from '../governance/declare-domains.js';
import { driftPolicies, foreignGrants } from '../governance/drift.js';
import { followUpWaiting } from '../governance/escalation.js';
import { expireDueGrants } from '../governance/expire.js';
import { followUp } from '../governance/follow-up.js';
import { INBOX_OVERFLOW_QUEUE, INBOX_QUEUE, INBOX_UNDELIVERED_QUEUE } from '../governance/names.js';
import { forgetReceivedEvents } from '../governance/quarantine.js';
import { laneOf, leftAtOnce, takeMessage } from '../governance/received-event.js';
import { remindOfEnds } from '../governance/remind.js';
import { settled, unsettledOwners } from '../governance/settled.js';
import { actAsSystem, forgetIdempotencyKeys } from '../governance/transaction.js';
import { turnOffWebhook } from '../governance/webhook-delivery.js';
import { endLeases, type LaneKey } from '../provisioning/lane.js';
import type { Aws } from '../provisioning/provider.js';
import { DEFAULT_TIMES, startReconciler } from '../provisioning/reconcile.js';

import type { Config } from './config.js';
import type { Database } from './database.js';
import type { ReadinessCheck } from './health.js';
import type { Jobs } from './jobs.js';
import type { Log } from './log.js';
import { tellWebhook, webhookSettings } from './webhooks.js';

/** What the worker's part is built from. `committed` is told of lanes that its own transactions changed. */
export interface WorkOptions {
  config: Config;
  database: Database;
  jobs: Jobs;
  listener: Listener;
  log: Log;
  committed: Context['committed'];
  /** No other process works on this database: leases that are found belong to the dead. */
  alone: boolean;
}

/** The worker's part: makes AWS agree, publishes the log, ends grants whose time has come. */
export interface Work {
  wake(lanes: LaneKey[]): void;
  checks: Record<string, ReadinessCheck>;
  stop(): Promise<void>;
}

const WEBHOOK_TIMEOUT_MS = 15_000;
const lanesAtOnce = 8;
const expireEvery = 1_000;
const followUpEvery = 1_000;
const remindEvery = 60_000;
const tidyEvery = 3_600_000;
/** Once at the start, in fact: a version does not change while it runs. */
const declareEvery = 86_400_000;

/** Starts reconciler, publisher and clock. */
export async function startWork(options: WorkOptions): Promise<Work> {
  const { config, database, jobs, listener, log, committed, alone } = options;
  const { mesh } = config;
  const db = database.prisma;
  const aws = createAws({
    governanceAccount: mesh.governanceAccount,
    region: mesh.region,
    ...(config.aws.endpoint ? { endpoint: config.aws.endpoint } : {}),
    ...(config.aws.credentials ? { baseCredentials: config.aws.credentials } : {}),
    ...(config.aws.assumeGovernanceRole ? { roleArn: mesh.governanceRoleArn } : {}),
    requestTimeoutMs: DEFAULT_TIMES.requestTimeoutMs,
    log,
  });
  if (alone) await endLeases(db);
  const reconciler = startReconciler({
    db,
    aws,
    roleOf: (account) => roleOf(database, account, mesh.governanceAccount),
    settled: async (tx, owner) => {
      await actAsSystem(tx);
      await settled(mesh, tx, owner);
      return undefined;
    },
    unsettledOwners: () => unsettledOwners(mesh, db),
    aboutResource,
    keepStanding: async (tx, standing) => {
      const again = await followCentralBus(tx, mesh, standing);
      const numbers = again && { after: String(again.after), upTo: String(again.upTo) };
      if (numbers) log.warn(numbers, 'the central bus had been missing: what may have been lost is sent again');
    },
    driftPolicies: (ids) => driftPolicies(db, ids),
    foreign: foreignGrants(db),
    log,
    times: { driftPeriodMs: config.driftPeriodSeconds * 1_000 },
    concurrency: lanesAtOnce,
  });
  const openGovernance = governanceSessions(aws, config);
  const put = putAsGovernance(openGovernance);
  const bus = mesh.centralBusName;
  const busStands = () => centralBusStands(db, mesh);
  const publisher = startPublisher({ ...{ pool: database.pool, listener, put, bus, log }, busStands });
  const webhooks = webhookSettings(config);
  const sender =
    webhooks &&
    startWebhookSender({
      ...{ pool: database.pool, listener, log, secrets: webhooks.secrets, tell: tellWebhook },
      limits: { allowed: webhooks.allowed, timeoutMs: WEBHOOK_TIMEOUT_MS },
      disable: (id, reason) => turnOffWebhook({ db, mesh, committed }, { id, reason }),
    });
  const anchors = startAnchors({ pool: database.pool, put, bus, busStands, log });
  const system = { db, mesh, committed, policies: createPolicyEngine() };
  const clock = startLoop({
    name: 'expiry of grants',
    log,
    idleMs: expireEvery,
    run: async (signal) => {
      const failed = (accessGrantId: string, err: unknown) =>
        log.error({ err, accessGrantId }, 'a grant whose time has come could not be ended');
      await expireDueGrants(system, { failed, signal });
      return false;
    },
  });
  const followUps = startLoop({
    name: 'what follows on AWS',
    log,
    idleMs: followUpEvery,
    run: () => followUp(system),
  });
  const reminders = startLoop({
    name: 'reminders of ends',
    log,
    idleMs: remindEvery,
    run: async () => (await remindOfEnds(system, config.reminderDays)) >= 200,
  });
  const waiting = startLoop({
    name: 'requests that wait',
    log,
    idleMs: remindEvery,
    run: async () => (await followUpWaiting(system)) >= 200,
  });
  const domains = startLoop({
    name: 'what domains need of this version',
    log,
    idleMs: declareEvery,
    run: async () => {
      await declareDomains(system);
      return false;
    },
  });
  const tidying = startLoop({
    name: 'what is kept for a time',
    log,
    idleMs: tidyEvery,
    run: async () => {
      await forgetIdempotencyKeys(db);
      await forgetReceivedEvents(db);
      return false;
    },
  });
  const inboxQueue = (queue: string) =>
    createInboxQueue({
      queue,
      hiddenSeconds: Math.ceil((3 * DEFAULT_TIMES.leaseMs) / 1_000),
      client: async () => (await openGovernance('meshgate-inbox')).sqs,
    });
  const inbox = startInbox({
    queues: {
      inbox: inboxQueue(INBOX_QUEUE),
      overflow: inboxQueue(INBOX_OVERFLOW_QUEUE),
      undelivered: inboxQueue(INBOX_UNDELIVERED_QUEUE),
    },
    laneOf,
    take: (message) => takeMessage(system, message),
    leftAtOnce: (messages) => leftAtOnce(system, messages),
    ready: () => database.pool.query('SELECT 1'),
    log,
  });
  await jobs.runLanes(async (lane) => reconciler.wake([lane]), lanesAtOnce);
  return {
    wake: reconciler.wake,
    checks: {
      reconciler: async () => assertRecent('reconciler', reconciler.status().sweptAt, 30_000),
      clock: async () => assertRecent('clock', clock.lastRunAt, 30_000),
    },
    stop: async () => {
      await Promise.all([
        clock.stop(),
        followUps.stop(),
        reminders.stop(),
        waiting.stop(),
        domains.stop(),
        tidying.stop(),
        publisher.stop(),
        anchors.stop(),
        sender?.stop(),
        inbox.stop(),
        reconciler.stop(),
      ]);
    },
  };
}

/** Throws where a loop has not come round for longer than `most` ms. */
export function assertRecent(name: string, at: Date | null, most: number): void {
  if (!at) throw new Error(`the ${name} has not run yet`);
  if (Date.now() - at.getTime() > most) throw new Error(`the ${name} last ran at ${at.toISOString()}`);
}

/** The role that the domain of an account registered; null in the governance account, which has none. */
async function roleOf(
  { prisma }: Database,
  account: string,
  governanceAccount: string,
): Promise<{ arn: string; externalId: string } | null> {
  if (account === governanceAccount) return null;
  const select = { roleArn: true, externalId: true };
  const domain = await prisma.domain.findUnique({ where: { awsAccountId: account }, select });
  return domain && { arn: domain.roleArn, externalId: domain.externalId };
}

/** Opens sessions with the governance account's credentials, one for each name; asked for again where they could not be had. */
function governanceSessions(aws: Aws<AwsSession>, { mesh }: Config): (sessionName: string) => Promise<AwsSession> {
  const opened = new Map<string, Promise<AwsSession>>();
  return (sessionName) => {
    const known = opened.get(sessionName);
    if (known) return known;
    const lane = { account: mesh.governanceAccount, region: mesh.region, role: null, sessionName };
    const session = aws.open({ ...lane, beforeCall: async () => undefined });
    opened.set(sessionName, session);
    session.catch(() => opened.delete(sessionName));
    return session;
  };
}

/** PutEvents with the governance account's credentials. */
function putAsGovernance(open: (sessionName: string) => Promise<AwsSession>): PutEvents {
  return (entries) => {
    const session = open('meshgate-publisher');
    const ready = heardLater(session.then(({ eventBridge }) => createPutEvents(eventBridge)(entries)));
    return { send: async () => (await ready).send() };
  };
}
