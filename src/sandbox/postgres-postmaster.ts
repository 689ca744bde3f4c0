import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What postmaster.pid says of a Postgres that runs, or ran, over a data folder; `port` is 0 until it listens. */
export interface Postmaster {
  pid: number;
  port: number;
}

/** Reads postmaster.pid: process id in line 1, port in line 4 (postgres, src/include/utils/pidfile.h). */
export function findPostmaster(data: string): Postmaster | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3] ?? 0) };
  } catch {
    return undefined;
  }
}

/** Whether that process lives and is Postgres: after a restart of the machine its number may belong to another. */
export function isPostmaster(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return commandOf(pid).includes('postgres');
}

/** Removes the pid file of a postmaster that is gone, which Postgres itself would take for a living one. */
export function forgetPostmaster(data: string): void {
  rmSync(join(data, 'postmaster.pid'), { force: true });
}

function commandOf(pid: number): string {
  if (process.platform === 'win32') return 'postgres';
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
  } catch {
    return spawnSync('ps', ['-p', String(pid), '-o', 'command=']).stdout?.toString() ?? '';
  }
}
