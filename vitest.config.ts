import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Without the alias graphql is loaded twice, as ESM and as CommonJS, and refuses its own schema.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  oxc: { decorator: { legacy: true } },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/browser/**', 'test/image/**', 'test/peers/**', '**/node_modules/**'],
    globalSetup: ['test/testkit/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
