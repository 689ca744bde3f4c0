// Writes src/generated/graphql: a type for every document of the demo and of the tests (configuration in codegen.ts).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../node_modules/@graphql-codegen/cli/esm/bin.js', import.meta.url));
const { status } = spawnSync(process.execPath, [cli, '--config', 'codegen.ts'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
});
process.exit(status ?? 1);
