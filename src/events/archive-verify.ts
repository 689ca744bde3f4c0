import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { type ArchivedEvent, type Manifest, readArchive, readManifests } from './archive-file.js';
import { type Anchor, type BadReason, type ChainVerdict, firstExpected, verifyChain } from './verify.js';

/** What a file holds: the hash at its last number and the sha256 of its bytes; or the first number that is not as it was. */
export type FileVerdict =
  | { ok: true; headHash: Buffer; sha256: Buffer }
  | { ok: false; firstBad: bigint; reason: BadReason };

/** The numbers that a file must hold, both ends included, and the log's hash before them. */
export interface FileToVerify {
  first: bigint;
  last: bigint;
  previous: Buffer;
  anchors?: readonly Anchor[];
}

/** Recomputes the hash chain over a file that was archived. */
export async function verifyFile(
  path: string,
  { first, last, previous, anchors = [] }: FileToVerify,
): Promise<FileVerdict> {
  const bytes = createHash('sha256');
  const bad = (firstBad: bigint, reason: BadReason): FileVerdict => ({ ok: false, firstBad, reason });
  let hash = previous;
  let next = first;
  try {
    for await (const event of readArchive(path, bytes)) {
      if (next > last) return bad(event.seq, 'CHANGED');
      if (event.seq !== next) return bad(next, event.seq > next ? 'MISSING' : 'CHANGED');
      hash = hashOf(hash, event);
      if (!hash.equals(event.hash)) return bad(next, 'CHANGED');
      if (anchors.some(({ seq, hash: anchored }) => seq === next && !anchored.equals(event.hash)))
        return bad(next, 'ANCHOR');
      next += 1n;
    }
  } catch {
    // Not gzip, or not lines of ours, from here on.
    return bad(next, 'CHANGED');
  }
  return next > last ? { ok: true, headHash: hash, sha256: bytes.digest() } : bad(next, 'MISSING');
}

const hashOf = (previous: Buffer, { seq, canonical }: ArchivedEvent): Buffer =>
  createHash('sha256').update(previous).update(`${seq}\n${canonical}`).digest();

/** Which numbers, both ends included, and what was anchored outside. */
export interface WholeVerification {
  from?: bigint | undefined;
  to?: bigint | undefined;
  anchors?: readonly Anchor[] | undefined;
}

/**
 * Recomputes the hash chain from the first archive of a folder to the end of the log in the database, so that nothing between them can
 * be missing or exchanged. Throws BadFolder and BadManifest.
 */
export async function verifyWithArchive(
  pool: Pool,
  folder: string,
  { from, to, anchors = [] }: WholeVerification,
): Promise<ChainVerdict> {
  const live = await firstExpected(pool);
  const all = await readManifests(folder);
  const manifests = all.filter(({ first, last }) => (to === undefined || first <= to) && (!from || last >= from));
  let next = from === undefined ? 1n : (manifests[0]?.first ?? from);
  let hash: Buffer =
    from === undefined || !manifests[0] ? Buffer.alloc(32) : Buffer.from(manifests[0].previousHash, 'hex');
  const hashes = new Map([[next - 1n, hash]]);
  for (const manifest of manifests) {
    const { first, last } = manifest;
    if (first !== next) return { ok: false, head: next - 1n, firstBad: next, reason: 'MISSING' };
    const verdict = await verifyStated(folder, manifest, { previous: hash, anchors });
    if (!verdict.ok) return { ...verdict, head: verdict.firstBad - 1n };
    hash = verdict.headHash;
    next = last + 1n;
    hashes.set(last, hash);
  }
  if (to !== undefined && next > to) return { ok: true, head: next - 1n };
  if (live > next && (from === undefined || from < live))
    return { ok: false, head: next - 1n, firstBad: next, reason: 'MISSING' };
  // Where a part is both archived and still in the log, both must say the same.
  const start = from !== undefined && from > live ? from : live;
  const archived = [...hashes].map(([seq, hash]) => ({ seq, hash })).filter(({ seq }) => seq >= start);
  return verifyChain(pool, { from: start, to, anchors: [...anchors, ...archived], before: hashes.get(start - 1n) });
}

/** A file, held to its manifest too. */
async function verifyStated(
  folder: string,
  manifest: Manifest,
  { previous, anchors }: { previous: Buffer; anchors: readonly Anchor[] },
): Promise<FileVerdict> {
  const { first, last, file } = manifest;
  const path = join(folder, file);
  if (!existsSync(path)) return { ok: false, firstBad: first, reason: 'MISSING' };
  const verdict = await verifyFile(path, { first, last, previous, anchors });
  if (!verdict.ok) return verdict;
  const stated =
    verdict.sha256.toString('hex') === manifest.sha256 &&
    verdict.headHash.toString('hex') === manifest.headHash &&
    manifest.count === last - first + 1n;
  return stated ? verdict : { ok: false, firstBad: first, reason: 'CHANGED' };
}
