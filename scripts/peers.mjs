// Brings the peers of `npm run test:peers` into .peers, a virtual environment of Python's: test/peers/requirements.txt, pinned by
// hash. Asked with --probe it only says, in one line and by its exit status, whether Python and its package index are in reach.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const requirements = join(root, 'test/peers/requirements.txt');
const home = join(root, '.peers');
const stamp = join(home, 'installed');
const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex');
const bin = process.platform === 'win32' ? 'Scripts' : 'bin';
const python = process.env.PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3');

const isInstalled = existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;

function run(command, args, timeout) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout });
  return { ok: status === 0, output: `${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`.trim() };
}

/** Why the peers cannot be had here; null where they can. */
function hindrance() {
  if (isInstalled) return null;
  const version =
    'import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 10) else "it is " + sys.version.split()[0])';
  const asked = run(python, ['-c', version], 10_000);
  if (!asked.ok) return `Python 3.10 or later with venv is needed (${asked.output.split('\n').at(-1)})`;
  const folder = mkdtempSync(join(tmpdir(), 'peers-'));
  const [package_] = readFileSync(requirements, 'utf8').match(/^six==\S+/m) ?? [];
  const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir', '--retries', '0', '--timeout', '5'];
  const fetched = run(python, [...args, '--disable-pip-version-check', '--dest', folder, package_], 20_000);
  rmSync(folder, { recursive: true, force: true });
  return fetched.ok ? null : `Python's package index is not in reach (${fetched.output.split('\n').at(-1)})`;
}

function install() {
  rmSync(home, { recursive: true, force: true });
  const made = run(python, ['-m', 'venv', home], 120_000);
  if (!made.ok) throw new Error(`python -m venv failed: ${made.output}`);
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--require-hashes',
    '-r',
    requirements,
  ];
  const installed = run(join(home, bin, 'python'), pip, 600_000);
  if (!installed.ok) throw new Error(`pip install failed: ${installed.output}`);
  writeFileSync(stamp, digest);
}

if (process.argv.includes('--probe')) {
  const why = hindrance();
  process.stdout.write(why === null ? 'the peers can be had here\n' : `left out: ${why}\n`);
  process.exitCode = why === null ? 0 : 1;
} else if (!isInstalled) {
  try {
    process.stderr.write('peers: installing test/peers/requirements.txt into .peers\n');
    install();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
