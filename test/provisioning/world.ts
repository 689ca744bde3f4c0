import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { resourceSubjectId } from '../../src/governance/global-id.js';
import { KINDS, type Kind, type SpecOf } from '../../src/provisioning/kinds.js';
import { lfResourceText } from '../../src/provisioning/lake-resource.js';
import { covers, specText } from '../../src/provisioning/merge.js';
import type {
  Aws,
  Item,
  ListedGrant,
  Observation,
  Outcome,
  Provider,
  ProviderError,
} from '../../src/provisioning/provider.js';
import type { Owner } from '../../src/provisioning/reckon.js';
import {
  DEFAULT_TIMES,
  type ReconcilerOptions,
  type ReconcilerTimes,
  startReconciler,
} from '../../src/provisioning/reconcile.js';
import type { Database } from '../../src/server/database.js';
import { createLog } from '../../src/server/log.js';

/** One call that reached the world. */
export interface Call {
  account: string;
  kind: Kind;
  operation: 'observe' | 'apply' | 'remove' | 'list';
  keys: string[];
  sessionName: string;
}

/** An AWS failure as a provider classifies it. */
export class AwsFailure extends Error {
  constructor(
    readonly code: string,
    readonly treatment: ProviderError['treatment'],
    readonly rest: Pick<ProviderError, 'retryAfterMs' | 'untouched'> = {},
  ) {
    super(code);
  }
}

interface Session {
  account: string;
  sessionName: string;
  beforeCall: () => Promise<void>;
}

/**
 * The simplest AWS for the reconciler's algebra: objects are texts by account, kind and key. `meddle` sees each call before it takes
 * effect and may delay it or throw; `refuse` fails single items. A share is there once its grant is.
 */
