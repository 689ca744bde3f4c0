import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDataContract } from '../../src/governance/odcs/parse.js';
import { validateDataContract } from '../../src/governance/odcs/validate.js';
import { isOdcsVersion, ODCS_VERSIONS } from '../../src/governance/odcs/version.js';
import { atScale } from '../faults/scale.js';
import { mutatedContract, mutationsOf, systematicMutations } from './mutate.js';
import { fullSeed } from './seed-contract.js';
import { realContract, realContracts, standardIsHere, standardSchemas, whySkipped } from './standard.js';

/** How many changed documents are judged. */
const MUTATIONS = atScale({ quick: 2_000, soak: 20_000 });

const BREAKS_ITS_SCHEMA = ['bitol-all-data-types', 'cities-v2', 'shipments'];

function contract(more: object = {}): Record<string, unknown> {
  return { version: '1.0.0', apiVersion: 'v3.1.0', kind: 'DataContract', id: 'orders', status: 'active', ...more };
}

function violationsOf(document: unknown): string[] {
  return validateDataContract(document).violations.map(({ path, reason }) => `${path}: ${reason}`);
}

describe('the violations of a contract', () => {
  it('are none where the contract holds every part of its version', () => {
    for (const version of ODCS_VERSIONS) expect(violationsOf(fullSeed(version)), version).toEqual([]);
  });

  it('are none where a contract has no tables', () => {
    expect(violationsOf(contract())).toEqual([]);
  });

  it('are all named, each with its JSON Pointer and a reason', () => {
    const broken = contract({
      status: 3,
      dataproduct: 'x',
      schema: [{ name: 'orders', properties: [{ logicalType: 'text' }, { name: 'a', required: 'yes' }] }, {}],
      servers: [{ type: 's3', location: 's3://bucket/{model}' }],
      slaProperties: [{ property: 'latency', value: [] }],
      contractCreatedTs: '2024-13-01',
    });
    expect(violationsOf(broken).sort()).toEqual(
      [
        '/contractCreatedTs: must be a date and time such as 2022-11-15T02:59:43Z',
        "/dataproduct: is not a field that may stand here; did you mean 'dataProduct'?",
        '/schema/0/properties/0/logicalType: must be one of string, date, number, integer, object, array, boolean, timestamp, time, but is "text"',
        '/schema/0/properties/0/name: is missing',
        '/schema/0/properties/1/required: must be true or false, but is the text "yes"',
        '/schema/1/name: is missing',
        '/servers/0/location: must be a URI, such as s3://bucket/prefix',
        '/servers/0/server: is missing',
        '/slaProperties/0/value: must be a text or a number or true or false or null, but is a list',
        '/status: must be a text, but is 3',
      ].sort(),
    );
  });

  it('escape the characters of a JSON Pointer', () => {
    expect(violationsOf(contract({ 'a/b~c': 1 }))).toEqual(['/a~1b~0c: is not a field that may stand here']);
  });

  it('follow the declared version: what v3.1.0 added breaks v3.0.2', () => {
    const schema = [{ name: 'orders', properties: [{ name: 'at', logicalType: 'timestamp' }] }];
    expect(violationsOf(contract({ schema }))).toEqual([]);
    expect(violationsOf(contract({ schema, apiVersion: 'v3.0.2' }))).toHaveLength(1);
  });

  it.each(['v2.2.2', 'v3.0.3', 'v4.0.0', '3.1.0', ''])(
    'name the supported versions where the contract declares %j',
    (apiVersion) => {
      const { violations, ...declared } = validateDataContract(contract({ apiVersion, nonsense: 1 }));
      expect(declared.apiVersion).toBe(apiVersion);
      expect(violations).toEqual([
        {
          path: '/apiVersion',
          reason: `"${apiVersion}" is not supported; it must be one of v3.0.0, v3.0.1, v3.0.2, v3.1.0`,
        },
      ]);
    },
  );

  it('hold a contract without a version to the newest rules', () => {
    const { apiVersion: _, ...rest } = contract({ nonsense: 1 });
    expect(violationsOf(rest)).toEqual([
      '/apiVersion: is missing; it must be one of v3.0.0, v3.0.1, v3.0.2, v3.1.0',
      '/nonsense: is not a field that may stand here',
    ]);
  });

  it.each([[null], [[]], ['text'], [1], [undefined]])('are one where the document is %j', (document) => {
    expect(validateDataContract(document).violations).toMatchObject([{ path: '' }]);
  });

  it('see a member named __proto__', () => {
    const document = JSON.parse(JSON.stringify(contract()).replace('{', '{"__proto__":1,')) as unknown;
    expect(violationsOf(document)).toEqual(['/__proto__: is not a field that may stand here']);
  });

  it('of a 200 KB contract take well under 50 ms', () => {
    const column = { name: 'customer_identifier', logicalType: 'string', physicalType: 'varchar(18)', required: true };
    const described = {
      ...column,
      description: 'The customer, as the shop knows him',
      tags: ['uid'],
      primaryKey: false,
    };
    const schema = Array.from({ length: 25 }, (_, table) => ({
      name: `table_${table}`,
      properties: Array.from({ length: 40 }, () => ({ ...described, logicalTypeOptions: { maxLength: 18 } })),
    }));
    const document = contract({ schema });
    expect(JSON.stringify(document).length).toBeGreaterThan(200_000);
    validateDataContract(document);
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      expect(validateDataContract(document).violations).toEqual([]);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });
});

