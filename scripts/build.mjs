// Generates the Prisma client and the typed documents where their inputs changed, then transpiles src to dist, file by file.
// `.build-stamp` keeps a digest per step: finding out that there is nothing to do takes some 20 ms.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, '.build-stamp');

/** Brings src/generated and dist up to date; calls `progress` before each step that has work to do. */
export async function build(progress = () => {}) {
  const stamp = readStamp();
  await prismaClient(stamp, progress);
  await typedDocuments(stamp, progress);
  await transpiled(stamp, progress);
}

async function prismaClient(stamp, progress) {
  const digest = digestOf([...files('prisma', /\.prisma$/), 'package-lock.json']);
  if (stamp.prisma === digest && existsSync(join(root, 'src/generated/prisma/client.ts'))) return;
  progress('generating the database client');
  await run('scripts/prisma.mjs', ['generate']);
  writeStamp(stamp, 'prisma', digest);
}

/** Typed documents come from the committed SDL and from what the demo and the tests write in graphql(`...`). */
async function typedDocuments(stamp, progress) {
  const sdl = join(root, 'src/schema/schema.graphql');
  if (!existsSync(sdl)) return;
  const sources = [...files('src/demo', /\.ts$/), ...files('test', /\.ts$/)];
  const documents = sources.flatMap(
    (file) => readFileSync(join(root, file), 'utf8').match(/\bgraphql\(\s*`[^`]*`/g) ?? [],
  );
  const digest = digestOf(['src/schema/schema.graphql', 'codegen.ts', 'package-lock.json'], documents);
  if (stamp.documents === digest && existsSync(join(root, 'src/generated/graphql/gql.ts'))) return;
  progress('generating the typed documents');
  await run('scripts/codegen.mjs', []);
  writeStamp(stamp, 'documents', digest);
}

async function transpiled(stamp, progress) {
  const sources = files('src', /\.ts$/);
  const digest = digestOf([...sources, 'scripts/build.mjs', 'package-lock.json']);
  if (stamp.dist === digest && existsSync(join(root, 'dist/main.js'))) return;
  progress('compiling');
  const { build: esbuild } = await import('esbuild');
  const draft = join(root, `dist.${process.pid}.new`);
  const former = join(root, `dist.${process.pid}.old`);
  await esbuild({
    absWorkingDir: root,
    entryPoints: sources,
    outbase: 'src',
    outdir: draft,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    sourcemap: 'linked',
    logLevel: 'error',
    tsconfigRaw: {
      compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false, verbatimModuleSyntax: true },
    },
  });
  // A whole folder takes the place of the former one: a build that is killed leaves the old one in order.
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), former);
  renameSync(draft, join(root, 'dist'));
  rmSync(former, { recursive: true, force: true });
  writeStamp(stamp, 'dist', digest);
}

function files(folder, pattern) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

function digestOf(paths, texts = []) {
  const hash = createHash('sha256');
  for (const path of paths)
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(root, path)))
      .update('\0');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

function writeStamp(stamp, step, digest) {
  stamp[step] = digest;
  writeFileSync(stampFile, JSON.stringify(stamp));
}

function run(script, args) {
  return new Promise((done, fail) => {
    let output = '';
    const child = spawn(process.execPath, [join(root, script), ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', fail);
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`${script} failed:\n${output}`))));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await build((step) => process.stderr.write(`build: ${step}\n`));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
