import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startMoto } from './moto.js';

declare module 'vitest' {
  interface ProvidedContext {
    motoUrl: string;
  }
}

/** The peers' environment is there before any test, and one moto serves the run. */
export async function setup(run: { provide(key: 'motoUrl', value: string): void }): Promise<() => Promise<void>> {
  execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/peers.mjs', import.meta.url))], {
    stdio: 'inherit',
  });
  const moto = await startMoto();
  run.provide('motoUrl', moto.url);
  return moto.stop;
}
