import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const user = z.object({
  name: z.string(),
  subject: z.string(),
  groups: z.array(z.string()),
  domain: z.string().nullable(),
  role: z.enum(['owner', 'steward', 'member', 'admin']).nullable(),
  token: z.string(),
});

const ready = z.object({
  graphql: z.string(),
  sandbox: z.string(),
  database: z.string(),
  pid: z.number(),
  users: z.array(user),
});

/** A demo user with a token that lives 24 h. */
export type ReadyUser = z.output<typeof user>;

/** What others need to know of a running `meshgate start`; it holds tokens and a password. */
export type Ready = z.output<typeof ready>;

/** Ready file that is always written, so that `meshgate tour` finds the server without a flag. */
export const readyFileIn = (dataDir: string): string => join(resolve(dataDir), 'ready.json');

/** Writes the file under another name and renames it: whoever sees it sees all of it. */
export function writeReadyFile(path: string, content: Ready): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** Reads a ready file; undefined where there is none or it is no such file. */
export function readReadyFile(path: string): Ready | undefined {
  try {
    return ready.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Removes a ready file that a former process left: it would tell of a server that is gone. */
export function removeReadyFile(path: string): void {
  rmSync(path, { force: true });
}
