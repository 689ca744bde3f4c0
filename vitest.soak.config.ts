import { defineConfig } from 'vitest/config';
import { loading, sources } from './vitest.config.js';

/** The fault tests at full scale: every kill, a thousand pairs and expiries, a hundred seeds. About an hour. */
export default defineConfig({
  ...sources,
  test: {
    ...loading,
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/testkit/global-setup.ts'],
    pool: 'forks',
    env: { SOAK: '1' },
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
  },
});
