import { defineConfig } from 'vitest/config';

/** GraphiQL in a real browser, against the product as a child process. Chromium: CHROMIUM_PATH, else Debian's. */
export default defineConfig({
  test: { include: ['test/browser/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 },
});
