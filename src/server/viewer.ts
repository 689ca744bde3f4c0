import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DomainRole } from '../generated/prisma/client.js';
import { isPerson } from '../governance/authorization.js';
import type { Deputyship, SignIn, Viewer } from '../governance/context.js';
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

/** What somebody is, as it was read. */
interface Standing {
  memberships: ReadonlyMap<string, DomainRole>;
  /** For whom he decides requests, now or later. */
  deputyships: readonly Timed[];
}

/** By the monotonic clock of this process, in ms: what the database's clock said was so far off when it was read. */
interface Timed {
  deputyship: Deputyship;
  startsAt: number;
  endsAt: number;
}

const nothing: Standing = { memberships: new Map(), deputyships: [] };

interface Watched {
  standing: Standing;
  watchers: Set<AbortController>;
}

function update(entry: Watched, standing: Standing): void {
  const before = entry.standing;
  // The same memberships are kept, so that what follows from them need not be reckoned again.
  const same = sameMemberships(before.memberships, standing.memberships);
  if (same && before.deputyships.length === 0 && standing.deputyships.length === 0) return;
  const removed = [...before.memberships.keys()].some((domain) => !standing.memberships.has(domain));
  entry.standing = standing;
  if (removed) for (const watcher of entry.watchers) watcher.abort('Removed from a domain');
}

function sameMemberships(one: Standing['memberships'], other: Standing['memberships']): boolean {
  return one.size === other.size && [...one].every(([domain, role]) => other.get(domain) === role);
}

/**
 * Answers the class of a viewer anew only where his memberships changed, or a deputyship of his began or ended. Deputies are in classes
 * of their own: each one's time is another.
 */
