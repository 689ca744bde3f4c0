import { type Bus, busOf, mayUseBus, pageOf } from './events-buses.js';
import { compileEventPattern, PatternError } from './events-pattern.js';
import { AwsError, type Call, type Service, type World } from './service.js';

/** A target of a rule: an event bus or an SQS queue. */
export interface Target {
  Id: string;
  Arn: string;
  RoleArn?: string;
  Input?: string;
  InputPath?: string;
  DeadLetterConfig?: { Arn?: string };
}

/** A rule as stored, keyed by its ARN, with its targets. */
export interface Rule {
  name: string;
  arn: string;
  account: string;
  busName: string;
  busArn: string;
  pattern?: string;
  schedule?: string;
  state: string;
  description?: string;
  roleArn?: string;
  createdBy: string;
  targets: Target[];
}

const RULES = 'events/rules';
const MAX_TARGETS = 5;
const MAX_TARGETS_IN_CALL = 100;
const MAX_RULES = 300;
const RULE_LENGTHS = { EventPattern: 4096, Description: 512, RoleArn: 1600, ScheduleExpression: 256 };
const RULE_STATES = ['ENABLED', 'DISABLED', 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS'];

/** PutRule, PutTargets and the like (EventBridge API reference; quotas: 300 rules a bus, 5 targets a rule). */
export const rules: Service = {
  PutRule: putRule,
  DescribeRule: (call, world) => describe(ruleOf(call, world, call.parameters.Name)),
  ListRules: listRules,
  DeleteRule: deleteRule,
  EnableRule: (call, world) => setState(call, world, 'ENABLED'),
  DisableRule: (call, world) => setState(call, world, 'DISABLED'),
  PutTargets: putTargets,
  RemoveTargets: removeTargets,
  ListTargetsByRule: listTargets,
  ListRuleNamesByTarget: listRuleNamesByTarget,
  TestEventPattern: testEventPattern,
};

/** The rules of a bus that can fire. */
export function enabledRules(world: World, busArn: string): Rule[] {
  return [...world.table<Rule>(RULES).values()].filter((rule) => rule.busArn === busArn && rule.state !== 'DISABLED');
}

/** A bus of another account may be named by ARN where its policy allows the action. */
function actableBus(call: Call, world: World): Bus {
  const bus = busOf(call, world, call.parameters.EventBusName);
  const action = `events:${call.operation}`;
  if (!mayUseBus(bus, { principal: call.principal, account: call.account, action })) {
    throw new AwsError(
      'AccessDeniedException',
      `User: ${call.principal} is not authorized to perform: ${action} on resource: ${bus.arn}`,
    );
  }
  return bus;
}

function ruleArn(bus: Bus, name: string): string {
  const path = bus.name === 'default' ? name : `${bus.name}/${name}`;
  return `arn:aws:events:${bus.region}:${bus.account}:rule/${path}`;
}

function ruleOf(call: Call, world: World, name: unknown): Rule {
  const bus = actableBus(call, world);
  const rule = world.table<Rule>(RULES).get(ruleArn(bus, String(name)));
  if (rule) return rule;
  throw new AwsError('ResourceNotFoundException', `Rule ${String(name)} does not exist on EventBus ${bus.name}.`);
}

function putRule(call: Call, world: World): unknown {
  const { Name: name, EventPattern: pattern, ScheduleExpression: schedule, State: state = 'ENABLED' } = call.parameters;
  if (typeof name !== 'string' || !/^[.\-_A-Za-z0-9]{1,64}$/.test(name)) {
    throw new AwsError('ValidationException', `Value '${String(name)}' at 'name' failed to satisfy constraint`);
  }
  const bus = actableBus(call, world);
  if (pattern === undefined && schedule === undefined) {
    throw new AwsError('ValidationException', 'Parameter(s) EventPattern or ScheduleExpression must be specified.');
  }
  if (schedule !== undefined && bus.name !== 'default') {
    throw new AwsError('ValidationException', 'ScheduleExpression is supported only on the default event bus.');
  }
  assertRule(call.parameters);
  if (pattern !== undefined) patternOf(pattern);
  const table = world.table<Rule>(RULES);
  const arn = ruleArn(bus, name);
  const existing = table.get(arn);
  if (!existing && [...table.values()].filter(({ busArn }) => busArn === bus.arn).length >= MAX_RULES) {
    throw new AwsError('LimitExceededException', 'The requested resource exceeds the maximum number allowed.');
  }
  const { Description: description, RoleArn: roleArn } = call.parameters;
  table.put(arn, {
    name,
    arn,
    account: bus.account,
    busName: bus.name,
    busArn: bus.arn,
    ...(pattern !== undefined && { pattern }),
    ...(schedule !== undefined && { schedule }),
    state,
    ...(description !== undefined && { description }),
    ...(roleArn !== undefined && { roleArn }),
    createdBy: existing?.createdBy ?? call.account,
    targets: existing?.targets ?? [],
  });
  return { RuleArn: arn };
}

/** Lengths and values as the API page of PutRule has them. */
function assertRule(parameters: Call['parameters']): void {
  for (const [member, most] of Object.entries(RULE_LENGTHS)) {
    const value: unknown = parameters[member];
    if (value !== undefined && (typeof value !== 'string' || value.length > most)) {
      throw new AwsError(
        'ValidationException',
        `1 validation error detected: Value at '${member.charAt(0).toLowerCase()}${member.slice(1)}' failed to satisfy constraint: Member must have length less than or equal to ${most}`,
      );
    }
  }
  const { State: state, ScheduleExpression: schedule } = parameters;
  if (state !== undefined && !RULE_STATES.includes(state)) {
    throw new AwsError('ValidationException', `Value '${state}' at 'state' failed to satisfy constraint`);
  }
  if (schedule !== undefined && !/^(rate|cron)\(.+\)$/.test(schedule)) {
    throw new AwsError('ValidationException', 'Parameter ScheduleExpression is not valid.');
  }
}

function patternOf(pattern: unknown): ReturnType<typeof compileEventPattern> {
  try {
    return compileEventPattern(String(pattern));
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new AwsError('InvalidEventPatternException', `Event pattern is not valid. Reason: ${error.message}`);
  }
}

function describe(rule: Rule): Record<string, unknown> {
  return {
    Name: rule.name,
    Arn: rule.arn,
    EventPattern: rule.pattern,
    ScheduleExpression: rule.schedule,
    State: rule.state,
    Description: rule.description,
    RoleArn: rule.roleArn,
    EventBusName: rule.busName,
    CreatedBy: rule.createdBy,
  };
}

function listRules(call: Call, world: World): unknown {
  const { NamePrefix: prefix = '', Limit: limit = 100, NextToken: token } = call.parameters;
  const bus = actableBus(call, world);
  const found = [...world.table<Rule>(RULES).values()]
    .filter((rule) => rule.busArn === bus.arn && rule.name.startsWith(prefix))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const page = pageOf(found, { limit, token });
  return { Rules: page.items.map((rule) => ({ ...describe(rule), CreatedBy: undefined })), NextToken: page.next };
}

/** Deleting what is not there succeeds; a rule with targets is refused. */
function deleteRule(call: Call, world: World): unknown {
  const arn = ruleArn(actableBus(call, world), String(call.parameters.Name));
  const table = world.table<Rule>(RULES);
  if ((table.get(arn)?.targets.length ?? 0) > 0) {
    throw new AwsError('ValidationException', "Rule can't be deleted since it has targets.");
  }
  table.delete(arn);
  return {};
}

function setState(call: Call, world: World, state: string): unknown {
  const rule = ruleOf(call, world, call.parameters.Name);
  world.table<Rule>(RULES).put(rule.arn, { ...rule, state });
  return {};
}

function putTargets(call: Call, world: World): unknown {
  const rule = ruleOf(call, world, call.parameters.Rule);
  const given = (call.parameters.Targets ?? []) as Target[];
  if (given.length === 0 || given.length > MAX_TARGETS_IN_CALL) {
    throw new AwsError('ValidationException', `Targets must have 1 to ${MAX_TARGETS_IN_CALL} members`);
  }
  for (const target of given) assertTarget(target, rule);
  const ids = new Set(given.map(({ Id }) => Id));
  const targets = [...rule.targets.filter(({ Id }) => !ids.has(Id)), ...given];
  if (targets.length > MAX_TARGETS) {
    throw new AwsError('LimitExceededException', 'The requested resource exceeds the maximum number allowed.');
  }
  world.table<Rule>(RULES).put(rule.arn, { ...rule, targets });
  return { FailedEntryCount: 0, FailedEntries: [] };
}

/**
 * A bus, and a queue of another account, needs a role that EventBridge assumes, and that role lives in the rule's account (EventBridge user
 * guide, "Sending and receiving events between AWS accounts", "between event buses", "to an AWS service in another account").
 */
function assertTarget(target: Target, rule: Rule): void {
  const invalid = (reason: string): AwsError => new AwsError('ValidationException', reason);
  if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(String(target.Id)))
    throw invalid(`Value '${target.Id}' at 'targets' is not valid`);
  const service = /^arn:aws:(events|sqs):[^:]+:\d{12}:.+$/.exec(String(target.Arn))?.[1];
  if (!service)
    throw invalid(
      `Parameter ${String(target.Arn)} is not valid. Reason: the sandbox delivers to event buses and SQS queues.`,
    );
  const deadLetters = target.DeadLetterConfig?.Arn;
  if (deadLetters !== undefined && !isStandardQueue(deadLetters, rule))
    throw invalid(
      `Parameter ${deadLetters} is not valid. Reason: a dead-letter queue is a standard queue of the rule's region.`,
    );
  if ('InputTransformer' in target) throw invalid('The sandbox does not transform input; use Input or InputPath.');
  if (service === 'sqs' && target.Arn.split(':')[4] === rule.account) return;
  if (!target.RoleArn) throw invalid(`RoleArn is required for target ${target.Arn}.`);
  if (/^arn:aws:iam::(\d{12}):role\/.+$/.exec(target.RoleArn)?.[1] !== rule.account) {
    throw invalid(`Provided role '${target.RoleArn}' cannot be assumed by principal 'events.amazonaws.com'.`);
  }
}

