import { describe, expect, test } from 'vitest';
import type { Classification } from '../../src/generated/graphql/graphql.js';
import type { Person } from '../testkit/execute.js';
import { forFile } from '../testkit/for-file.js';
import { ADMIN, inDays, memberOf, openPolicyMesh, ownerOf, stewardOf } from './mesh.js';

const mesh = await forFile(openPolicyMesh());

const OWNER = ownerOf('sales');
const STEWARD = stewardOf('sales');
const ANY = '@reason("Test.") permit (principal, action == Action::"autoApprove", resource in Domain::"sales");';
const either = [
  { owners: 1, stewards: 0 },
  { owners: 0, stewards: 1 },
];
const both = [{ owners: 1, stewards: 1 }];
const asSales = () => ({ consumerDomain: mesh.sales, principals: [`arn:aws:iam::${'2'.repeat(12)}:role/own`] });
const pending = (required: object[]) => ({
  accessRequest: { status: 'PENDING', decision: { outcome: 'NEEDS_APPROVAL' }, approvals: { required } },
});
const atOnce = { accessRequest: { status: 'APPROVED', decision: { outcome: 'AUTO_APPROVED' } } };

/** Lets a policy decide while something is tried. */
async function during(policy: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await mesh.deactivate(ADMIN, policy);
  }
}

async function drafted(person: Person, source: string): Promise<string> {
  const made = await mesh.create(person, source, mesh.sales);
  if (made.__typename !== 'CreatePolicyPayload' || !made.policy) throw new Error(JSON.stringify(made));
  return made.policy.id;
}

describe('what is granted at once', () => {
  test.each([['INSERT'], ['DELETE'], ['ALTER']] as const)(
    'is never %s, by the shipped policies',
    async (permission) => {
      const product = await mesh.product('PUBLIC');
      const asked = {
        ...asSales(),
        ...{
          permissions: ['SELECT' as const, permission],
          columns: null,
          namedPurpose: 'loading',
          expiresAt: inDays(30),
        },
      };
      expect(await mesh.ask(product, asked, memberOf('sales'))).toMatchObject(pending(either));
    },
  );

  test('is never to write nor for an account, whatever a domain or the mesh permits', async () => {
    const product = await mesh.product('PUBLIC');
    for (const policy of [
      () => mesh.inForce(ANY, mesh.sales),
      () => mesh.inForce(ANY.replace(' in Domain::"sales"', '')),
    ]) {
      await during(await policy(), async () => {
        const writes = { ...asSales(), permissions: ['INSERT' as const], columns: null, expiresAt: inDays(30) };
        expect(await mesh.ask(product, writes, memberOf('sales'))).toMatchObject(pending(either));
        const account = { grantTo: 'ACCOUNT' as const, expiresAt: inDays(30) };
        expect(await mesh.ask(product, account)).toMatchObject(pending(either));
        expect(await mesh.ask(product, { expiresAt: inDays(300) })).toMatchObject(atOnce);
      });
    }
  });

  test("is no INTERNAL data by a domain's own policy, and is by one of the mesh", async () => {
    const product = await mesh.product('INTERNAL');
    await during(await mesh.inForce(ANY, mesh.sales), async () => {
      expect(await mesh.ask(product)).toMatchObject(pending(either));
    });
    await during(await mesh.inForce(ANY.replace(' in Domain::"sales"', '')), async () => {
      expect(await mesh.ask(product)).toMatchObject(atOnce);
    });
  });

  test('is nothing that he who drafted or activated the policy asks for himself', async () => {
    const product = await mesh.product('PUBLIC');
    const policy = await drafted(STEWARD, ANY);
    await mesh.activate(OWNER, policy);
    await during(policy, async () => {
      for (const person of [STEWARD, OWNER]) {
        expect(await mesh.ask(product, asSales(), person)).toMatchObject({
          accessRequest: { status: 'PENDING', decision: { outcome: 'NEEDS_APPROVAL' } },
        });
      }
      expect(await mesh.ask(product, asSales(), memberOf('sales'))).toMatchObject(atOnce);
    });
  });

  test('is nothing that his service account asks for, nor by a policy that it drafted or activated', async () => {
    const product = await mesh.product('PUBLIC');
    const robot = await robotOf(STEWARD, 'author');
    for (const [author, activator, asker] of [
      [STEWARD, ADMIN, robot],
      [robot, ADMIN, STEWARD],
      [ADMIN, robot, STEWARD],
    ] as const) {
      const policy = await drafted(author, ANY);
      await mesh.activate(activator, policy);
      await during(policy, async () => {
        expect(await mesh.ask(product, asSales(), asker)).toMatchObject({ accessRequest: { status: 'PENDING' } });
        expect(await mesh.ask(product, asSales(), memberOf('sales'))).toMatchObject(atOnce);
      });
    }
  });
});

