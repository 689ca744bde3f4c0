import { defineConfig } from 'vitest/config';
import { loading, sources } from './vitest.config.js';

/** The product's providers against an AWS that others wrote, and its wire against AWS's own service models. Needs Python. */
export default defineConfig({
  ...sources,
  test: {
    ...loading,
    include: ['test/peers/**/*.test.ts'],
    globalSetup: ['test/testkit/global-setup.ts', 'test/peers/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
  },
});
