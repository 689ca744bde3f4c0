import {
  DeleteResourcePolicyCommand,
  GetResourcePolicyCommand,
  PutResourcePolicyCommand,
  type PutResourcePolicyCommandInput,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import { compared, gone, oneByOne } from './attempt.js';
import { isNotFound } from './errors.js';
import {
  differingStatements,
  type PolicyDocument,
  parsePolicy,
  withoutStatements,
  withStatements,
} from './policy-document.js';
import type { AwsSession } from './session.js';

/**
 * Our statements in the resource policy of the account's Data Catalog, found by Sid; others' statements stay. EnableHybrid is
 * TRUE, as RAM keeps a policy of its own there (Lake Formation developer guide, hybrid-cross-account).
 */
export const catalogPolicy = oneByOne<'CatalogPolicy'>({
  kind: 'CatalogPolicy',
  width: 1,
  async observe(session, { spec }) {
    const { policy } = await read(session);
    const sids = Object.keys(spec.statements);
    const found = Object.fromEntries(
      policy.Statement.filter(({ Sid }) => sids.includes(Sid ?? '')).map((each) => [each.Sid, each]),
    );
    if (sids.length > 0 && Object.keys(found).length === 0) return { state: 'MISSING' };
    return compared({ statements: found }, differingStatements(policy, spec.statements));
  },
  async apply(session, { item }) {
    const { policy, hash } = await read(session);
    await session.glue.send(new PutResourcePolicyCommand(putInput(policy, item.spec, hash)));
  },
  async remove(session, { spec }) {
    const { policy, hash } = await read(session);
    const rest = withoutStatements(policy, Object.keys(spec.statements));
    if (rest.Statement.length === policy.Statement.length) return;
    const condition = hash ? { PolicyHashCondition: hash } : {};
    if (rest.Statement.length === 0) await gone(() => session.glue.send(new DeleteResourcePolicyCommand(condition)));
    else await session.glue.send(new PutResourcePolicyCommand(putInput(rest, { statements: {} }, hash)));
  },
  calls: (_account, { spec }, action) =>
    action === 'DELETE'
      ? [{ service: 'glue', operation: 'DeleteResourcePolicy', parameters: {} }]
      : [
          {
            service: 'glue',
            operation: 'PutResourcePolicy',
            parameters: { ...putInput(parsePolicy(undefined), spec, undefined) },
          },
        ],
});

async function read(session: AwsSession): Promise<{ policy: PolicyDocument; hash: string | undefined }> {
  try {
    const answer = await session.glue.send(new GetResourcePolicyCommand({}));
    return { policy: parsePolicy(answer.PolicyInJson), hash: answer.PolicyHash };
  } catch (error) {
    if (isNotFound(error)) return { policy: parsePolicy(undefined), hash: undefined };
    throw error;
  }
}

/** The hash makes the write fail where another writer came between. */
function putInput(
  policy: PolicyDocument,
  spec: SpecOf<'CatalogPolicy'>,
  hash: string | undefined,
): PutResourcePolicyCommandInput {
  return {
    PolicyInJson: JSON.stringify(withStatements(policy, spec.statements)),
    EnableHybrid: 'TRUE',
    ...(hash ? { PolicyHashCondition: hash } : {}),
  };
}
