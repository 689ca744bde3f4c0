// Writes dist/sbom.json: what runs in production, as a software bill of materials in CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/). The same lockfile gives the same bytes. `npm sbom --omit` leaves most of the tree out.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readLockfile, runtimePackages } from './runtime-packages.mjs';

/** The bill of materials of a lockfile, as an object. */
export function billOfMaterials(lock = readLockfile()) {
  const packages = runtimePackages(lock);
  const paths = new Set(packages.map(({ path }) => path));
  const root = { name: lock.name, version: lock.version };
  const needs = (from, names) => names.map((name) => resolved(paths, from, name)).filter(Boolean);
  const text = JSON.stringify(packages);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(text)}`,
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': '.',
        ...root,
        purl: purl(root),
        licenses: licences(lock.packages[''].license),
      },
    },
    components: packages.map(component),
    dependencies: [
      { ref: '.', dependsOn: needs('', Object.keys(lock.packages[''].dependencies ?? {})) },
      ...packages.map(({ path, dependencies }) => ({ ref: path, dependsOn: needs(path, dependencies) })),
    ],
  };
}

function component({ path, name, version, license, integrity }) {
  const [group, short] = name.startsWith('@') ? name.split('/') : [undefined, name];
  return {
    type: 'library',
    'bom-ref': path,
    ...(group ? { group } : {}),
    name: short,
    version,
    purl: purl({ name, version }),
    licenses: licences(license),
    hashes: (integrity ?? '').split(' ').filter(Boolean).map(hash),
  };
}

/** An SPDX id stands alone, a combination is an expression. */
function licences(license) {
  return [/[ ()]/.test(license) ? { expression: license } : { license: { id: license } }];
}

/** Subresource integrity (sha512-base64) as CycloneDX has it: SHA-512, hexadecimal. */
function hash(integrity) {
  const [algorithm, value = ''] = integrity.split('-', 2);
  return { alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(value, 'base64').toString('hex') };
}

const purl = ({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** Where Node finds a package from a folder: in its own node_modules, then in those above. */
function resolved(paths, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const path = folder ? `${folder}/node_modules/${name}` : `node_modules/${name}`;
    if (paths.has(path)) return path;
    if (!folder) return undefined;
  }
}

/** A UUID of version 8 (RFC 9562, section 5.8) from a digest. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = fileURLToPath(new URL('../dist/sbom.json', import.meta.url));
  const bill = billOfMaterials();
  mkdirSync(fileURLToPath(new URL('../dist', import.meta.url)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`);
  process.stdout.write(`dist/sbom.json: ${bill.components.length} packages\n`);
}
