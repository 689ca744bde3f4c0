import type pg from 'pg';
import { expect, test } from 'vitest';
import type { Identity } from '../src/server/authenticate.js';
import { createViewers } from '../src/server/viewer.js';

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
