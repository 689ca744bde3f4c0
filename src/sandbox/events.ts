import { logCall } from './call-log.js';
import { type Bus, busArnOf, buses, findBus, mayUseBus, refusalOf } from './events-buses.js';
import { compileEventPattern, type EventMatcher } from './events-pattern.js';
import { enabledRules, type Rule, rules, type Target } from './events-rules.js';
import type { LineLog } from './line-log.js';
import { AwsError, type Call, type Service, type World } from './service.js';

/** The event envelope (EventBridge user guide, "Events in Amazon EventBridge"); the service sets everything but source to detail. */
interface EventEnvelope {
  version: '0';
  id: string;
  'detail-type': string;
  source: string;
  account: string;
  time: string;
  region: string;
  resources: string[];
  detail: unknown;
}

/**
 * One line of the delivery log. `arrival`: the event stood at the bus (rule: the rule that brought it, null for PutEvents).
 * `bus` and `sqs`: what became of one matched target of a rule on that bus.
 */
interface Delivery {
  at: string;
  kind: 'arrival' | 'bus' | 'sqs';
  account: string;
  bus: string;
  rule: string | null;
  target: string | null;
  status: 'DELIVERED' | 'FAILED';
  error: string | null;
  event: EventEnvelope;
}

interface Arrival {
  bus: Bus;
  event: EventEnvelope;
  /** The rule of another bus that forwarded it; undefined where PutEvents brought it. */
  via: Rule | undefined;
}

/** Entries of one PutEvents call together: 1 MB (AWS compute blog, "serverless services now support payloads up to 1 MB"). */
const MAX_REQUEST_BYTES = 1_048_576;
const MAX_ENTRIES = 10;
const MAX_CACHED_PATTERNS = 1000;
/** How EventBridge calls an event that has come from an account or bus already and would go to a third. */
const HOP = 'THIRD_ACCOUNT_HOP_DETECTED';

/** Amazon EventBridge; every arrival and delivery is written to `deliveries`, and what its rules call to `calls` too. */
export function eventBridge(deliveries: LineLog, calls: LineLog): Service {
  const router = new Router(deliveries, calls);
  return { ...buses, ...rules, PutEvents: (call, world) => putEvents(router, call, world) };
}

async function putEvents(router: Router, call: Call, world: World): Promise<unknown> {
  const entries = (call.parameters.Entries ?? []) as Record<string, unknown>[];
  if (entries.length < 1 || entries.length > MAX_ENTRIES) {
    throw new AwsError('ValidationException', "Value at 'entries' failed to satisfy constraint: 1 to 10 members");
  }
  if (entries.reduce((sum, entry) => sum + entrySize(entry), 0) > MAX_REQUEST_BYTES) {
    throw new AwsError('ValidationException', 'Total size of the entries in the request is over the limit.');
  }
  const results = [];
  for (const entry of entries) results.push(await putEntry(router, { call, entry }, world));
  return { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results };
}

/** As the user guide counts, "Calculating PutEvents event entry size". */
function entrySize(entry: Record<string, unknown>): number {
  const texts = [entry.Source, entry.DetailType, entry.Detail, ...((entry.Resources ?? []) as unknown[])];
  return texts.reduce<number>(
    (sum, text) => sum + Buffer.byteLength(String(text ?? '')),
    entry.Time === undefined ? 0 : 14,
  );
}

function failure(code: string, message: string): { ErrorCode: string; ErrorMessage: string } {
  return { ErrorCode: code, ErrorMessage: message };
}

async function putEntry(
  router: Router,
  { call, entry }: { call: Call; entry: Record<string, unknown> },
  world: World,
): Promise<{ EventId: string } | { ErrorCode: string; ErrorMessage: string }> {
  // A service of AWS tells by its own source, and on the default bus of the account alone.
  const problem = problemOf(entry, call.principal.endsWith('.amazonaws.com'));
  if (problem) return problem;
  const event = envelopeOf(call, entry, world);
  const bus = findBus(world, busArnOf(call, entry.EventBusName));
  // AWS answers success for a bus that does not exist, and drops the event (aws-cli issue 9186).
  if (!bus) return { EventId: event.id };
  const refusal = refusalOf(bus, { ...call, action: 'events:PutEvents', context: contextOf(event) });
  if (refusal) {
    const what = { source: ` with source ${event.source}`, 'detail-type': ` with detail type ${event['detail-type']}` };
    return failure(
      REFUSALS[refusal],
      `User: ${call.principal} is not authorized to perform: events:PutEvents on resource: ${bus.arn}${refusal === 'access' ? '' : what[refusal]}`,
    );
  }
  await router.arrive({ bus, event, via: undefined }, world);
  return { EventId: event.id };
}

