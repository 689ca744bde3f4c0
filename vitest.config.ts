import { defineConfig } from 'vitest/config';

/** How the product's sources are loaded in a test. */
export const sources = {
  // Without the alias graphql is loaded twice, as ESM and as CommonJS, and refuses its own schema.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  oxc: { decorator: { legacy: true } },
};

/** One more than the two cores that it must run on: tests that wait for leases and processes leave them idle. */
const limits = {
  pool: 'forks' as const,
  maxWorkers: 3,
  testTimeout: 20_000,
  hookTimeout: 60_000,
  teardownTimeout: 20_000,
};

/** Files of these run one after another in one process, where their sources are loaded already; all others have a process each. */
const together = ['odcs', 'rules', 'sandbox', 'aws'].map((folder) => `test/${folder}/**/*.test.ts`);

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
