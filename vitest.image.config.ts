import { defineConfig } from 'vitest/config';

/** docker/ without a container engine: its steps are carried out in an empty folder, and what comes of them is run. Needs npm's registry. */
export default defineConfig({
  test: { include: ['test/image/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 1_800_000 },
});
