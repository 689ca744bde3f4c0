import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './start-error.js';

/** Who holds a data folder; `born` tells a living process from another that was given its number later. */
interface Holder {
  pid: number;
  born: string;
  address: string;
}

/** Takes the data folder for this process; throws StartError where a living one holds it. Answers the release. */
export function lockInstance(dataDir: string, address: string): () => void {
  const file = join(dataDir, 'meshgate.lock');
  const mine: Holder = { pid: process.pid, born: birthOf(process.pid) ?? '', address };
  for (let attempt = 1; !createdLock(file, mine); attempt += 1) {
    const holder = readHolder(file);
    if (attempt > 3 || (holder && isAlive(holder))) {
      const who = holder ? `process ${holder.pid}, ${holder.address}` : 'another process';
      throw new StartError(
        `Meshgate runs over the data folder ${dataDir} already (${who}). Use that one, stop it, or name another folder with --data-dir.`,
      );
    }
    removeDeadLock(file);
  }
  return () => {
    if (readHolder(file)?.pid === process.pid) rmSync(file, { force: true });
  };
}

function createdLock(file: string, holder: Holder): boolean {
  try {
    const lock = openSync(file, 'wx', 0o600);
    writeSync(lock, JSON.stringify(holder));
    closeSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Renamed before it is removed: of several that find the same dead lock, one moves it away. */
function removeDeadLock(file: string): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another was first
  }
  const moved = readHolder(aside);
  // What another process created meanwhile goes back.
  if (moved && isAlive(moved)) renameSync(aside, file);
  else rmSync(aside, { force: true });
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, born }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return birthOf(pid) === born;
}

/**
 * When a process began, in the system's own words: field 22 of /proc/PID/stat with the boot's id, or what ps says. A zombie, which
 * a container without an init keeps for ever, counts as gone: undefined.
 */
function birthOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if ('ZX'.includes(state)) return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[18]}`;
  } catch {
    if (process.platform === 'win32') return '';
    const { stdout } = spawnSync('ps', ['-p', String(pid), '-o', 'stat=,lstart='], { encoding: 'utf8' });
    const [, state = 'Z', began] = /^\s*(\S+)\s+(.+?)\s*$/.exec(stdout ?? '') ?? [];
    return state.startsWith('Z') ? undefined : began;
  }
}
