import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveAccessRequest } from '../src/governance/access-approval.js';
import { revokeAccess } from '../src/governance/access-grant.js';
import { requestAccess } from '../src/governance/access-request.js';
import type { Context } from '../src/governance/context.js';
import {
  publishDataProduct,
  registerDataProduct,
  retireDataProduct,
  updateDataProduct,
} from '../src/governance/data-product.js';
import { planRequests } from '../src/governance/plan-access.js';
import { planPublish, planRetire } from '../src/governance/plan-product.js';
import type { ShownPlan } from '../src/governance/planned.js';
import { previewTagChange } from '../src/governance/preview-tag-change.js';
import { atScale } from './faults/scale.js';
import { openMesh, productInput, seedDomain, type TestMesh } from './governance/mesh.js';

/** What a plan says is what the mutation then does: generated histories in which every step is planned before it is taken. */

let mesh: TestMesh;
let producer: { id: string; name: string };
let consumers: string[];
beforeAll(async () => {
  mesh = await openMesh();
  producer = { id: await seedDomain(mesh, 'sales', 1), name: 'sales' };
  consumers = [await seedDomain(mesh, 'finance', 2), await seedDomain(mesh, 'risk', 3)];
});
afterAll(() => mesh.close());

const asked = fc.record({
  consumer: fc.nat(1),
  principals: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
  tables: fc.subarray(['heads', 'lines'], { minLength: 1 }),
  columns: fc.boolean(),
});
type AskedArbitrary = typeof asked extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  { weight: 5, arbitrary: asked.map((asked) => ({ do: 'grant' as const, asked })) },
  { weight: 2, arbitrary: fc.nat(9).map((which) => ({ do: 'revoke' as const, which })) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('PUBLIC' as const, 'CONFIDENTIAL' as const)
      .map((classification) => ({ do: 'classify' as const, classification })),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'agree' as const }) },
);

interface WantedRow {
  id: string;
  desired: string;
  spec: unknown;
}

/** Takes a step that was planned, held to the digest; then every resource of the plan is wanted as the plan said. */
async function asPlanned(plan: ShownPlan, take: (planDigest: string) => Promise<unknown>): Promise<void> {
  expect(plan.refusals).toEqual([]);
  const wanted = async () =>
    new Map(
      (await mesh.database.prisma.resource.findMany({ select: { id: true, desired: true, spec: true } })).map(
        (row: WantedRow) => [row.id, row.desired === 'PRESENT' ? row.spec : null],
      ),
    );
  const before = await wanted();
  await take(plan.digest);
  const after = await wanted();
  const changed = [...after].filter(([id, spec]) => JSON.stringify(spec) !== JSON.stringify(before.get(id) ?? null));
  const planned = plan.resources.filter(({ action }) => action !== 'NOOP');
  expect(new Map(changed)).toEqual(new Map(planned.map(({ id, after: spec }) => [id, spec])));
}

test('every step does what its plan said, to the last resource and spec', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (steps, accessByTag) => {
      number += 1;
      const owner = await mesh.as('sales-owner');
      const accessMode = accessByTag ? ('LF_TBAC' as const) : ('NRAC' as const);
      const name = `product-${number}`;
      const { dataProductId } = await registerDataProduct(owner, { ...productInput(producer, name), accessMode });
      const only = async (plans: Promise<Map<string, ShownPlan>>, id = dataProductId) =>
        (await plans).get(id) as ShownPlan;
      await asPlanned(await only(planPublish(owner, [dataProductId])), (planDigest) =>
        publishDataProduct(owner, { dataProduct: dataProductId, planDigest }),
      );
      await mesh.agree();
      const grants: string[] = [];
      for (const each of steps) {
        if (each.do === 'agree') await mesh.agree();
        if (each.do === 'revoke') {
          const [accessGrant] = grants.splice(each.which % Math.max(1, grants.length), 1);
          if (accessGrant) await revokeAccess(owner, { accessGrant, reason: 'Over' });
        }
        if (each.do === 'classify') {
          const input = { dataProduct: dataProductId, classification: each.classification };
          const { plan } = await previewTagChange(owner, input);
          const same = (await mesh.database.prisma.dataProduct.findUniqueOrThrow({ where: { id: dataProductId } }))
            .classification;
          if (same === each.classification)
            expect(plan.resources.filter(({ action }) => action !== 'NOOP')).toEqual([]);
          else
            await asPlanned(plan, (planDigest) => updateDataProduct(owner, { ...input, planDigest })).then(() =>
              stillAlive(grants),
            );
        }
        if (each.do === 'grant') {
          const id = await ask(each.asked, { dataProductId, name, accessByTag });
          await asPlanned(await only(planRequests(owner, [id]), id), async (planDigest) => {
            grants.push((await approveAccessRequest(owner, { accessRequest: id, planDigest })).accessGrantId);
          });
        }
      }
      await asPlanned(await only(planRetire(owner, [dataProductId])), (planDigest) =>
        retireDataProduct(owner, { dataProduct: dataProductId, revokeGrants: true, planDigest }),
      );
      await mesh.agree();
    }),
    { numRuns: atScale({ quick: 8, soak: 100 }), interruptAfterTimeLimit: atScale({ quick: 20_000, soak: 1_000_000 }) },
  );
}, 1_200_000);

/** A stricter classification may have ended grants: those are no longer there to be revoked. */
async function stillAlive(grants: string[]): Promise<void> {
  const alive = await mesh.database.prisma.accessGrant.findMany({
    where: { id: { in: grants }, status: { in: ['PROVISIONING', 'ACTIVE', 'FAILED'] } },
  });
  const ids = new Set(alive.map(({ id }) => id));
  grants.splice(0, grants.length, ...grants.filter((id) => ids.has(id)));
}

interface Asking {
  dataProductId: string;
  name: string;
  accessByTag: boolean;
}

async function ask(
  { consumer, principals, tables, columns }: AskedArbitrary,
  { dataProductId, name, accessByTag }: Asking,
): Promise<string> {
  const requester: Context = await mesh.as(consumer === 0 ? 'finance-member' : 'risk-member');
  const prefix = name.replaceAll('-', '_');
  const account = String(consumer + 2).repeat(12);
  const scope = accessByTag
    ? {}
    : columns
      ? { columns: tables.map((table) => `${prefix}_${table}.id`) }
      : { tables: tables.map((table) => `${prefix}_${table}`) };
  const { accessRequestId } = await requestAccess(requester, {
    dataProduct: dataProductId,
    consumerDomain: consumers[consumer] as string,
    principals: principals.map((principal) => `arn:aws:iam::${account}:role/${principal}`),
    purpose: 'To see what is planned',
    ...scope,
  });
  return accessRequestId;
}
