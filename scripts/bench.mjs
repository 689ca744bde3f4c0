// Runs bench/<name>/main.ts against the built product: `node scripts/bench.mjs provisioning [options]`.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';
import { build } from './build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [name = '', ...options] = process.argv.slice(2);
const entry = join(root, 'bench', name, 'main.ts');

if (!/^[\w-]+$/.test(name) || !existsSync(entry)) {
  process.stderr.write(`There is no bench/${name}/main.ts.\n`);
  process.exitCode = 1;
} else {
  await build((step) => process.stderr.write(`build: ${step}\n`));
  const outfile = join(root, 'node_modules/.cache/bench', `${name}.mjs`);
  await bundle({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node22',
    sourcemap: 'inline',
    logLevel: 'error',
  });
  const child = spawn(process.execPath, ['--enable-source-maps', outfile, ...options], { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
