import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { until } from '../../src/demo/client.js';
import { type Ready, readReadyFile } from '../../src/local/ready-file.js';
import { stopPostgres } from '../../src/sandbox/postgres.js';

/** `meshgate start` in a process of its own, over a data folder of the test file's own. */
export interface ProductProcess {
  /** Starts it and resolves when all is up. */
  start(): Promise<Ready>;
  /** kill -9: nothing in it gets to end what it was doing. Its Postgres lives on. */
  kill(): Promise<void>;
}

/** The process, its Postgres and its folder go away after the file's tests. */
export function productProcessOfTest(): ProductProcess {
  const folder = mkdtempSync(join(tmpdir(), 'meshgate-process-'));
  const dataDir = join(folder, 'data');
  const readyFile = join(folder, 'ready.json');
  let child: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  afterAll(async () => {
    await end('SIGTERM');
    // After a kill that no start followed.
    await stopPostgres(dataDir);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    start: async () => {
      const script = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
      const flags = ['--port', '0', '--data-dir', dataDir, '--ready-file', readyFile];
      const started = spawn(process.execPath, [script, 'start', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      let output = '';
      for (const stream of [started.stdout, started.stderr]) stream.on('data', (text: Buffer) => (output += text));
      return until('meshgate start is ready', async () => {
        if (started.exitCode !== null) throw new Error(`It ended with ${started.exitCode}: ${output}`);
        const ready = readReadyFile(readyFile);
        return ready?.pid === started.pid ? ready : undefined;
      });
    },
    kill: () => end('SIGKILL'),
  };
}
