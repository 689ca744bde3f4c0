// What of package-lock.json runs in production: the tree that `npm ci --omit=dev --omit=optional --omit=peer` installs.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The lockfile as it stands. */
export function readLockfile() {
  return JSON.parse(readFileSync(fileURLToPath(new URL('../package-lock.json', import.meta.url)), 'utf8'));
}

/** Every package of production as { path, name, version, license, integrity, dependencies }; `path` begins with node_modules/. */
export function runtimePackages(lock = readLockfile()) {
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path && !(entry.dev || entry.optional || entry.devOptional || entry.peer))
    .map(([path, { name, version, license, integrity, dependencies = {} }]) => ({
      path,
      name: name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      license,
      integrity,
      dependencies: Object.keys(dependencies),
    }));
}
