import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, constants, mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';

/** One event as an archive keeps it: its number, the text that its hash covers, and the hash. */
export interface ArchivedEvent {
  seq: bigint;
  canonical: string;
  hash: Buffer;
}

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const number = z
  .string()
  .regex(/^[1-9]\d{0,18}$/)
  .transform(BigInt);

const manifestForm = z.object({
  version: z.literal(1),
  file: z.string().regex(/^events-\d{19}-\d{19}\.jsonl\.gz$/),
  first: number,
  last: number,
  count: number,
  /** Of the file's bytes. */
  sha256: hex,
  /** The log's hash before `first` and at `last`. */
  previousHash: hex,
  headHash: hex,
});

/** What is said of an archived part of the log beside its file; hashes in hex. */
export type Manifest = z.output<typeof manifestForm>;

/** A manifest that is not as it was written. */
export class BadManifest extends Error {
  override readonly name = 'BadManifest';
}

/** A folder that cannot be read as one of archives, or written to; the message says why. */
export class BadFolder extends Error {
  override readonly name = 'BadFolder';
}

/** Makes the folder where it is not there. Throws BadFolder where nothing can be written to it. */
export async function openFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new BadFolder(`No archive can be written to the folder "${folder}": ${(error as Error).message}`);
  }
}

/** Level by level: mkdir's own recursion never ends below a folder that takes none, such as /proc. */
async function makeFolder(folder: string): Promise<void> {
  if ((await stat(folder).catch(() => undefined))?.isDirectory()) return;
  await makeFolder(dirname(folder));
  await mkdir(folder, { mode: 0o700 });
}

/** `events-<first>-<last>`: sorted by name, archives are in the log's order. */
export function archiveName(first: bigint, last: bigint): string {
  const padded = (seq: bigint) => String(seq).padStart(19, '0');
  return `events-${padded(first)}-${padded(last)}`;
}

const lineOf = ({ seq, canonical, hash }: ArchivedEvent): string =>
  `${JSON.stringify({ seq: String(seq), hash: hash.toString('hex'), canonical })}\n`;

/** Writes events to a file (JSON Lines, gzip), flushed to the disk, and answers the sha256 of its bytes. A file that was begun before is written anew. */
export async function writeArchive(path: string, events: AsyncIterable<ArchivedEvent>): Promise<Buffer> {
  const hash = createHash('sha256');
  async function* lines(): AsyncGenerator<string> {
    for await (const event of events) yield lineOf(event);
  }
  const file = createWriteStream(path, { flags: 'w', mode: 0o600, flush: true });
  await pipeline(Readable.from(lines()), createGzip(), (chunks: AsyncIterable<Buffer>) => hashed(chunks, hash), file);
  return hash.digest();
}

const lineForm = z.object({ seq: number, hash: hex, canonical: z.string() });

/** The events of a file, in order; throws where it is damaged. `hash` is given the file's bytes. */
export async function* readArchive(path: string, hash: Hash): AsyncGenerator<ArchivedEvent> {
  const gunzip = createGunzip();
  // What fails ends the iteration over `gunzip`.
  pipeline(Readable.from(hashed(createReadStream(path), hash)), gunzip).catch(() => undefined);
  for await (const line of linesOf(gunzip)) {
    const { seq, hash: text, canonical } = lineForm.parse(JSON.parse(line));
    yield { seq, canonical, hash: Buffer.from(text, 'hex') };
  }
}

async function* hashed(chunks: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** Gives a written file its name for good: after this, neither is lost with the power. */
export async function settle(folder: string, from: string, to: string): Promise<void> {
  await rename(join(folder, from), join(folder, to));
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Writes what is said of an archive, as durable as the archive itself. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const name = archiveName(manifest.first, manifest.last);
  const text = JSON.stringify(manifest, (_, value) => (typeof value === 'bigint' ? String(value) : value), 2);
  const handle = await open(join(folder, `${name}.json.part`), 'w', 0o600);
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await settle(folder, `${name}.json.part`, `${name}.json`);
}

/** The archives of a folder, by their manifests, in the log's order. Throws BadFolder and BadManifest. */
export async function readManifests(folder: string): Promise<Manifest[]> {
  const found = await readdir(folder).catch((error: Error) => {
    throw new BadFolder(`"${folder}" is no folder of archives: ${error.message}`);
  });
  const names = found.filter((name) => /^events-\d{19}-\d{19}\.json$/.test(name)).sort();
  return Promise.all(names.map((name) => readManifest(join(folder, name))));
}

async function readManifest(path: string): Promise<Manifest> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new BadFolder(`${path} cannot be read: ${error.message}`);
  });
  try {
    return manifestForm.parse(JSON.parse(text));
  } catch {
    throw new BadManifest(`${path} is no manifest of an archive.`);
  }
}
