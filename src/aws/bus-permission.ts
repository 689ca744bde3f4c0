import { DescribeEventBusCommand, PutPermissionCommand, RemovePermissionCommand } from '@aws-sdk/client-eventbridge';
import type { SpecOf } from '../provisioning/kinds.js';
import { compared, gone, oneByOne } from './attempt.js';
import { partitionOf } from './partition.js';
import {
  differingStatements,
  type PolicyDocument,
  parsePolicy,
  withoutStatements,
  withStatements,
} from './policy-document.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'BusPermission'>;

/**
 * Accounts may put events on a bus, except under the sources that only Meshgate speaks for. Two statements of the bus's
 * policy, told by Sid; the policy is read, changed and written, as PutPermission replaces it (EventBridge API reference).
 */
export function createBusPermission(region: string): AwsProvider<'BusPermission'> {
  return oneByOne<'BusPermission'>({
    kind: 'BusPermission',
    // Two writers of one bus's policy would each undo the other.
    width: 1,
    async observe(session, { spec }) {
      const policy = await readPolicy(session, spec);
      const wanted = statementsOf(busArn(region, session.account, spec), spec);
      const found = policy.Statement.filter(({ Sid }) => sidsOf(spec).includes(Sid ?? ''));
      if (found.length === 0) return { state: 'MISSING' };
      const stale = found
        .filter(({ Sid }) => !(Sid && Sid in wanted))
        .map(({ Sid }) => `statement ${Sid} is not wanted`);
      return compared({ statements: found }, [...differingStatements(policy, wanted), ...stale]);
    },
    async apply(session, { item }) {
      const policy = withoutStatements(await readPolicy(session, item.spec), sidsOf(item.spec));
      await session.eventBridge.send(
        new PutPermissionCommand(putInput(busArn(region, session.account, item.spec), item.spec, policy)),
      );
    },
    remove: (session, { spec }) =>
      gone(async () => {
        const policy = await readPolicy(session, spec);
        // The leave goes before its limit, else forged sources would be let in between.
        for (const input of removals(spec)) {
          if (!policy.Statement.some(({ Sid }) => Sid === input.StatementId)) continue;
          await gone(() => session.eventBridge.send(new RemovePermissionCommand(input)));
        }
      }),
    calls: (account, { spec }, action) =>
      action === 'DELETE'
        ? removals(spec)
            .filter(({ StatementId: sid }) => sid in statementsOf(busArn(region, account, spec), spec))
            .map((parameters) => ({ service: 'events', operation: 'RemovePermission', parameters }))
        : [
            {
              service: 'events',
              operation: 'PutPermission',
              parameters: putInput(busArn(region, account, spec), spec, parsePolicy(undefined)),
            },
          ],
  });
}

function removals(spec: Spec): { EventBusName: string; StatementId: string }[] {
  return sidsOf(spec).map((sid) => ({ EventBusName: spec.bus, StatementId: sid }));
}

async function readPolicy(session: AwsSession, spec: Spec): Promise<PolicyDocument> {
  const { Policy: text } = await session.eventBridge.send(new DescribeEventBusCommand({ Name: spec.bus }));
  return parsePolicy(text);
}

function busArn(region: string, account: string, spec: Spec): string {
  return `arn:${partitionOf(region)}:events:${region}:${account}:event-bus/${spec.bus}`;
}

function sidsOf({ statementId }: Spec): [string, string] {
  return [statementId, `${statementId}-denied-sources`];
}

/** The Deny holds for everyone but the bus's own account: that is stricter than a list of accounts, and never grows. */
function statementsOf(bus: string, spec: Spec): Record<string, Record<string, unknown>> {
  const [allow, deny] = sidsOf(spec);
  const [, partition, , , owner] = bus.split(':');
  const put = { Action: 'events:PutEvents', Resource: bus };
  const AWS = [...spec.principalAccounts].sort().map((account) => `arn:${partition}:iam::${account}:root`);
  const Allow = { Effect: 'Allow', Principal: { AWS }, ...put };
  if (spec.deniedSources.length === 0) return { [allow]: Allow };
  const Condition = {
    StringEquals: { 'events:source': spec.deniedSources },
    StringNotEquals: { 'aws:PrincipalAccount': owner },
  };
  return { [allow]: Allow, [deny]: { Effect: 'Deny', Principal: '*', ...put, Condition } };
}

function putInput(bus: string, spec: Spec, policy: PolicyDocument): { EventBusName: string; Policy: string } {
  return { EventBusName: spec.bus, Policy: JSON.stringify(withStatements(policy, statementsOf(bus, spec))) };
}
