/** The resource policy of the Data Catalog. */
import { createHash } from 'node:crypto';
import { entityNotFound, invalidInput, requireMembers } from './lf-input.js';
import { shareTable } from './ram-shares.js';
import { AwsError, type Call, type World } from './service.js';

interface PolicyRecord {
  PolicyInJson: string;
  PolicyHash: string;
  CreateTime: string;
  UpdateTime: string;
}

function policies(world: World) {
  return world.table<PolicyRecord>('glue/policies');
}

/** GetResourcePolicy. */
export function getResourcePolicy(call: Call, world: World): unknown {
  const found = policies(world).get(call.account);
  if (!found) throw entityNotFound('Policy not found');
  return { ...found, CreateTime: new Date(found.CreateTime), UpdateTime: new Date(found.UpdateTime) };
}

function requireHash(call: Call, found: PolicyRecord | undefined): void {
  const condition: string | undefined = call.parameters.PolicyHashCondition;
  if (condition !== undefined && condition !== found?.PolicyHash) {
    throw new AwsError('ConditionCheckFailureException', 'The policy hash does not match the current policy.');
  }
}

/** PutResourcePolicy replaces the policy. AWS page: Glue API, PutResourcePolicy. */
export function putResourcePolicy(call: Call, world: World): unknown {
  const input = call.parameters;
  requireMembers(input, ['PolicyInJson']);
  const PolicyInJson: string = input.PolicyInJson;
  requirePolicyDocument(PolicyInJson);
  const found = policies(world).get(call.account);
  if (input.PolicyExistsCondition === 'MUST_EXIST' && !found) throw entityNotFound('Policy not found');
  if (input.PolicyExistsCondition === 'NOT_EXIST' && found) {
    throw new AwsError('ConditionCheckFailureException', 'A policy exists already.');
  }
  requireHash(call, found);
  // Beside grants made through RAM the policy has to say that both are in use. AWS page: hybrid-cross-account.
  const shares = [...shareTable(world).shared()].some(
    (share) => share.owner === call.account && share.status === 'ACTIVE',
  );
  if (shares && input.EnableHybrid !== 'TRUE') {
    throw invalidInput(
      'Cross-account grants through AWS RAM exist: set EnableHybrid to TRUE to use a resource policy beside them.',
    );
  }
  const now = world.now().toISOString();
  const PolicyHash = createHash('sha256').update(PolicyInJson).digest('base64');
  policies(world).put(call.account, {
    PolicyInJson,
    PolicyHash,
    CreateTime: found?.CreateTime ?? now,
    UpdateTime: now,
  });
  return { PolicyHash };
}

function requirePolicyDocument(text: string): void {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw invalidInput('The policy is not valid JSON.');
  }
  if (typeof policy !== 'object' || policy === null || !('Statement' in policy))
    throw invalidInput('The policy has no Statement.');
}

/** DeleteResourcePolicy. */
export function deleteResourcePolicy(call: Call, world: World): unknown {
  const found = policies(world).get(call.account);
  if (!found) throw entityNotFound('Policy not found');
  requireHash(call, found);
  policies(world).delete(call.account);
  return {};
}
