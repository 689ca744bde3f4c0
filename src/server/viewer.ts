import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DomainRole } from '../generated/prisma/client.js';
import type { Viewer } from '../governance/context.js';
import type { Identity } from './authenticate.js';
import type { OwnTokens } from './own-token.js';

/** A viewer who stays: `current` is he with the memberships that were read last. */
export interface WatchedViewer {
  current(): Viewer;
  /** All of which what he may see follows but his subject: the same text for all who differ in nothing else. */
  viewerClass(): string;
  /** Aborts when he was removed from a domain, or when the token that he signed in with is revoked. The reason is a text for him. */
  ended: AbortSignal;
  stop(): void;
}

/** Memberships of those who ask, read again after a second at the latest. */
export interface Viewers {
  viewerOf(identity: Identity): Promise<Viewer>;
  /** For sockets, which outlive a request: `refresh` keeps what they see up to date. */
  watch(identity: Identity): Promise<WatchedViewer>;
  /** Forgets what was read: call when memberships may have changed. */
  forget(): void;
  /** Reads anew the memberships of all who are watched, and which of their tokens are revoked: a statement each. */
  refresh(): Promise<void>;
}

type Memberships = ReadonlyMap<string, DomainRole>;

interface Watched {
  memberships: Memberships;
  watchers: Set<AbortController>;
}

function update(entry: Watched, memberships: Memberships): void {
  // The same ones are kept, so that what follows from them need not be reckoned again.
  if (sameMemberships(entry.memberships, memberships)) return;
  const removed = [...entry.memberships.keys()].some((domain) => !memberships.has(domain));
  entry.memberships = memberships;
  if (removed) for (const watcher of entry.watchers) watcher.abort('Removed from a domain');
}

function sameMemberships(one: Memberships, other: Memberships): boolean {
  return one.size === other.size && [...one].every(([domain, role]) => other.get(domain) === role);
}

/** Answers the class of a viewer anew only where his memberships changed. */
function classifier({ admin, signIn: { scopes } }: Identity, memberships: () => Memberships): () => string {
  let of: Memberships | undefined;
  let text = '';
  return () => {
    const now = memberships();
    if (now !== of) {
      of = now;
      const all = [admin, scopes && [...scopes].sort(), [...now].sort(([one], [other]) => (one < other ? -1 : 1))];
      text = createHash('sha256').update(JSON.stringify(all)).digest('base64url');
    }
    return text;
  };
}

interface ViewersOptions {
  ownTokens: Pick<OwnTokens, 'live'>;
  /** Milliseconds. */
  freshFor?: number;
}

/** Reads memberships by one statement; requests of a subject that come together share it. */
export function createViewers(pool: pg.Pool, { ownTokens, freshFor = 1_000 }: ViewersOptions): Viewers {
  const cache = new Map<string, { memberships: Promise<Memberships>; readAt: number }>();
  const watched = new Map<string, Watched>();
  const watchedTokens = watchTokens(ownTokens);
  let refreshes = 0;

  function membershipsOf(subject: string): Promise<Memberships> {
    const known = cache.get(subject);
    if (known && Date.now() - known.readAt < freshFor) return known.memberships;
    if (cache.size > 10_000) cache.clear();
    const memberships = readMemberships(pool, [subject]).then((read) => read.get(subject) ?? new Map());
    cache.set(subject, { memberships, readAt: Date.now() });
    memberships.catch(() => cache.delete(subject));
    return memberships;
  }

  async function watch(identity: Identity): Promise<WatchedViewer> {
    const { subject } = identity;
    const entry = watched.get(subject) ?? { memberships: new Map(), watchers: new Set() };
    const watcher = new AbortController();
    watched.set(subject, entry);
    entry.watchers.add(watcher);
    // Read again where a refresh came in between: what was read may be older than what it found.
    for (let before = -1; before !== refreshes; ) {
      before = refreshes;
      update(entry, await membershipsOf(subject));
    }
    // Once it is watched: a revoke that came before is found here, one that comes later by the refresh.
    watchedTokens.watch(watcher, identity);
    await watchedTokens.refresh();
    return {
      current: () => viewerWith(identity, entry.memberships),
      viewerClass: classifier(identity, () => entry.memberships),
      ended: watcher.signal,
      stop: () => {
        watchedTokens.forget(watcher);
        entry.watchers.delete(watcher);
        if (entry.watchers.size === 0 && watched.get(subject) === entry) watched.delete(subject);
      },
    };
  }

  return {
    viewerOf: async (identity) => viewerWith(identity, identity.memberships ?? (await membershipsOf(identity.subject))),
    watch,
    forget: () => cache.clear(),
    refresh: async () => {
      refreshes += 1;
      cache.clear();
      await watchedTokens.refresh();
      if (watched.size === 0) return;
      const read = await readMemberships(pool, [...watched.keys()]);
      for (const [subject, entry] of watched) update(entry, read.get(subject) ?? new Map());
    },
  };
}

/** Follows the tokens of Meshgate's that subscribers signed in with. */
function watchTokens(ownTokens: Pick<OwnTokens, 'live'>) {
  const open = new Map<AbortController, string>();
  return {
    watch: (watcher: AbortController, { signIn: { kind, tokenId } }: Identity): void => {
      const own = kind === 'PERSONAL_ACCESS_TOKEN' || kind === 'SERVICE_ACCOUNT_SECRET';
      if (own && tokenId !== null) open.set(watcher, tokenId);
    },
    forget: (watcher: AbortController): void => void open.delete(watcher),
    refresh: async (): Promise<void> => {
      if (open.size === 0) return;
      const asked = new Map(open);
      const live = await ownTokens.live([...new Set(asked.values())]);
      for (const [watcher, id] of asked) if (!live.has(id)) watcher.abort('Token revoked');
    },
  };
}

function viewerWith({ subject, name, groups, admin, signIn }: Identity, memberships: Memberships): Viewer {
  return { subject, name, groups, admin, memberships, signIn };
}

async function readMemberships(pool: pg.Pool, subjects: string[]): Promise<Map<string, Map<string, DomainRole>>> {
  const { rows } = await pool.query<{ subject: string; domainId: string; role: DomainRole }>({
    name: 'memberships',
    text: 'SELECT "subject", "domainId", "role" FROM "DomainMember" WHERE "subject" = ANY ($1)',
    values: [subjects],
  });
  const read = new Map<string, Map<string, DomainRole>>();
  for (const { subject, domainId, role } of rows) {
    read.set(subject, (read.get(subject) ?? new Map<string, DomainRole>()).set(domainId, role));
  }
  return read;
}