function classifier({ admin, signIn }: Identity, standing: () => Standing): () => string {
  let of: Standing | undefined;
  let places = '';
  let text = '';
  return () => {
    const now = standing();
    if (now === of && now.deputyships.length === 0) return text;
    const inForce = deputyshipsNow(now, signIn).map(({ id }) => id);
    if (now !== of || inForce.join() !== places) {
      of = now;
      places = inForce.join();
      const memberships = [...now.memberships].sort(([one], [other]) => (one < other ? -1 : 1));
      const all = [admin, signIn.scopes && [...signIn.scopes].sort(), memberships, places];
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
  const cache = new Map<string, { standing: Promise<Standing>; readAt: number }>();
  const watched = new Map<string, Watched>();
  const watchedTokens = watchTokens(ownTokens);
  let refreshes = 0;

  function standingOf(subject: string): Promise<Standing> {
    const known = cache.get(subject);
    if (known && Date.now() - known.readAt < freshFor) return known.standing;
    if (cache.size > 10_000) cache.clear();
    const standing = readStanding(pool, [subject]).then((read) => read.get(subject) ?? nothing);
    cache.set(subject, { standing, readAt: Date.now() });
    standing.catch(() => cache.delete(subject));
    return standing;
  }

  async function watch(identity: Identity): Promise<WatchedViewer> {
    const { subject } = identity;
    const entry = watched.get(subject) ?? { standing: nothing, watchers: new Set() };
    const watcher = new AbortController();
    watched.set(subject, entry);
    entry.watchers.add(watcher);
    const stop = (): void => {
      watchedTokens.forget(watcher);
      entry.watchers.delete(watcher);
      if (entry.watchers.size === 0 && watched.get(subject) === entry) watched.delete(subject);
    };
    try {
      // Read again where a refresh came in between: what was read may be older than what it found.
      for (let before = -1; before !== refreshes; ) {
        before = refreshes;
        update(entry, await standingOf(subject));
      }
      await watchedTokens.watch(watcher, identity);
    } catch (error) {
      stop();
      throw error;
    }
    return {
      current: () => viewerWith(identity, entry.standing),
      viewerClass: classifier(identity, () => entry.standing),
      ended: watcher.signal,
      stop,
    };
  }

  return {
    viewerOf: async (identity) => {
      const { subject, name, groups, admin, signIn, memberships, deputyships = [] } = identity;
      if (memberships !== undefined) return { subject, name, groups, admin, memberships, deputyships, signIn };
      return viewerWith(identity, await standingOf(subject));
    },
    watch,
    forget: () => cache.clear(),
    refresh: async () => {
      refreshes += 1;
      cache.clear();
      await watchedTokens.refresh();
      if (watched.size === 0) return;
      const read = await readStanding(pool, [...watched.keys()]);
      for (const [subject, entry] of watched) update(entry, read.get(subject) ?? nothing);
    },
  };
}

const REVOKED = 'Token revoked';

/** Follows the tokens of Meshgate's that subscribers signed in with. */
function watchTokens(ownTokens: Pick<OwnTokens, 'live'>) {
  const open = new Map<AbortController, string>();
  return {
    /** Asks for this one alone: to ask for all at each opening would cost the square of their number. */
    watch: async (watcher: AbortController, { signIn: { kind, tokenId } }: Identity): Promise<void> => {
      const own = kind === 'PERSONAL_ACCESS_TOKEN' || kind === 'SERVICE_ACCOUNT_SECRET';
      if (!own || tokenId === null) return;
      open.set(watcher, tokenId);
      // Once it is watched: a revoke that came before is found here, one that comes later by the refresh.
      const live = await ownTokens.live([tokenId]);
      if (!live.has(tokenId)) watcher.abort(REVOKED);
    },
    forget: (watcher: AbortController): void => void open.delete(watcher),
    refresh: async (): Promise<void> => {
      if (open.size === 0) return;
      const asked = new Map(open);
      const live = await ownTokens.live([...new Set(asked.values())]);
      for (const [watcher, id] of asked) if (!live.has(id)) watcher.abort(REVOKED);
    },
  };
}

function viewerWith({ subject, name, groups, admin, signIn }: Identity, standing: Standing): Viewer {
  const { memberships } = standing;
  return { subject, name, groups, admin, memberships, deputyships: deputyshipsNow(standing, signIn), signIn };
}

/** Those in force now, of a person. */
function deputyshipsNow({ deputyships }: Standing, signIn: SignIn): Deputyship[] {
  if (deputyships.length === 0 || !isPerson(signIn)) return [];
  const now = performance.now();
  return deputyships.flatMap(({ deputyship, startsAt, endsAt }) =>
    startsAt <= now && now < endsAt ? [deputyship] : [],
  );
}

interface Row {
  subject: string;
  domainId: string;
  role: DomainRole;
  /** Of a deputyship: its row and what it says; null of a membership. */
  id: string | null;
  standsInFor: string | null;
  startsIn: number | null;
  endsIn: number | null;
}

/** A standing while its rows are gone through. */
interface Reading {
  memberships: Map<string, DomainRole>;
  deputyships: Timed[];
}

const STANDING = `SELECT "subject", "domainId", "role", NULL::uuid AS "id", NULL AS "standsInFor", NULL::float8 AS "startsIn", NULL::float8 AS "endsIn"
  FROM "DomainMember" WHERE "subject" = ANY ($1) AND NOT is_removed_machine("subject")
  UNION ALL SELECT "deputy", "domainId", "role", "id", "standsInFor", "startsIn", "endsIn" FROM "Deputyship" WHERE "deputy" = ANY ($1)`;

/** Memberships and deputyships of several, in one statement. */
async function readStanding(pool: pg.Pool, subjects: string[]): Promise<Map<string, Standing>> {
  const askedAt = performance.now();
  const { rows } = await pool.query<Row>({ name: 'standing', text: STANDING, values: [subjects] });
  const readAt = performance.now();
  const read = new Map<string, Reading>();
  for (const { subject, domainId, role, id, standsInFor, startsIn, endsIn } of rows) {
    const of: Reading = read.get(subject) ?? { memberships: new Map(), deputyships: [] };
    read.set(subject, of);
    if (id === null || standsInFor === null) {
      of.memberships.set(domainId, role);
    } else {
      // The database looked at its clock between the two: it begins a little later here, and ends a little earlier.
      const times = { startsAt: readAt + Number(startsIn), endsAt: askedAt + Number(endsIn) };
      of.deputyships.push({ deputyship: { id, domainId, standsInFor, role }, ...times });
    }
  }
  return read;
}
