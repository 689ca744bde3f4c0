import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { approveAccessRequest } from '../../src/governance/access-approval.js';
import { requestAccess } from '../../src/governance/access-request.js';
import { createPolicyEngine } from '../../src/governance/cedar/engine.js';
import type { Context } from '../../src/governance/context.js';
import { activatePolicy, createPolicy, deactivatePolicy, draftPolicy } from '../../src/governance/policy.js';
import { openDatabase } from '../../src/server/database.js';
import { atScale } from '../faults/scale.js';
import { accessInput, openMesh, refusal, seedDomain, seedProduct } from '../governance/mesh.js';
import { forFile } from '../testkit/for-file.js';

const mesh = await forFile(openMesh());
// Another server: a pool of its own, and its own memory of policies and answers.
const other = await forFile(openDatabase(mesh.serverUrl, { poolSize: 12 }));
const producer = await seedDomain(mesh, 'sales', 1);
const consumerDomain = await seedDomain(mesh, 'finance', 2);
const dataProduct = await seedProduct(mesh, { id: producer, name: 'sales' }, 'orders');
const input = accessInput({ dataProduct, consumerDomain, account: 2 });

const closing = (round: number) =>
  `@reason("Closed ${round}.") forbid (principal, action in [Action::"submit", Action::"approve"], resource in Domain::"sales");`;
const { policyId: policy } = await createPolicy(await mesh.as('sales-owner'), {
  ...{ name: 'gate', description: 'Opens and closes', domain: producer, source: closing(0) },
});
/** The policy's newest version. */
let newest = 1;
const engine = createPolicyEngine();
const elsewhere = async (subject: string): Promise<Context> => ({
  ...(await mesh.as(subject)),
  ...{ db: other.prisma, policies: engine, correlationId: randomUUID() },
});

test('what one server tightens no other allows, round after round', async () => {
  const [admin, asker, decider] = [
    await mesh.as('sales-owner'),
    await elsewhere('finance-member'),
    await elsewhere('sales-steward'),
  ];
  for (let round = 0; round < atScale({ quick: 60, soak: 1_000 }); round += 1) {
    const { accessRequestId } = await requestAccess(asker, input);
    if (round > 0) {
      await draftPolicy(admin, { policy, source: closing(round) });
      newest += 1;
    }
    await activatePolicy(admin, { policy, version: newest });
    const [asked, approved] = await Promise.all([
      refusal(requestAccess(asker, input)),
      refusal(approveAccessRequest(decider, { accessRequest: accessRequestId })),
    ]);
    for (const { code, message } of [asked, approved]) {
      expect({ code, message }).toEqual({
        code: 'POLICY_DENIED',
        message: expect.stringContaining(`Closed ${round}.`),
      });
    }
    await deactivatePolicy(admin, { policy });
  }
}, 1_800_000);

test('of what is asked and tightened at once, nothing is decided after the change by what was before', async () => {
  const admin = await mesh.as('sales-owner');
  for (let round = 0; round < atScale({ quick: 10, soak: 100 }); round += 1) {
    await draftPolicy(admin, { policy, source: closing(10_000 + round) });
    newest += 1;
    const askers = [
      await mesh.as('finance-member'),
      await elsewhere('finance-member'),
      await elsewhere('finance-owner'),
    ];
    await Promise.all([
      ...askers.map((asker) => requestAccess(asker, input).catch(() => null)),
      activatePolicy(admin, { policy, version: newest }),
      ...askers.map((asker) => requestAccess(asker, input).catch(() => null)),
    ]);
    await deactivatePolicy(admin, { policy });
  }
  // Events of what waited for one another stand in the log in that order.
  let closed = false;
  for (const { type, subject } of await mesh.events()) {
    if (subject.type === 'Policy' && type === 'PolicyActivated') closed = true;
    if (subject.type === 'Policy' && type === 'PolicyDeactivated') closed = false;
    if (type === 'AccessRequested' || type === 'AccessApproved') expect(closed).toBe(false);
  }
}, 300_000);
