import { createProviders } from '../aws/providers.js';
import { encodeCursor } from '../events/cursor.js';
import { readPublisherLag } from '../events/lag.js';
import { startListener } from '../events/listen.js';
import type { Loop } from '../events/loop.js';
import { startSequencer } from '../events/sequencer.js';
import { startTail, type Tail, type TailOptions } from '../events/tail.js';
import type { Actor, EventType, LogEvent } from '../events/types.js';
import { verifyPart } from '../events/verify.js';
import { createPolicyEngine } from '../governance/cedar/engine.js';
import type { Context, Viewer } from '../governance/context.js';
import { countHeldEvents } from '../governance/quarantine.js';
import { tellReads } from '../governance/restricted-details.js';
import type { CallsOf } from '../provisioning/plan.js';
import type { ReaderRoles, RequestContext } from '../resolvers/context.js';
import { buildSchema } from '../resolvers/schema.js';
import { createAuthenticate, type Identity } from './authenticate.js';
import { clientAddress } from './client-address.js';
import type { Config } from './config.js';
import { createConnections } from './connections.js';
import { type Database, openDatabase } from './database.js';
import { unlessBusy } from './error.js';
import { serveEventStreams } from './event-stream.js';
import { createHealth, type ReadinessCheck } from './health.js';
import { type Api, createHttp } from './http.js';
import { type IncomingRequest } from './incoming.js';
import { openJobs } from './jobs.js';
import type { Log } from './log.js';
import { createMetrics, type Facts } from './metrics.js';
import { MigrationError, pendingMigrations } from './migrate.js';
import { createOwnTokens, type OwnTokens } from './own-token.js';
import { type ProgressWatch, startProgressWatch } from './progress-watch.js';
import { createAdmission, pointsOf } from './rates.js';
import { createSignIn } from './sign-in.js';
import type { StreamSession } from './subscription.js';
import { readTrustedDocuments } from './trusted-documents.js';
import { createViewers, type Viewers } from './viewer.js';
import { webhookSettings } from './webhooks.js';
import { serveWebSockets } from './websocket.js';
import { assertRecent, startWork, type Work } from './work.js';

/** Which parts run in this process: the API, the worker, or both. */
export interface Roles {
  serve: boolean;
  work: boolean;
}

/** A running process of Meshgate. */
export interface App {
  /** Takes requests from now on; answers the port. */
  listen(): Promise<number>;
  /** Drains: no new requests, sockets told to go elsewhere, work in flight ended, then all connections closed. */
  close(): Promise<void>;
}

interface AppOptions {
  config: Config;
  roles: Roles;
  log: Log;
  /** No other process runs over this database (`meshgate start` holds the lock of its folder): a dead one's lanes are taken at once. */
  alone?: boolean;
}

