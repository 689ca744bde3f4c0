/** A local directory that stands for S3: `<folder>/<bucket>/<key>`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A stored object; `size` in bytes. */
export interface StoredObject {
  key: string;
  size: number;
}

/** Objects by bucket and key. A bucket is there as soon as it holds an object. */
export interface Storage {
  put(bucket: string, key: string, body: Buffer): void;
  delete(bucket: string, key: string): void;
  /** The objects below a prefix in order of their keys; a prefix without a slash at its end may cut a name. */
  list(bucket: string, prefix: string): StoredObject[];
  read(bucket: string, key: string): Buffer;
}

/** A bucket or key that cannot be a place in the directory. */
export class StorageError extends Error {}

/** Opens the directory; it need not be there yet. */
export function openStorage(folder: string): Storage {
  const place = (bucket: string, key: string): string => join(folder, bucketName(bucket), ...keyParts(key));
  return {
    put(bucket, key, body) {
      const path = place(bucket, key);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, body, { mode: 0o600 });
    },
    delete: (bucket, key) => rmSync(place(bucket, key), { force: true }),
    list(bucket, prefix) {
      const root = join(folder, bucketName(bucket));
      if (!existsSync(root)) return [];
      const keys = readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
        .filter((entry) => entry.isFile())
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(root.length + 1)
            .replaceAll('\\', '/'),
        );
      return keys
        .filter((key) => key.startsWith(prefix))
        .sort()
        .map((key) => ({ key, size: statSync(join(root, key)).size }));
    },
    read: (bucket, key) => readFileSync(place(bucket, key)),
  };
}

/** Bucket and key (or prefix) of `s3://bucket/key`; undefined where the location is none of S3. */
export function parseLocation(location: string): { bucket: string; key: string } | undefined {
  const [, bucket, key = ''] = /^s3[an]?:\/\/([^/]+)\/?(.*)$/.exec(location) ?? [];
  return bucket === undefined ? undefined : { bucket, key };
}

function bucketName(bucket: string): string {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) && !bucket.includes('..')) return bucket;
  throw new StorageError(`${bucket} is no name of a bucket`);
}

/** A key must not lead out of its bucket. */
function keyParts(key: string): string[] {
  const parts = key.split('/');
  if (parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))) return parts;
  throw new StorageError(`the key ${key} must be names separated by single slashes`);
}
