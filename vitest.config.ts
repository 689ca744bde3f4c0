import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { build } from './scripts/build.mjs';

const folder = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

await build();
// Compiled once for all processes of the run, and for the next one.
process.env.NODE_COMPILE_CACHE ??= folder('node_modules/.cache/compiled');

/** What a test imports from src is what was built of it, loaded by Node itself: faster than by a test runner, and as it is shipped. */
const built = {
  name: 'built',
  enforce: 'pre' as const,
  resolveId: (source: string, importer?: string) => {
    if (!importer || !/^\.{1,2}\//.test(source)) return undefined;
    const path = relative(folder('src'), resolve(dirname(importer), source));
    return path.startsWith('..') ? undefined : join(folder('dist'), path);
  },
};

/** How the product's sources are loaded in a test. */
export const sources = {
  plugins: [built],
  // Without the alias graphql is loaded twice, as ESM and as CommonJS, and refuses its own schema.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  oxc: { decorator: { legacy: true } },
};

/** How a process of tests loads what was built. */
export const loading = {
  server: { deps: { external: [/\/dist\//] } },
  setupFiles: ['test/testkit/compiled.ts'],
};

/** One more than the two cores that it must run on: tests that wait for leases and processes leave them idle. */
const limits = {
  ...loading,
  pool: 'forks' as const,
  maxWorkers: 3,
  testTimeout: 20_000,
  hookTimeout: 60_000,
  teardownTimeout: 20_000,
};

/** Files of these run one after another in one process, where their sources are loaded already; all others have a process each. */
const together = [
  ...['odcs', 'rules', 'sandbox', 'aws', 'events', 'governance'],
  ...['policy', 'audit', 'provisioning', 'webhooks', 'database'],
].map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    ...limits,
    globalSetup: ['test/testkit/global-setup.ts'],
    projects: [
      {
        ...sources,
        test: {
          ...limits,
          name: 'apart',
          include: ['test/**/*.test.ts'],
          exclude: [...together, 'test/browser/**', 'test/image/**', 'test/peers/**', '**/node_modules/**'],
        },
      },
      { ...sources, test: { ...limits, name: 'together', include: together, isolate: false } },
    ],
  },
});