/** Builds every object of the process and joins them: the one place that knows them all. */
export async function createApp({ config, roles, log, alone = false }: AppOptions): Promise<App> {
  const database = openDatabase(config.databaseUrl, { poolSize: config.poolSize, log });
  const closing: (() => Promise<void>)[] = [() => database.close()];
  const onClose = (close: () => Promise<void>): number => closing.unshift(close);
  try {
    await assertMigrated(database);
    const listener = startListener({ databaseUrl: config.databaseUrl, log });
    onClose(() => listener.stop());
    const sequencer = startSequencer({ pool: database.pool, log });
    onClose(() => sequencer.stop());
    const jobs = await openJobs({ serverUrl: config.databaseUrl, log });
    onClose(() => jobs.close());
    const ownTokens = createOwnTokens(database.pool, log);
    const viewers = createViewers(database.pool, { ownTokens });
    let work: Work | undefined;
    const committed: Context['committed'] = (lanes) => {
      sequencer.poke();
      viewers.forget();
      if (work) return work.wake(lanes);
      for (const lane of lanes) {
        jobs.wakeLane(lane).catch((error: unknown) => log.warn({ err: error, lane }, 'the sweep will find this lane'));
      }
    };
    if (roles.work) {
      work = await startWork({ config, database, jobs, listener, log, committed, alone });
      onClose(work.stop);
    }
    const checks: Record<string, ReadinessCheck> = { ...basicChecks(database, sequencer), ...work?.checks };
    let api: Api<RequestContext> | undefined;
    let requests: Requests | undefined;
    if (roles.serve) {
      const beforeDelivery = () => viewers.refresh();
      const tail = await startTail({
        pool: database.pool,
        listener,
        log,
        beforeDelivery: forMembership(beforeDelivery),
      });
      onClose(() => tail.stop());
      checks.tail = async () => assertRecent('tail', tail.lastRunAt, 10_000);
      const progress = startProgressWatch({ run: database.run, log });
      onClose(() => progress.stop());
      requests = createRequests({ config, database, tail, progress, viewers, ownTokens, committed });
      const schema = await buildSchema();
      const trusted = readTrustedDocuments(config.trustedDocuments, { schema, introspection: true });
      api = { schema, trusted, contextOf: requests.contextOf, charge: requests.charge };
    }
    const health = createHealth(checks, { log });
    const metrics = roles.work ? { metrics: createMetrics(() => readFacts(database)) } : {};
    const http = await createHttp({ config, log, health, ...metrics, ...(api ? { api } : {}) });
    onClose(() => http.close());
    if (api && requests) {
      const rules = { schema: api.schema, introspection: config.introspection, trusted: api.trusted };
      const open = requests.openSession;
      const sockets = serveWebSockets({ server: http.app.server, rules, config, log, open });
      onClose(() => sockets.drain());
      const streams = serveEventStreams(http.app, { rules, log, open, cursorOf: cursorOfEvent });
      onClose(() => streams.drain());
    }
    onClose(async () => health.drain());
    return { listen: http.listen, close: () => closeAll(closing, log) };
  } catch (error) {
    await closeAll(closing, log);
    throw error;
  }
}

async function readFacts({ pool, prisma }: Database): Promise<Facts> {
  const [publisher, held] = await Promise.all([readPublisherLag(pool), countHeldEvents(prisma)]);
  return { publisher, held };
}

async function closeAll(closing: (() => Promise<void>)[], log: Log): Promise<void> {
  for (const close of closing.splice(0)) {
    await close().catch((error: unknown) => log.error({ err: error }, 'a part did not close in order'));
  }
}

async function assertMigrated({ pool }: Database): Promise<void> {
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return;
  throw new MigrationError(
    `The database lacks ${pending.length} migration(s), first ${pending[0]}. Run "meshgate migrate" with DATABASE_OWNER_URL before this version.`,
  );
}

function basicChecks(database: Database, sequencer: Loop): Record<string, ReadinessCheck> {
  return {
    database: async () => {
      await database.pool.query('SELECT 1');
    },
    migrations: () => assertMigrated(database),
    sequencer: async () => assertRecent('sequencer', sequencer.lastRunAt, 10_000),
  };
}

/** Whoever left a domain, or whose token was revoked, must not get what follows the event that says so. */
function forMembership(refresh: () => Promise<void>): TailOptions['beforeDelivery'] {
  return (events) => (events.some(({ type }) => changesWhoMay.has(type)) ? refresh() : undefined);
}

const changesWhoMay: ReadonlySet<string> = new Set<EventType>([
  'DomainRegistered',
  'DomainUpdated',
  'DeputyNamed',
  'DeputyEnded',
  'ServiceAccountRegistered',
  'ServiceAccountRemoved',
  'ServiceAccountSecretRevoked',
  'TokenRevoked',
]);

interface RequestParts {
  config: Config;
  database: Database;
  tail: Tail;
  progress: ProgressWatch;
  viewers: Viewers;
  ownTokens: OwnTokens;
  committed: Context['committed'];
}

/** Turns requests and subscribers into what resolvers are given. */
interface Requests {
  contextOf(request: IncomingRequest): Promise<RequestContext>;
  charge(rc: RequestContext, nodes: number): Promise<void>;
  openSession(request: IncomingRequest): Promise<StreamSession>;
}

/** Where to go on after an event; events of the log alone have a place. */
function cursorOfEvent(event: unknown): string | undefined {
  const { seq } = event as Partial<LogEvent>;
  return typeof seq === 'bigint' ? encodeCursor(seq) : undefined;
}