/** Error codes of PutEventsResultEntry (API reference). */
const REFUSALS = {
  access: 'AccessDeniedException',
  source: 'NotAuthorizedForSourceException',
  'detail-type': 'NotAuthorizedForDetailTypeException',
};

/** What is wrong with an entry itself. */
function problemOf(
  entry: Record<string, unknown>,
  byService: boolean,
): { ErrorCode: string; ErrorMessage: string } | undefined {
  for (const name of ['Source', 'DetailType', 'Detail']) {
    if (typeof entry[name] === 'string' && entry[name] !== '') continue;
    return failure('InvalidArgument', `Parameter ${name} is not valid. Reason: ${name} is a required argument.`);
  }
  if (String(entry.Source).startsWith('aws.') && !byService)
    return failure('NotAuthorizedForSourceException', 'Not authorized for the source.');
  try {
    const detail: unknown = JSON.parse(String(entry.Detail));
    if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return undefined;
  } catch {
    // answered below
  }
  return failure('MalformedDetail', 'Detail is malformed.');
}

function envelopeOf(call: Call, entry: Record<string, unknown>, world: World): EventEnvelope {
  const time =
    typeof entry.Time === 'number'
      ? new Date(entry.Time * 1000)
      : new Date(String(entry.Time ?? world.now().toISOString()));
  return {
    version: '0',
    id: world.id(),
    'detail-type': String(entry.DetailType),
    source: String(entry.Source),
    account: call.account,
    time: time.toISOString().replace(/\.\d{3}Z$/, 'Z'),
    region: call.region,
    resources: (entry.Resources ?? []) as string[],
    detail: JSON.parse(String(entry.Detail)),
  };
}

function contextOf(event: EventEnvelope): Record<string, string> {
  return { 'events:source': event.source, 'events:detail-type': event['detail-type'] };
}

/** Takes an event from its arrival at a bus through the bus's rules to their targets. */
class Router {
  private readonly matchers = new Map<string, EventMatcher>();

  constructor(
    private readonly deliveries: LineLog,
    private readonly calls: LineLog,
  ) {}

  async arrive(arrival: Arrival, world: World): Promise<void> {
    const { bus, event, via } = arrival;
    const place = { account: bus.account, bus: bus.name };
    this.record(world, { kind: 'arrival', ...place, rule: via?.arn ?? null, target: null, error: undefined, event });
    for (const rule of enabledRules(world, bus.arn)) {
      if (rule.pattern === undefined || !this.matcherOf(rule.pattern)(event)) continue;
      for (const target of rule.targets) {
        const kind = target.Arn.startsWith('arn:aws:sqs:') ? 'sqs' : 'bus';
        const error = await reasonOfFailure(() =>
          (kind === 'sqs' ? send : this.forward.bind(this))({ arrival, rule, target }, world),
        );
        this.record(world, { kind, ...place, rule: rule.name, target: target.Arn, error, event });
        this.recordCall(world, { arrival, rule, target }, error);
        if (error !== undefined) await keepInDeadLetterQueue({ arrival, rule, target }, error, world);
      }
    }
  }

  private async forward({ arrival, rule, target }: Hop, world: World): Promise<void> {
    const { bus, event, via } = arrival;
    const receiver = findBus(world, target.Arn);
    if (!receiver) throw new AwsError('NO_RESOURCE', `Event bus ${target.Arn} does not exist.`);
    // "Sending events between event buses": what came from a sender bus is not routed to a third event bus.
    if (via) throw new AwsError(HOP, 'Events received from another event bus are not sent on to a third one.');
    // "Sending and receiving events between AWS accounts": what came from a sender account is not sent to a third account.
    if (event.account !== bus.account && receiver.account !== bus.account && receiver.account !== event.account) {
      throw new AwsError(HOP, 'Events received from another account are not sent on to a third account.');
    }
    const context = { ...contextOf(event), 'aws:sourcearn': rule.arn, 'events:eventbusinvocation': 'true' };
    const sender = { principal: target.RoleArn ?? '', account: rule.account, action: 'events:PutEvents', context };
    if (!mayUseBus(receiver, sender)) {
      throw new AwsError(
        'NO_PERMISSIONS',
        `The policy of ${receiver.arn} does not allow ${sender.principal} to put events.`,
      );
    }
    await this.arrive({ bus: receiver, event, via: rule }, world);
  }

