import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The virtual environment that scripts/peers.mjs makes. */
export const PYTHON = fileURLToPath(
  new URL(
    process.platform === 'win32' ? '../../.peers/Scripts/python.exe' : '../../.peers/bin/python',
    import.meta.url,
  ),
);

/** A moto server that runs. */
export interface Moto {
  url: string;
  stop(): Promise<void>;
}

const START_MS = 60_000;

/** Starts moto on a free port of 127.0.0.1. An account is reached by assuming any role of it. */
export async function startMoto(): Promise<Moto> {
  const child = spawn(PYTHON, ['-c', 'from moto.server import main; main()', '-H', '127.0.0.1', '-p', '0'], {
    env: { PATH: process.env.PATH, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    return { url: await announced(child), stop: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw error;
  }
}

/** The URL that it prints once it listens. */
function announced(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string) => reject(new Error(`moto ${why}: ${output}`));
    const timer = setTimeout(() => fail('did not start'), START_MS);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        output = `${output}${text}`.slice(-4_000);
        const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1];
        if (url) resolve(url);
      });
    }
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`ended with ${code}`));
    void once(child, 'exit').then(() => clearTimeout(timer));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