/** User guide, "Using dead-letter queues to process undelivered events": standard queues alone, in the region of the rule. */
function isStandardQueue(arn: string, rule: Rule): boolean {
  const region = /^arn:aws:sqs:([^:]+):\d{12}:[\w-]{1,80}$/.exec(arn)?.[1];
  return region === rule.arn.split(':')[3];
}

function removeTargets(call: Call, world: World): unknown {
  const rule = ruleOf(call, world, call.parameters.Rule);
  const gone = new Set((call.parameters.Ids ?? []) as string[]);
  world.table<Rule>(RULES).put(rule.arn, { ...rule, targets: rule.targets.filter(({ Id }) => !gone.has(Id)) });
  return { FailedEntryCount: 0, FailedEntries: [] };
}

function listTargets(call: Call, world: World): unknown {
  const { Limit: limit = 100, NextToken: token } = call.parameters;
  const page = pageOf(ruleOf(call, world, call.parameters.Rule).targets, { limit, token });
  return { Targets: page.items, NextToken: page.next };
}

function listRuleNamesByTarget(call: Call, world: World): unknown {
  const { TargetArn: arn, Limit: limit = 100, NextToken: token } = call.parameters;
  const bus = actableBus(call, world);
  const found = [...world.table<Rule>(RULES).values()]
    .filter((rule) => rule.busArn === bus.arn && rule.targets.some((target) => target.Arn === arn))
    .map(({ name }) => name)
    .sort();
  const page = pageOf(found, { limit, token });
  return { RuleNames: page.items, NextToken: page.next };
}

/** The event must carry all envelope fields (TestEventPattern, API reference). */
function testEventPattern(call: Call): unknown {
  const matches = patternOf(call.parameters.EventPattern);
  let event: unknown;
  try {
    event = JSON.parse(String(call.parameters.Event));
  } catch {
    throw new AwsError('ValidationException', 'Parameter Event is not valid.');
  }
  const required = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'];
  const missing =
    typeof event === 'object' && event !== null ? required.filter((name) => !(name in (event as object))) : required;
  if (missing.length > 0)
    throw new AwsError('ValidationException', `Parameter Event is not valid. Missing: ${missing.join(', ')}`);
  return { Result: matches(event as object) };
}