function createRequests({ config, database, tail, progress, viewers, ownTokens, committed }: RequestParts): Requests {
  const addressOf = clientAddress(config.trustedProxies);
  const { addresses, admitRequest, admitStream } = createAdmission(config.addressRate);
  const signIn = createSignIn({ authenticate: createAuthenticate(config, { ownTokens }), addressOf, addresses });
  const machineIssuers = machineIssuersOf(config);
  const connections = createConnections(config.connectionsPerViewer);
  const webhooks = webhookSettings(config)?.rules;
  const policies = createPolicyEngine();
  const providers = createProviders(config.mesh.region);
  const callsOf: CallsOf = (account, kind, item, action) => providers[kind].calls(account, item as never, action);

  function contextFor({ request, identity, viewer, currentViewer, subscribe, signal }: Asking): RequestContext {
    const ctx: Context = {
      viewer,
      actor: actorOf(identity, addressOf(request)),
      correlationId: request.correlationId,
      db: database.prisma,
      mesh: config.mesh,
      machineIssuers,
      committed,
      policies,
      webhooks,
      callsOf,
    };
    return {
      ctx,
      read: {
        viewer,
        run: database.run,
        reads: { classifications: config.mesh.auditedReads, tell: (reads) => tellReads(ctx, reads) },
      },
      subscribe,
      watchProgress: (owner) => progress.watch(owner, signal),
      verifyLog: (part) => verifyPart(database.pool, part),
      currentViewer,
      roles: () => currentViewer() ?? NO_ROLES,
    };
  }

  return {
    contextOf: unlessBusy(async (request: IncomingRequest) => {
      const identity = await signIn(request);
      await admitRequest({ subject: identity.subject, address: addressOf(request) });
      const viewer = await viewers.viewerOf(identity);
      const subscribe = () => Promise.reject(new Error('A request over HTTP has no stream.'));
      return contextFor({ request, identity, viewer, currentViewer: () => viewer, subscribe });
    }),
    charge: async ({ ctx }, nodes) => {
      const points = pointsOf(nodes);
      const payer = { subject: ctx.viewer.subject, address: ctx.actor.address };
      if (points > 0) await admitRequest(payer, points);
    },
    openSession: unlessBusy(async (request: IncomingRequest) => {
      const identity = await signIn(request);
      const payer = { subject: identity.subject, address: addressOf(request) };
      const leave = connections.open(identity.subject);
      const watched = await viewers.watch(identity).catch((error: unknown) => {
        leave();
        throw error;
      });
      return {
        expiresAt: identity.signIn.expiresAt,
        ended: watched.ended,
        admit: (nodes = 0) => admitStream(payer, 1 + pointsOf(nodes)),
        close: () => {
          leave();
          watched.stop();
        },
        contextOf: ({ resumeAfter, render, ...subscribed }) => {
          const { signal } = subscribed;
          const mayStay = () => !signal.aborted && !watched.ended.aborted && !hasExpired(identity);
          const currentViewer = () => (mayStay() ? watched.current() : undefined);
          const reader = {
            subject: identity.subject,
            viewerClass: () => (mayStay() ? watched.viewerClass() : undefined),
          };
          const subscribe: RequestContext['subscribe'] = (streaming) =>
            tail.subscribe({
              ...subscribed,
              ...reader,
              ...streaming,
              render: (event) => render(event, streaming.personal),
            });
          return {
            ...contextFor({ request, identity, viewer: watched.current(), currentViewer, subscribe, signal }),
            resumeAfter,
          };
        },
      };
    }),
  };
}

/** Whoever may not stay reads nothing more that is not for everybody. */
const NO_ROLES: ReaderRoles = { admin: false, memberships: new Map() };

interface Asking {
  request: IncomingRequest;
  identity: Identity;
  viewer: Viewer;
  currentViewer: () => Viewer | undefined;
  subscribe: RequestContext['subscribe'];
  /** Aborts when what asked for a stream is gone. */
  signal?: AbortSignal;
}

function actorOf({ subject, name, signIn }: Identity, address: string | null): Actor {
  return { kind: 'USER', subject, name, tokenId: signIn.tokenId, address };
}

/** The issuers that service accounts can be bound to, with their prefixes. */
function machineIssuersOf({ issuers }: Config): ReadonlyMap<string, string> {
  return new Map(issuers.flatMap((one) => (one.kind === 'MACHINE' ? [[one.issuer, one.subjectPrefix]] : [])));
}

function hasExpired({ signIn }: Identity): boolean {
  return signIn.expiresAt.getTime() <= Date.now();
}
