// Makes docs/graphiql.png, the README's picture of GraphiQL streaming events, by the test of it in a real browser.
// usage: npm run screenshot (needs Chromium; CHROMIUM_PATH names it where it is not /usr/bin/chromium)
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
await build((step) => process.stderr.write(`  ${step} ...\n`));
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', 'vitest.browser.config.ts'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, MESHGATE_SCREENSHOT: 'docs/graphiql.png' },
});
process.exitCode = status ?? 1;