export class World implements Aws<Session> {
  calls: Call[] = [];
  objects = new Map<string, string>();
  /** What listings show where they are older than what is: null, they are not. */
  listed: Map<string, string> | null = null;
  meddle: (call: Call) => Promise<void> | void = () => {};
  refuse: (call: Call, key: string) => AwsFailure | null = () => null;
  /** Grants, by key, whose invitation to the consumer's account is over; one given anew invites anew. */
  expired = new Set<string>();
  /** Accounts whose role cannot be assumed. */
  closed = new Map<string, AwsFailure>();
  readonly providers = Object.fromEntries(
    KINDS.map((kind) => [kind, this.#provider(kind)]),
  ) as unknown as Aws<Session>['providers'];

  /** From now on the grants of a whole account can be listed, in pages of 1,000, each a call. */
  listsAll(): void {
    const grants = this.providers.LfGrant as Provider<Session>;
    grants.listAll = async (session) => {
      const prefix = `${session.account} LfGrant `;
      const found = [...(this.listed ?? this.objects)].filter(([name]) => name.startsWith(prefix));
      for (let page = 0; page === 0 || page * 1_000 < found.length; page += 1) {
        await session.beforeCall();
        const keys = found.slice(page * 1_000, (page + 1) * 1_000).map(([name]) => name.slice(prefix.length));
        const made = { account: session.account, kind: 'LfGrant' as const, operation: 'list' as const, keys };
        this.calls.push({ ...made, sessionName: session.sessionName });
        await this.meddle({ ...made, sessionName: session.sessionName });
      }
      return found.map(([, text]) => JSON.parse(text) as ListedGrant);
    };
  }

  /** Somebody grants, or takes away, behind Meshgate's back. */
  meddleWith(account: string, grant: SpecOf<'LfGrant'>, how: 'grant' | 'revoke' = 'grant'): void {
    const name = `${account} LfGrant ${grant.principal} on ${lfResourceText(grant.resource)}`;
    if (how === 'grant') this.objects.set(name, specText(grant));
    else this.objects.delete(name);
  }

  async open(lane: { account: string; sessionName: string; beforeCall: () => Promise<void> }): Promise<Session> {
    const failure = this.closed.get(lane.account);
    if (failure) throw failure;
    return lane;
  }

  classify(error: unknown): ProviderError {
    if (!(error instanceof AwsFailure)) throw error;
    return { treatment: error.treatment, code: error.code, message: error.message, awsRequestId: 'r-1', ...error.rest };
  }

  changes(): Call[] {
    return this.calls.filter(({ operation }) => operation === 'apply' || operation === 'remove');
  }

  #provider(kind: Kind): Provider<Session> {
    const call = async (session: Session, operation: Call['operation'], items: Item[]): Promise<Call> => {
      await session.beforeCall();
      const { account, sessionName } = session;
      const made = { account, kind, operation, keys: items.map(({ key }) => key), sessionName };
      this.calls.push(made);
      await this.meddle(made);
      return made;
    };
    const change = async (session: Session, operation: 'apply' | 'remove', items: Item[]): Promise<Outcome[]> => {
      const made = await call(session, operation, items);
      return items.map((item): Outcome => {
        const failure = this.refuse(made, item.key);
        if (failure) return { ok: false, error: this.classify(failure) };
        const name = `${session.account} ${kind} ${item.key}`;
        // As in Lake Formation, a revoke is made of what is listed.
        if (operation === 'remove') {
          if (kind === 'LfGrant') this.expired.delete(item.key);
          if ((this.listed ?? this.objects).has(name) || item.unconfirmed) this.objects.delete(name);
        } else if (kind !== 'ShareAcceptance') this.objects.set(name, specText(item.spec));
        return { ok: true };
      });
    };
    return {
      kind,
      batchSize: 20,
      observe: async (session, items) => {
        await call(session, 'observe', items);
        return items.map((item) => this.#observation(session.account, kind, item));
      },
      apply: (session, changes) =>
        change(
          session,
          'apply',
          changes.map(({ item }) => item),
        ),
      remove: (session, items) => change(session, 'remove', items),
      calls: (account, item, action) => [
        { service: 'world', operation: action, parameters: { account, key: item.key } },
      ],
    };
  }

  #observation(account: string, kind: Kind, item: Item): Observation {
    if (kind === 'ShareAcceptance' && 'principal' in item.spec && 'resource' in item.spec) {
      const { principal, resource } = item.spec;
      const key = `${principal} on ${lfResourceText(resource)}`;
      if (this.expired.has(key)) {
        const error = this.classify(new AwsFailure('ResourceShareInvitationEXPIRED', 'PROPAGATION'));
        return { state: 'FAILED', error: { ...error, reissue: true } };
      }
      return this.objects.has(`${resource.catalogId} LfGrant ${key}`)
        ? { state: 'AGREES', observed: { share: 'ACTIVE' } }
        : { state: 'WAITING', observed: {}, waitingFor: 'the share' };
    }
    const text = (this.listed ?? this.objects).get(`${account} ${kind} ${item.key}`);
    if (text === undefined) return { state: 'MISSING' };
    if (text === specText(item.spec)) return { state: 'AGREES', observed: { text } };
    const granted = kind === 'LfGrant' && text.startsWith('{') ? (JSON.parse(text) as SpecOf<'LfGrant'>) : null;
    const wider = granted && !covers('LfGrant', item.spec as SpecOf<'LfGrant'>, granted);
    const differs = { state: 'DIFFERS' as const, observed: { text }, differences: [`it is ${text}`] };
    return wider ? { ...differs, excess: true } : differs;
  }
}

/** Periods short enough for a test. */
export const QUICK: ReconcilerTimes = { ...DEFAULT_TIMES, leaseMs: 1_200, requestTimeoutMs: 400, sweepMs: 300 };

/** A reconciler against the world, and the owners it settled. */
export function reconcilerOf(db: Database, world: World, options: Partial<ReconcilerOptions<Session>> = {}) {
  const settled: Owner[] = [];
  const reconciler = startReconciler<Session>({
    db: db.prisma,
    aws: world,
    roleOf: async () => null,
    settled: async (_tx, owner) => {
      settled.push(owner);
      return undefined;
    },
    unsettledOwners: async () => [],
    aboutResource: async (_tx, { id, kind, key }) => ({
      subject: { type: 'Resource', id, name: `${kind} ${key}`, domain: null },
      subjectId: resourceSubjectId(id),
      domainId: null,
      audience: { public: false, domains: [], subjects: [] },
    }),
    log: createLog({ level: 'silent' }),
    times: QUICK,
    random: () => 0.1,
    ...options,
  });
  return { ...reconciler, settled };
}

export const owner = (type: Owner['type'] = 'ACCESS_GRANT'): Owner => ({ type, id: randomUUID() });

/** Waits until `check` holds, up to `ms`; fails with what it was last. */
export async function eventually(check: () => Promise<boolean>, what: string, ms = 8_000): Promise<void> {
  const until = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > until) throw new Error(`Not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}
