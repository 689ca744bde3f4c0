// Writes prisma/migrations/<timestamp>_<name>/migration.sql from the difference between the committed snapshot
// (prisma/migrations/snapshot.json) and the schema: no database and no native engine. `--check` fails when they differ.
// usage: npm run migration:new -- <name>  |  npm run migration:check
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';

const root = fileURLToPath(new URL('..', import.meta.url));
const snapshotPath = join(root, 'prisma/migrations/snapshot.json');

function schemaFiles() {
  const models = readdirSync(join(root, 'prisma/models'))
    .filter((name) => name.endsWith('.prisma'))
    .sort();
  return ['schema.prisma', ...models.map((name) => `models/${name}`)].map((path) => ({
    path,
    content: readFileSync(join(root, 'prisma', path), 'utf8'),
  }));
}

// The engine wants a connection to tell the flavour of the database; a diff of two datamodels then never asks it anything.
const connection = {
  provider: 'postgres',
  adapterName: 'no-database',
  queryRaw: async () => ({ columnNames: [], columnTypes: [], rows: [] }),
  executeRaw: async () => 0,
  executeScript: async () => {},
  dispose: async () => {},
  getConnectionInfo: () => ({ supportsRelationJoins: true }),
};
const noDatabase = {
  provider: 'postgres',
  adapterName: 'no-database',
  connect: async () => connection,
  connectToShadowDb: async () => connection,
};

async function schemaEngine() {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm'));
  const engine = await import(join(folder, 'schema_engine_bg.js'));
  const bytes = readFileSync(join(folder, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engine });
  engine.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return engine.SchemaEngine.new({ datamodels: undefined }, () => {}, bindMigrationAwareSqlAdapterFactory(noDatabase));
}

async function difference(from, to) {
  const engine = await schemaEngine();
  const { stdout } = await engine.diff({
    from: from.length ? { tag: 'schemaDatamodel', files: from } : { tag: 'empty' },
    to: { tag: 'schemaDatamodel', files: to },
    script: true,
    shadowDatabaseUrl: null,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  const sql = (stdout ?? '').trim();
  return sql === '-- This is an empty migration.' ? '' : sql;
}

const before = existsSync(snapshotPath) ? JSON.parse(readFileSync(snapshotPath, 'utf8')) : [];
const now = schemaFiles();
const sql = await difference(before, now);
const argument = process.argv[2];

if (argument === '--check') {
  if (sql) {
    process.stderr.write(`The schema has changes without a migration (npm run migration:new -- <name>):\n${sql}\n`);
    process.exit(1);
  }
  process.stdout.write('The migrations match the schema.\n');
} else if (!argument || !/^[a-z0-9_]+$/.test(argument)) {
  process.stderr.write('usage: npm run migration:new -- <name in lower_snake_case>\n');
  process.exit(2);
} else if (!sql) {
  process.stdout.write('Nothing has changed since the last migration.\n');
} else {
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = join(root, 'prisma/migrations', `${stamp}_${argument}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), `${sql}\n`);
  writeFileSync(snapshotPath, `${JSON.stringify(now, null, 2)}\n`);
  process.stdout.write(`${join(folder, 'migration.sql')}: read it, and add by hand what Prisma cannot express.\n`);
}
