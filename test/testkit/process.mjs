// One process of a mesh under test, started as `node process.mjs <settings as JSON>`: the sandbox, a sequencer alone, or the product's own
// `meshgate serve` or `meshgate work`. `times` shortens leases and timeouts, so that what takes seconds in production is soon over.
import { enableCompileCache, flushCompileCache } from 'node:module';
import { build } from '../../scripts/build.mjs';

enableCompileCache();
// Whoever started this holds the other end: it goes with him, however he ends.
for (const over of ['end', 'close', 'error']) process.stdin.on(over, () => process.exit(1));
process.stdin.resume();
const { run, times, sandbox, databaseUrl } = JSON.parse(process.argv[2]);
await build();
if (run === 'sandbox') {
  const { startSandbox } = await import('../../dist/sandbox/server.js');
  const { url } = await startSandbox(sandbox);
  process.stdout.write(`${JSON.stringify({ msg: 'ready', url })}\n`);
} else if (run === 'sequence') {
  const { startSequencer } = await import('../../dist/events/sequencer.js');
  const { openDatabase } = await import('../../dist/server/database.js');
  const silent = { info() {}, warn() {}, error() {} };
  startSequencer({ pool: openDatabase(databaseUrl, { poolSize: 2 }).pool, log: silent });
  process.stdout.write(`${JSON.stringify({ msg: 'ready' })}\n`);
} else {
  const { DEFAULT_TIMES } = await import('../../dist/provisioning/reconcile.js');
  Object.assign(DEFAULT_TIMES, times);
  const { main } = await import('../../dist/main.js');
  await main([run]);
}
// Kept for those that come after it, as this process is likely to be killed.
flushCompileCache?.();
