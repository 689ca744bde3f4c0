// Emits the SDL from the code. Fails when src/schema/schema.graphql is stale, and when it breaks clients compared with the
// commit before (or with where this branch left main), unless what goes was @deprecated there.
// usage: npm run schema:check [-- --write]
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const path = 'src/schema/schema.graphql';
const root = fileURLToPath(new URL('..', import.meta.url));
const file = `${root}${path}`;

// Typed documents need the SDL, not the other way round: what is transpiled suffices here.
await build((step) => process.stderr.write(`  ${step} ...\n`)).catch((error) => {
  if (!existsSync(`${root}dist/resolvers/schema.js`)) throw error;
});
const { buildSchema } = await import('../dist/resolvers/schema.js');
const { buildSchema: parseSchema, lexicographicSortSchema, printSchema } = await import('graphql');
const sdl = `${printSchema(lexicographicSortSchema(await buildSchema()))}\n`;

if (process.argv.includes('--write')) {
  writeFileSync(file, sdl);
  process.stdout.write(`${path} is written.\n`);
} else if (!existsSync(file) || readFileSync(file, 'utf8') !== sdl) {
  fail(`${path} is stale. Run "npm run schema:check -- --write" and commit it.`);
} else {
  await refuseBreakingChanges();
}

async function refuseBreakingChanges() {
  const base = earlierSchema();
  if (!base) return process.stdout.write('The schema is up to date; there is no earlier one to compare with.\n');
  const { diff, DiffRule } = await import('@graphql-inspector/core');
  const changes = await diff(parseSchema(base.sdl), parseSchema(sdl), [DiffRule.suppressRemovalOfDeprecatedField]);
  const breaking = changes.filter(({ criticality }) => criticality.level === 'BREAKING');
  if (breaking.length === 0)
    return process.stdout.write(`The schema is up to date and breaks nothing since ${base.commit}.\n`);
  const list = breaking.map(({ message }) => `  ${message}`).join('\n');
  fail(
    `The schema breaks clients, compared with ${base.commit}:\n${list}\nMark what shall go with @deprecated first, and remove it in a later release.`,
  );
}

/** The SDL at HEAD while it is being changed, else where the branch left main, else at the commit before. */
function earlierSchema() {
  const head = git('rev-parse', 'HEAD');
  const fork = git('merge-base', 'HEAD', 'origin/main');
  const changed = git('show', `HEAD:${path}`) !== sdl.trim();
  const candidates = [changed ? head : undefined, fork !== head ? fork : undefined, git('rev-parse', 'HEAD~1')];
  for (const commit of candidates) {
    const found = commit && git('show', `${commit}:${path}`);
    if (found) return { commit: commit.slice(0, 10), sdl: found };
  }
  return undefined;
}

/** Output of git, undefined where it fails: no repository, no such commit, no such file then. */
function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
