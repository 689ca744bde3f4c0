import {
  DeleteRuleCommand,
  DescribeRuleCommand,
  ListTargetsByRuleCommand,
  PutRuleCommand,
  type PutRuleCommandInput,
  PutTargetsCommand,
  type PutTargetsCommandInput,
  RemoveTargetsCommand,
  type Target,
} from '@aws-sdk/client-eventbridge';
import type { SpecOf } from '../provisioning/kinds.js';
import { compared, differs, firstCall, gone, oneByOne } from './attempt.js';
import { PartialFailure } from './errors.js';
import type { AwsSession } from './session.js';

type Spec = SpecOf<'EventRule'>;

/** A rule on a bus with its targets, exactly: a target that nobody asked for would carry events out of the mesh. */
export const eventRule = oneByOne<'EventRule'>({
  kind: 'EventRule',
  width: 4,
  async observe(session, { spec }) {
    const rule = await session.eventBridge.send(new DescribeRuleCommand(named(spec)));
    const targets = (await readTargets(session, spec)).map(ofTarget).sort(byId);
    const pattern = parsePattern(rule.EventPattern);
    const observed = { pattern, state: rule.State ?? null, description: rule.Description ?? null, targets };
    return compared(observed, [
      ...differs('pattern', pattern, spec.pattern),
      ...differs('state', rule.State, 'ENABLED'),
      ...differs('description', rule.Description ?? '', spec.description ?? rule.Description ?? ''),
      ...differs('targets', targets, wantedTargets(spec).map(ofTarget).sort(byId)),
    ]);
  },
  async apply(session, { item, observation }) {
    const { spec } = item;
    await firstCall(() => session.eventBridge.send(new PutRuleCommand(ruleInput(spec))));
    // Targets that must go, go first: a rule takes five.
    const held = observation.state === 'MISSING' ? [] : await readTargets(session, spec);
    const wanted = new Set(spec.targets.map(({ id }) => id));
    await removeTargets(
      session,
      spec,
      held.flatMap(({ Id: id }) => (id && !wanted.has(id) ? [id] : [])),
    );
    if (spec.targets.length === 0) return;
    const answer = await session.eventBridge.send(new PutTargetsCommand(targetsInput(spec)));
    refuseFailures(answer.FailedEntries, answer.$metadata.requestId);
  },
  remove: (session, { spec }) =>
    gone(async () => {
      const held = await readTargets(session, spec);
      await removeTargets(
        session,
        spec,
        held.flatMap(({ Id: id }) => id ?? []),
      );
      await session.eventBridge.send(new DeleteRuleCommand(named(spec)));
    }),
  calls: (_account, { spec, before }, action) => {
    if (action === 'DELETE') {
      const ids = spec.targets.map(({ id }) => id);
      return [
        ...(ids.length > 0 ? [{ service: 'events', operation: 'RemoveTargets', parameters: removal(spec, ids) }] : []),
        { service: 'events', operation: 'DeleteRule', parameters: named(spec) },
      ];
    }
    const kept = new Set(spec.targets.map(({ id }) => id));
    const dropped = (before?.targets ?? []).flatMap(({ id }) => (kept.has(id) ? [] : [id]));
    return [
      { service: 'events', operation: 'PutRule', parameters: { ...ruleInput(spec) } },
      ...(dropped.length > 0
        ? [{ service: 'events', operation: 'RemoveTargets', parameters: removal(spec, dropped) }]
        : []),
      ...(spec.targets.length > 0
        ? [{ service: 'events', operation: 'PutTargets', parameters: { ...targetsInput(spec) } }]
        : []),
    ];
  },
});

function named(spec: Spec): { Name: string; EventBusName: string } {
  return { Name: spec.name, EventBusName: spec.bus };
}

function ruleInput(spec: Spec): PutRuleCommandInput {
  return {
    ...named(spec),
    EventPattern: JSON.stringify(spec.pattern),
    State: 'ENABLED',
    ...(spec.description ? { Description: spec.description } : {}),
  };
}

function wantedTargets(spec: Spec): Target[] {
  return spec.targets.map(({ id, arn, roleArn, deadLetterArn }) => ({
    Id: id,
    Arn: arn,
    ...(roleArn ? { RoleArn: roleArn } : {}),
    ...(deadLetterArn ? { DeadLetterConfig: { Arn: deadLetterArn } } : {}),
  }));
}

function targetsInput(spec: Spec): PutTargetsCommandInput {
  return { Rule: spec.name, EventBusName: spec.bus, Targets: wantedTargets(spec) };
}

function removal(spec: Spec, ids: string[]): { Rule: string; EventBusName: string; Ids: string[] } {
  return { Rule: spec.name, EventBusName: spec.bus, Ids: ids };
}

/** Everything of a target that changes what it receives or what becomes of the rest; an input transformation is not what was asked for. */
function ofTarget({ Id, Arn, RoleArn, Input, InputPath, InputTransformer, DeadLetterConfig }: Target) {
  const input = Input ?? InputPath ?? InputTransformer;
  return { id: Id ?? '', arn: Arn, roleArn: RoleArn, input, deadLetterArn: DeadLetterConfig?.Arn };
}

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}

function parsePattern(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return text;
  }
}

async function readTargets(session: AwsSession, spec: Spec): Promise<Target[]> {
  const all: Target[] = [];
  let token: string | undefined;
  do {
    const page = await session.eventBridge.send(
      new ListTargetsByRuleCommand({ Rule: spec.name, EventBusName: spec.bus, ...(token ? { NextToken: token } : {}) }),
    );
    all.push(...(page.Targets ?? []));
    token = page.NextToken;
  } while (token);
  return all;
}

async function removeTargets(session: AwsSession, spec: Spec, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  const answer = await session.eventBridge.send(new RemoveTargetsCommand(removal(spec, ids)));
  refuseFailures(answer.FailedEntries, answer.$metadata.requestId);
}

type FailedEntries = { ErrorCode?: string | undefined; ErrorMessage?: string | undefined }[] | undefined;

function refuseFailures(entries: FailedEntries, requestId: string | undefined): void {
  const [failure] = entries ?? [];
  if (failure) throw new PartialFailure({ code: failure.ErrorCode, message: failure.ErrorMessage, requestId });
}