  private matcherOf(pattern: string): EventMatcher {
    const known = this.matchers.get(pattern);
    if (known) return known;
    if (this.matchers.size >= MAX_CACHED_PATTERNS) this.matchers.clear();
    const matcher = compileEventPattern(pattern);
    this.matchers.set(pattern, matcher);
    return matcher;
  }

  private record(world: World, entry: Omit<Delivery, 'at' | 'status' | 'error'> & { error: string | undefined }): void {
    const { error, event, ...rest } = entry;
    const delivery: Delivery = {
      at: world.now().toISOString(),
      ...rest,
      status: error === undefined ? 'DELIVERED' : 'FAILED',
      error: error ?? null,
      event,
    };
    this.deliveries.append(delivery);
  }

  /** A rule's call on its target, as the role that the target names. */
  private recordCall(world: World, { arrival: { bus, event }, rule, target }: Hop, error: string | undefined): void {
    logCall(this.calls, {
      at: world.now().toISOString(),
      account: rule.account,
      principal: target.RoleArn ?? 'events.amazonaws.com',
      session: null,
      service: 'events',
      operation: 'InvokeTarget',
      parameters: { EventBusName: bus.arn, Rule: rule.name, TargetId: target.Id, TargetArn: target.Arn, Event: event },
      status: error === undefined ? 200 : 400,
      error: error ?? null,
    });
  }
}

interface Hop {
  arrival: Arrival;
  rule: Rule;
  target: Target;
}

async function reasonOfFailure(deliver: () => Promise<void>): Promise<string | undefined> {
  try {
    await deliver();
    return undefined;
  } catch (error) {
    if (error instanceof AwsError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/**
 * To a queue of its own account EventBridge goes as the service principal with aws:SourceArn ("Amazon SQS permissions"), to one of another
 * account as the target's role ("Sending events to an AWS service in another account").
 */
async function send({ arrival, rule, target }: Hop, world: World): Promise<void> {
  const as = accountOfQueue(target.Arn) === rule.account ? undefined : target.RoleArn;
  await sendMessage(
    { rule, queueArn: target.Arn, parameters: { MessageBody: inputOf(target, arrival.event) }, as },
    world,
  );
}

const accountOfQueue = (arn: string): string | undefined => arn.split(':')[4];

function inputOf(target: Target, event: EventEnvelope): string {
  if (target.Input !== undefined) return target.Input;
  if (target.InputPath === undefined || target.InputPath === '$') return JSON.stringify(event);
  const path = target.InputPath.replace(/^\$\.?/, '').split('.');
  const part = path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], event);
  return JSON.stringify(part ?? null);
}

async function sendMessage(
  {
    rule,
    queueArn,
    parameters,
    as,
  }: { rule: Rule; queueArn: string; parameters: Call['parameters']; as?: string | undefined },
  world: World,
): Promise<void> {
  const [, region = '', account = '', name = ''] = /^arn:aws:sqs:([^:]+):(\d{12}):(.+)$/.exec(queueArn) ?? [];
  await world.invoke({
    account: rule.account,
    region,
    principal: as ?? 'events.amazonaws.com',
    session: undefined,
    service: 'sqs',
    operation: 'SendMessage',
    parameters: { ...parameters, QueueUrl: `/${account}/${name}` },
    ...(as === undefined ? { sourceArn: rule.arn } : {}),
  });
}

/** How EventBridge calls what SQS refused (user guide, "Using dead-letter queues to process undelivered events"). */
const DEAD_LETTER_CODES: Record<string, string> = { AccessDenied: 'NO_PERMISSIONS', QueueDoesNotExist: 'NO_RESOURCE' };

/** Denied and missing targets are not retried: the event goes to the target's dead-letter queue with the reason, if it has one. */
async function keepInDeadLetterQueue({ arrival, rule, target }: Hop, reason: string, world: World): Promise<void> {
  const queueArn = target.DeadLetterConfig?.Arn;
  if (!queueArn) return;
  const text = (value: string): object => ({ DataType: 'String', StringValue: value });
  const [, code = '', message = ''] = /^(\w+): (.*)$/s.exec(reason) ?? [];
  // EXHAUSTED_RETRY_CONDITION is there only where retries came to their end.
  const MessageAttributes = {
    ERROR_CODE: text(DEAD_LETTER_CODES[code] ?? code),
    ERROR_MESSAGE: text(message),
    RETRY_ATTEMPTS: text('0'),
    RULE_ARN: text(rule.arn),
    TARGET_ARN: text(target.Arn),
  };
  const parameters = { MessageBody: JSON.stringify(arrival.event), MessageAttributes };
  await reasonOfFailure(() => sendMessage({ rule, queueArn, parameters }, world));
}
