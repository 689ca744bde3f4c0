import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ExplainedMesh,
  type GeneratedProduct,
  type GeneratedTable,
  openExplainedMesh,
  readerRole,
} from './explain/mesh.js';
import { atScale } from './faults/scale.js';
import { productOfTest } from './testkit/product.js';

/** Explanations against the sandbox's own answer to "who may read", which is written from AWS's rules apart from our rows. */

const product = await productOfTest();
let mesh: ExplainedMesh;
beforeAll(async () => {
  mesh = await openExplainedMesh(product);
});
afterAll(() => mesh.close());

const READERS = ['anna', 'ben', 'cleo'];
const OTHERS = ['stranger'].map(readerRole);
const WORKFLOW = 'arn:aws:iam::333344445555:role/logistics-workflows';
const ELSEWHERE = 'arn:aws:iam::555566667777:role/elsewhere';

const NAMES = ['heads', 'lines'];
const COLUMNS = ['id', 'total', 'email'];

const table = (name: string): fc.Arbitrary<GeneratedTable> =>
  fc.record({ columns: fc.subarray(COLUMNS, { minLength: 1 }), pii: fc.boolean() }).map(({ columns, pii }) => ({
    name,
    columns: columns.map((column) => ({ name: column, pii: pii && column === 'email' })),
  }));
const tables = fc.tuple(...NAMES.map(table));
const classification = fc.constantFrom('PUBLIC' as const, 'INTERNAL' as const, 'CONFIDENTIAL' as const);
const accessMode = fc.constantFrom('NRAC' as const, 'LF_TBAC' as const);
const generatedProduct: fc.Arbitrary<GeneratedProduct> = fc.record({
  accessMode,
  classification,
  tables,
});

type Command =
  | { do: 'grant'; principals: string[]; tables: string[]; columns: string[]; rows: boolean; toAccount: boolean }
  | { do: 'all'; principals: string[] }
  | { do: 'mode'; as: 'NRAC' | 'LF_TBAC' }
  | { do: 'ask'; principals: string[] }
  | { do: 'revoke' | 'expire'; which: number }
  | { do: 'classify'; as: 'PUBLIC' | 'INTERNAL' | 'CONFIDENTIAL' }
  | { do: 'reshape'; tables: GeneratedTable[] };

const principals = fc.subarray(READERS, { minLength: 1 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('grant' as const),
      principals,
      tables: fc.subarray(NAMES, { minLength: 1 }),
      columns: fc.subarray(COLUMNS),
      rows: fc.boolean(),
      toAccount: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('all' as const), principals }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mode' as const), as: accessMode }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), principals }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('revoke' as const, 'expire' as const), which: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('classify' as const), as: classification }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reshape' as const), tables }) },
);

/** Carries out the commands one after another, without waiting for AWS; what is refused is as if it had not been asked. */
async function live(generated: GeneratedProduct, commands: Command[]) {
  const registered = await mesh.publish(generated);
  const grants: string[] = [];
  let shape = generated.tables;
  const refused = () => undefined;
  for (const each of commands) {
    switch (each.do) {
      case 'grant': {
        const has = shape.filter(({ name }) => each.tables.includes(name));
        const columns = has.flatMap(({ name, columns }) =>
          columns.filter((column) => each.columns.includes(column.name)).map((column) => `${name}.${column.name}`),
        );
        const request = await mesh
          .request(registered, {
            principals: each.principals.map(readerRole),
            tables: each.tables,
            ...(columns.length > 0 ? { columns } : {}),
            ...(each.rows ? { rowFilter: "id = 'x'" } : {}),
            ...(each.toAccount ? { grantTo: 'ACCOUNT' } : {}),
          })
          .catch(refused);
        if (request) grants.push(await mesh.approve(request));
        break;
      }
      case 'all': {
        const request = await mesh.request(registered, { principals: each.principals.map(readerRole) });
        const grant = await mesh.approve(request).catch(refused);
        if (grant) grants.push(grant);
        break;
      }
      case 'mode':
        await mesh.update(registered, { accessMode: each.as }).catch(refused);
        break;
      case 'ask':
        await mesh.request(registered, { principals: each.principals.map(readerRole) });
        break;
      case 'revoke':
      case 'expire': {
        const [grant] = grants.splice(each.which % Math.max(1, grants.length), 1);
        if (grant) await mesh[each.do](grant).catch(refused);
        break;
      }
      case 'classify':
        await mesh.update(registered, { classification: each.as });
        break;
      case 'reshape':
        await mesh.update(registered, { tables: each.tables });
        shape = each.tables;
        break;
    }
  }
  await mesh.quiet();
  return { registered, shape };
}

test('what is explained is what AWS says, for every principal and column of generated meshes', async () => {
  const everybody = [...READERS.map(readerRole), ...OTHERS, WORKFLOW, ELSEWHERE];
  let open = 0;
  await fc.assert(
    fc.asyncProperty(
      generatedProduct,
      fc.array(command, { minLength: 1, maxLength: 7 }),
      async (generated, commands) => {
        const { registered, shape } = await live(generated, commands);
        const truth = await mesh.readable(registered, shape, everybody);
        expect(await mesh.explained(registered, everybody)).toEqual(truth);
        open += truth.filter((cell) => !cell.startsWith('logistics-workflows')).length;
      },
    ),
    {
      numRuns: atScale({ quick: 8, soak: 100 }),
      interruptAfterTimeLimit: atScale({ quick: 30_000, soak: 1_000_000 }),
      endOnFailure: true,
    },
  );
  expect(open).toBeGreaterThan(0);
}, 1_200_000);
