import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Stage } from './dockerfile.js';

/** A service of docker/compose.yaml, as far as the tests ask. */
export interface Service {
  image?: string;
  command?: string[];
  env_file?: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  ports?: string[];
  volumes?: string[];
  networks?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  user?: string;
  privileged?: boolean;
}

/** docker/compose.yaml with its merge keys carried out. */
export function readCompose(folder: string): {
  services: Record<string, Service>;
  secrets: Record<string, { file: string }>;
} {
  return parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true });
}

/** The variables of an env file: one NAME=value a line. */
export function readEnvFile(file: string): Record<string, string> {
  const lines = readFileSync(file, 'utf8').split('\n');
  const given = lines.filter((line) => line && !line.startsWith('#'));
  return Object.fromEntries(given.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** A process that runs as its container would. */
export interface Container {
  url: string;
  child: ChildProcess;
  output(): string;
  /** Its exit code, once it has ended. */
  ended: Promise<number | null>;
}

interface ContainerOptions {
  image: Stage;
  /** The words after the image's name; none for the image's own command. */
  command?: string[];
  /** In place of the entry point. */
  entrypoint?: string[];
  environment: Record<string, string>;
}

/**
 * Starts a process as the image's configuration says: its entry point, command and environment alone, in its folder, as its user
 * (where this runs as root), and with no folder to write to.
 */
export function runContainer({ image, command, entrypoint, environment }: ContainerOptions): Container {
  const { root, config } = image;
  const words = [...(entrypoint ?? config.entrypoint), ...(command ?? config.command)];
  const [program = '', ...args] = words.map((word) => (word.startsWith('/app/') ? join(root, word) : word));
  const env: Record<string, string> = {
    PATH: join(root, 'usr/local/bin'),
    TMPDIR: root,
    ...config.env,
    ...environment,
  };
  const [uid, gid] = config.user.split(':').map(Number);
  const identity = process.getuid?.() === 0 && uid && gid ? { uid, gid } : {};
  const child = spawn(program, args, {
    cwd: join(root, config.workdir),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...identity,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done, fail) => child.on('close', done).on('error', fail));
  return { url: `http://127.0.0.1:${env.PORT}`, child, output: () => output, ended };
}
