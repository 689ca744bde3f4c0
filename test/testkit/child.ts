import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process that said that it is ready, with the fields of that line. */
export interface Child {
  ready: Record<string, unknown>;
  /** The last lines that it wrote. */
  tail(): string;
  signal(signal: NodeJS.Signals): void;
  /** Ends it with this signal, and resolves once it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
  running(): boolean;
}

const KEPT_LINES = 200;
const script = fileURLToPath(new URL('process.mjs', import.meta.url));

/** Starts `process.mjs` with nothing of this process's environment but what finds programs and folders. */
export async function startChild(settings: object, environment: Record<string, string> = {}): Promise<Child> {
  const { PATH = '', HOME = '', TMPDIR = '' } = process.env;
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], {
    env: { PATH, HOME, TMPDIR, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.push(line) > KEPT_LINES) lines.shift();
        if (line.includes('"msg":"ready"')) resolve(JSON.parse(line));
      });
    }
    child.once('exit', (code) => reject(new Error(`It ended with ${code} before it was ready:\n${lines.join('\n')}`)));
    child.once('error', reject);
  });
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    ready: await ready,
    tail: () => lines.join('\n'),
    signal: (signal) => void child.kill(signal),
    running,
    end: (signal) => ended(child, { signal, running }),
  };
}

async function ended(
  child: ChildProcess,
  { signal, running }: { signal: NodeJS.Signals; running: () => boolean },
): Promise<void> {
  if (!running()) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
