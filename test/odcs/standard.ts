import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Ajv2019, type ValidateFunction } from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import { ODCS_VERSIONS } from '../../src/governance/odcs/version.js';

/** Where the standard's schemas and real contracts lie: beside the checkout, or where MESHGATE_SHARED points. */
const folder = join(process.env.MESHGATE_SHARED ?? resolve(import.meta.dirname, '../../../shared'), 'data/odcs');

/** Whether the schemas and contracts are there; the tests that need them are skipped where they are not, and say so. */
export const standardIsHere = existsSync(folder);

/** What a skipped test says. */
export const whySkipped = `SKIPPED: no ODCS documents in ${folder} (set MESHGATE_SHARED)`;

/** The real contracts by file name. */
export function realContracts(): { name: string; text: string }[] {
  if (!standardIsHere) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.odcs.yaml'))
    .map((name) => ({ name: basename(name, '.odcs.yaml'), text: readFileSync(join(folder, name), 'utf8') }));
}

/** The text of one real contract. */
export function realContract(name: string): string {
  return readFileSync(join(folder, `${name}.odcs.yaml`), 'utf8');
}

/** The standard's own JSON Schemas (draft 2019-09), compiled, by version. */
export function standardSchemas(): Map<string, ValidateFunction> {
  return new Map(
    ODCS_VERSIONS.map((version) => {
      const ajv = new Ajv2019({ strict: false, allErrors: true });
      addFormats.default(ajv);
      const schema = JSON.parse(readFileSync(join(folder, `odcs-json-schema-${version}.json`), 'utf8')) as object;
      return [version, ajv.compile(schema)];
    }),
  );
}