describe('what is judged', () => {
  test.each([
    ['PUBLIC', 'RESTRICTED', both],
    ['INTERNAL', 'RESTRICTED', both],
    ['PUBLIC', 'CONFIDENTIAL', [{ owners: 1, stewards: 0 }]],
    ['PUBLIC', 'INTERNAL', either],
    ['RESTRICTED', 'PUBLIC', both],
  ] as [Classification, Classification, object[]][])(
    'of a %s product with a %s column is the strictest that is opened',
    async (ofProduct, email, required) => {
      const product = await mesh.product(ofProduct, { email });
      const asked = { columns: ['email'], namedPurpose: 'fraud-detection', expiresAt: inDays(10) };
      expect(await mesh.ask(product, asked)).toMatchObject(pending(required));
      expect(await mesh.ask(product, { ...asked, columns: null })).toMatchObject(pending(required));
      if (email === 'RESTRICTED') {
        expect(await mesh.ask(product, { ...asked, expiresAt: null })).toMatchObject({
          __typename: 'PolicyDeniedError',
          policies: ['restricted-data/1'],
        });
      }
      const without = await mesh.ask(product, { ...asked, columns: ['id'] });
      if (ofProduct === 'PUBLIC') expect(without).toMatchObject(atOnce);
      if (ofProduct === 'INTERNAL') expect(without).toMatchObject(pending(either));
    },
  );

  test('are the columns of a row filter too: which rows there are tells what is in them', async () => {
    const product = await mesh.product('PUBLIC', { email: 'RESTRICTED' });
    const asked = { columns: ['id'], rowFilter: "email LIKE 'a%'", expiresAt: inDays(10) };
    expect(await mesh.ask(product, asked)).toMatchObject({
      __typename: 'PolicyDeniedError',
      policies: ['personal-data/1'],
      message: expect.stringContaining('.email'),
    });
    expect(await mesh.ask(product, { ...asked, namedPurpose: 'fraud-detection' })).toMatchObject(pending(both));
    expect(await mesh.ask(product, { ...asked, rowFilter: 'id > 5' })).toMatchObject(atOnce);
  });

  test('are all columns of a table that may be altered, as its location is opened with it', async () => {
    const product = await mesh.product('PUBLIC', { email: 'RESTRICTED' });
    const asked = { ...asSales(), permissions: ['ALTER' as const], columns: null, expiresAt: inDays(10) };
    expect(await mesh.ask(product, asked, memberOf('sales'))).toMatchObject({ policies: ['personal-data/1'] });
    const named = { ...asked, namedPurpose: 'loading' };
    expect(await mesh.ask(product, named, memberOf('sales'))).toMatchObject(pending(both));
  });

  test('does not change afterwards: the server may not rewrite it', async () => {
    const { id } = await mesh.asked(await mesh.product('INTERNAL'));
    expect(id).not.toBe('');
    for (const column of ['facts', 'requestId', 'createdAt']) {
      await expect(mesh.query(`UPDATE "AccessDecision" SET "${column}" = "${column}"`)).rejects.toThrow(
        /permission denied/,
      );
    }
  });
});

/** A service account of sales with the role of an owner. */
async function robotOf({ subject: createdBy }: Person, name: string): Promise<Person> {
  const subject = `service-account:sales/${name}`;
  await mesh.asOwner(`
    INSERT INTO "ServiceAccount" ("id", "domainId", "name", "subject", "createdBy")
      SELECT gen_random_uuid(), "id", '${name}', '${subject}', '${createdBy}' FROM "Domain" WHERE "name" = 'sales';
    INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
      SELECT gen_random_uuid(), "id", '${subject}', 'OWNER', '${createdBy}' FROM "Domain" WHERE "name" = 'sales'`);
  return { subject };
}

describe('service accounts', () => {
  test('approve nothing, and nobody approves what his own asked for', async () => {
    const robot = await robotOf(OWNER, 'robot');
    const restricted = await mesh.product('RESTRICTED');
    const { id } = await mesh.asked(restricted, { expiresAt: inDays(10) });
    expect(await mesh.approve(STEWARD, id)).toMatchObject({ accessRequest: { status: 'PENDING' } });
    expect(await mesh.approve(robot, id)).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('service account'),
    });
    const own = await mesh.asked(await mesh.product('INTERNAL'), asSales(), robot);
    expect(await mesh.approve(OWNER, own.id)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await mesh.approve(STEWARD, own.id)).toMatchObject({ accessRequest: { status: 'APPROVED' } });
  });

  test('have no approval written down by the database either', async () => {
    const robot = await robotOf(OWNER, 'writer');
    const asked = await mesh.asked(await mesh.product('INTERNAL'));
    const own = await mesh.asked(await mesh.product('INTERNAL'), asSales(), robot);
    const written = async (approver: string, request: string) => {
      const id = Buffer.from(request, 'base64url')
        .toString()
        .replace(/^.*[:/]/, '');
      const { db } = await mesh.contextOf({ subject: approver });
      return db.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('meshgate.subject', ${approver}, true)`;
        await tx.$executeRaw`INSERT INTO "AccessApproval" ("id", "requestId", "requestedBy", "approvedBy", "role", "factsDigest")
          SELECT gen_random_uuid(), "id", "requestedBy", ${approver}, 'OWNER', repeat('a', 64) FROM "AccessRequest" WHERE "id" = ${id}::uuid`;
      });
    };
    await expect(written(robot.subject, asked.id)).rejects.toThrow(/row-level security/);
    await expect(written(OWNER.subject, own.id)).rejects.toThrow(/row-level security/);
    await expect(written(OWNER.subject, asked.id)).resolves.toBeUndefined();
  });
});
