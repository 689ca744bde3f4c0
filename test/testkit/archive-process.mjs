// Archives a log, and ends by SIGKILL at the step that it is told: `node archive-process.mjs <settings as JSON>`.
import pg from 'pg';
import { build } from '../../scripts/build.mjs';

const { ownerUrl, folder, dieAt } = JSON.parse(process.argv[2]);
await build();
const { archiveLog } = await import('../../dist/events/archive.js');
const client = new pg.Client({ connectionString: ownerUrl });
await client.connect();
await archiveLog({
  client,
  folder,
  before: new Date(Date.now() + 60_000),
  reached: (step) => {
    if (step === dieAt) process.kill(process.pid, 'SIGKILL');
  },
});
await client.end();
