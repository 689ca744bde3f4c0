import pg from 'pg';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { newRowId, newSecret } from '../src/governance/secret.js';
import type { Identity } from '../src/server/authenticate.js';
import { createLog } from '../src/server/log.js';
import { createOwnTokens } from '../src/server/own-token.js';
import { createViewers } from '../src/server/viewer.js';
import { createTestDatabase } from './testkit/database.js';

const identity = {
  subject: 'ana',
  name: null,
  groups: [],
  admin: false,
  signIn: { kind: 'PERSONAL_ACCESS_TOKEN', tokenId: 'token', scopes: null, expiresAt: new Date(Date.now() + 60_000) },
} as unknown as Identity;

test.each(['memberships', 'tokens'] as const)(
  'nobody is watched whose %s could not be read as he signed in',
  async (what) => {
    let asked = 0;
    let down = true;
    const read = async <T>(of: typeof what, answer: T): Promise<T> => {
      asked += 1;
      if (down && of === what) throw new Error('terminating connection due to administrator command');
      return answer;
    };
    const pool = { query: () => read('memberships', { rows: [] }) } as unknown as pg.Pool;
    const viewers = createViewers(pool, { ownTokens: { live: () => read('tokens', new Set(['token'])) } });
    await expect(viewers.watch(identity)).rejects.toThrow('terminating connection');
    down = false;
    asked = 0;
    await viewers.refresh();
    expect(asked).toBe(0);
    // One who could be signed in is asked for, until he goes.
    const watched = await viewers.watch(identity);
    asked = 0;
    await viewers.refresh();
    expect(asked).toBe(2);
    watched.stop();
    await viewers.refresh();
    expect(asked).toBe(2);
  },
);

describe('sockets that were opened with tokens of Meshgate', async () => {
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.serverUrl });
  const owner = new pg.Pool({ connectionString: database.ownerUrl });
  const asked = vi.spyOn(pool, 'query');
  const ownTokens = createOwnTokens(pool, createLog({ level: 'silent' }));
  afterAll(async () => {
    await pool.end();
    await owner.end();
    await database.leave();
  });

  async function makeToken(): Promise<{ id: string; text: string }> {
    const id = newRowId();
    const { text, hash } = newSecret('PERSONAL_ACCESS_TOKEN', id);
    await owner.query(
      `INSERT INTO "PersonalAccessToken" ("id", "subject", "name", "scopes", "hash", "expiresAt")
        VALUES ($1, 'ana', 'script', '{CATALOGUE_READ}', $2, now() + interval '1 day')`,
      [id, Buffer.from(hash)],
    );
    return { id, text };
  }
  const revoke = (id: string) =>
    owner.query(`UPDATE "PersonalAccessToken" SET "revokedAt" = now(), "revokedBy" = 'ana' WHERE "id" = $1`, [id]);
  /** How many tokens each look asked for. */
  const looks = () =>
    asked.mock.calls.flatMap(([query]) => {
      const { name, values } = query as unknown as { name?: string; values: unknown[][] };
      return name === 'live tokens' ? [values[0]?.length] : [];
    });

  test('ask for one token each, however many are open; a change asks for all of them once', async () => {
    const viewers = createViewers(pool, { ownTokens });
    const tokens = await Promise.all(Array.from({ length: 40 }, makeToken));
    asked.mockClear();
    const watched = [];
    for (const { text } of tokens) watched.push(await viewers.watch(await ownTokens.identify(text)));
    expect(looks()).toEqual(tokens.map(() => 1));
    asked.mockClear();
    await viewers.refresh();
    expect(looks()).toEqual([tokens.length]);
    expect(watched.some(({ ended }) => ended.aborted)).toBe(false);
    for (const one of watched) one.stop();
  });

  test('end where the token is revoked after it was looked up and before it was watched', async () => {
    const { id, text } = await makeToken();
    const holder = await ownTokens.identify(text);
    await revoke(id);
    const { ended } = await createViewers(pool, { ownTokens }).watch(holder);
    expect([ended.aborted, ended.reason]).toEqual([true, 'Token revoked']);
  });

  test('end where it is revoked, and that is told, while it is being looked at', async () => {
    const { id, text } = await makeToken();
    const whileLooking = vi.fn(async () => {
      await revoke(id);
      await viewers.refresh();
    });
    const live: typeof ownTokens.live = async (ids) => {
      const found = await ownTokens.live(ids);
      if (whileLooking.mock.calls.length === 0) await whileLooking();
      return found;
    };
    const viewers = createViewers(pool, { ownTokens: { live } });
    const { ended } = await viewers.watch(await ownTokens.identify(text));
    expect(ended.aborted).toBe(true);
  });
});
