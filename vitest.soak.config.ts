import { defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.js';

/** The fault tests at full scale: every kill, a thousand pairs and expiries, a hundred seeds. About an hour. */
export default mergeConfig(
  usual,
  defineConfig({
    test: { env: { SOAK: '1' }, maxWorkers: 1, testTimeout: 1_800_000, hookTimeout: 120_000 },
  }),
);