if (!standardIsHere) process.stderr.write(`${whySkipped}\n`);

describe.skipIf(!standardIsHere)(
  `our rules beside the standard's own schemas${standardIsHere ? '' : ` (${whySkipped})`}`,
  () => {
    const schemas = standardIsHere ? standardSchemas() : new Map();

    function expectSameVerdict(document: unknown): void {
      const { apiVersion, violations } = validateDataContract(document);
      if (!isOdcsVersion(apiVersion)) {
        expect(violations.map(({ path }) => path)).toContain('/apiVersion');
        return;
      }
      const schema = schemas.get(apiVersion);
      const valid = schema(document);
      const theirs: string[] = (schema.errors ?? []).map(({ instancePath }: { instancePath: string }) => instancePath);
      const seen = { theirs: valid ? [] : schema.errors, ours: violations, document };
      if ((violations.length === 0) !== valid) expect.fail(JSON.stringify(seen, null, 1));
      if (valid) return;
      const related = violations.some(({ path }) =>
        theirs.some((their) => path.startsWith(their) || their.startsWith(path)),
      );
      if (!related) expect.fail(JSON.stringify(seen, null, 1));
    }

    it.each(realContracts())('judge $name as its schema does', ({ name, text }) => {
      const { document, problems } = parseDataContract(text);
      expect(problems).toEqual([]);
      expectSameVerdict(document);
      expect(validateDataContract(document).violations.length > 0).toBe(BREAKS_ITS_SCHEMA.includes(name));
    });

    it('judge every real contract as every other version does', () => {
      for (const { text } of realContracts()) {
        const document = parseDataContract(text).document as object;
        for (const apiVersion of ODCS_VERSIONS) expectSameVerdict({ ...document, apiVersion });
      }
    });

    it('judge the seeds of one version as every other version does', () => {
      for (const seed of ODCS_VERSIONS)
        for (const apiVersion of ODCS_VERSIONS) expectSameVerdict({ ...fullSeed(seed), apiVersion });
    });

    it.each(ODCS_VERSIONS)(
      'judge every single change of every part alike under %s',
      { timeout: 120_000 },
      (version) => {
        for (const seed of new Set([version, 'v3.1.0'])) {
          for (const document of systematicMutations(seed, version)) expectSameVerdict(document);
        }
      },
    );

    it('judge thousands of mutated contracts alike', { timeout: 120_000 }, () => {
      fc.assert(fc.property(mutatedContract, expectSameVerdict), { numRuns: MUTATIONS });
    });

    it('judge thousands of mutated real contracts alike', { timeout: 120_000 }, () => {
      for (const { text } of realContracts()) {
        const document = parseDataContract(text).document as object;
        fc.assert(fc.property(mutationsOf(document), expectSameVerdict), {
          numRuns: MUTATIONS / 10,
        });
      }
    });

    it('say of the three that break their schema what is wrong in words', () => {
      const reasons = (name: string): string[] => violationsOf(parseDataContract(realContract(name)).document);
      expect(reasons('cities-v2')).toContain('/servers/8/delimiter: is not a field that may stand here');
      expect(reasons('shipments')).toContain('/schema/0/properties/0/physicalName: is not a field that may stand here');
      expect(reasons('bitol-all-data-types')).toContain(
        '/schema/0/properties/1/logicalTypeOptions/exclusiveMinimum: must be true or false, but is the text "2020-01-01"',
      );
    });
  },
);
