import { isAllowed, parseResourcePolicy, type ResourcePolicy, type Statement } from './resource-policy.js';
import { AwsError, type Call, type Service, type World } from './service.js';

/** An event bus as stored, keyed by its ARN; the default bus of an account exists without a row. */
export interface Bus {
  name: string;
  arn: string;
  account: string;
  region: string;
  description?: string;
  policy?: ResourcePolicy;
  createdAt: string;
  modifiedAt: string;
}

const BUSES = 'events/buses';
const NAME = /^[/.\-_A-Za-z0-9]{1,256}$/;
const MAX_POLICY_BYTES = 10_240;
/** Every known account belongs to one organization. */
const ORGANIZATION = 'o-sandbox000';

/** CreateEventBus, DescribeEventBus and the like (EventBridge API reference). */
export const buses: Service = {
  CreateEventBus: createEventBus,
  DescribeEventBus: (call, world) => describe(busOf(call, world, call.parameters.Name)),
  ListEventBuses: listEventBuses,
  DeleteEventBus: deleteEventBus,
  PutPermission: putPermission,
  RemovePermission: removePermission,
};

/** Resolves a bus name or ARN as the caller means it; throws ResourceNotFoundException where there is none. */
export function busOf(call: Call, world: World, nameOrArn: unknown): Bus {
  const arn = busArnOf(call, nameOrArn);
  const bus = findBus(world, arn);
  if (bus) return bus;
  throw new AwsError('ResourceNotFoundException', `Event bus ${arn.split(':event-bus/')[1]} does not exist.`);
}

/** The bus with this ARN, or undefined; the default bus of a known account is always there. */
export function findBus(world: World, arn: string): Bus | undefined {
  const stored = world.table<Bus>(BUSES).get(arn);
  if (stored) return stored;
  const [, region = '', account = '', name = ''] = /^arn:aws:events:([^:]+):(\d{12}):event-bus\/(.+)$/.exec(arn) ?? [];
  if (name !== 'default' || !world.knowsAccount(account)) return undefined;
  const epoch = new Date(0).toISOString();
  return { name, arn, account, region, createdAt: epoch, modifiedAt: epoch };
}

/** The ARN that a bus name stands for in the caller's account and region; an ARN stands for itself. */
export function busArnOf({ region, account }: Pick<Call, 'region' | 'account'>, nameOrArn: unknown): string {
  const name = nameOrArn === undefined || nameOrArn === '' ? 'default' : String(nameOrArn);
  return name.startsWith('arn:') ? name : `arn:aws:events:${region}:${account}:event-bus/${name}`;
}

/** Who acts on a bus; `context` holds what is known of the event. */
interface BusCaller {
  principal: string;
  account: string;
  action: string;
  context?: Record<string, string | undefined>;
}

/**
 * Why the bus's policy keeps a caller from putting an event: the source or the detail type, where it is a condition on that
 * alone that stands against him, else access as such. Undefined where he may.
 */
export function refusalOf(bus: Bus, caller: BusCaller): 'access' | 'source' | 'detail-type' | undefined {
  if (mayUseBus(bus, caller)) return undefined;
  const bindingKey = (['source', 'detail-type'] as const).find((key) =>
    mayUseBus({ ...bus, ...(bus.policy && { policy: withoutKey(bus.policy, `events:${key}`) }) }, caller),
  );
  return bindingKey ?? 'access';
}

/** The policy as if it did not ask for this key: what is denied by it is not, what is allowed with it is anyhow. */
function withoutKey(policy: ResourcePolicy, key: string): ResourcePolicy {
  const asks = (keys: object): boolean => Object.keys(keys).some((each) => each.toLowerCase() === key);
  const Statement = policy.Statement.flatMap((statement) => {
    const { Condition, ...rest } = statement;
    if (!Condition || !Object.values(Condition).some(asks)) return [statement];
    if (statement.Effect === 'Deny') return [];
    const others = Object.entries(Condition).map(([operator, keys]) => [
      operator,
      Object.fromEntries(Object.entries(keys).filter(([each]) => each.toLowerCase() !== key)),
    ]);
    return [{ ...rest, Condition: Object.fromEntries(others) }];
  });
  return { ...policy, Statement };
}

/** Whether the bus's policy lets a caller act on it; see "Permissions for event buses in Amazon EventBridge". */
export function mayUseBus(bus: Bus, caller: BusCaller): boolean {
  return isAllowed(bus.policy, {
    principal: caller.principal,
    account: caller.account,
    action: caller.action,
    resource: bus.arn,
    resourceAccount: bus.account,
    context: {
      'aws:principalorgid': ORGANIZATION,
      'aws:principalaccount': caller.account,
      'aws:sourceaccount': caller.account,
      ...caller.context,
    },
  });
}

function createEventBus(call: Call, world: World): unknown {
  const { Name: name, Description: description } = call.parameters;
  if (typeof name !== 'string' || !NAME.test(name) || name === 'default' || name.startsWith('aws.')) {
    throw new AwsError('ValidationException', `Value '${String(name)}' at 'name' failed to satisfy constraint`);
  }
  const arn = busArnOf(call, name);
  const table = world.table<Bus>(BUSES);
  if (table.get(arn)) throw new AwsError('ResourceAlreadyExistsException', `Event bus ${name} already exists.`);
  if ([...table.values()].filter(({ account }) => account === call.account).length >= 100) {
    throw new AwsError(
      'LimitExceededException',
      'The requested resource exceeds the maximum number allowed (100 event buses).',
    );
  }
  const at = world.now().toISOString();
  const described = typeof description === 'string' ? { description } : {};
  table.put(arn, {
    name,
    arn,
    account: call.account,
    region: call.region,
    ...described,
    createdAt: at,
    modifiedAt: at,
  });
  return { EventBusArn: arn, ...(typeof description === 'string' && { Description: description }) };
}

function describe(bus: Bus): Record<string, unknown> {
  return {
    Name: bus.name,
    Arn: bus.arn,
    Description: bus.description,
    Policy: bus.policy && JSON.stringify(bus.policy),
    CreationTime: new Date(bus.createdAt),
    LastModifiedTime: new Date(bus.modifiedAt),
  };
}

function listEventBuses(call: Call, world: World): unknown {
  const { NamePrefix: prefix = '', Limit: limit = 100, NextToken: token } = call.parameters;
  const own = [...world.table<Bus>(BUSES).values()].filter(
    (bus) => bus.account === call.account && bus.region === call.region,
  );
  if (!own.some(({ name }) => name === 'default')) own.push(busOf(call, world, 'default'));
  const found = own.filter(({ name }) => name.startsWith(prefix)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const page = pageOf(found, { limit, token });
  return { EventBuses: page.items.map(describe), NextToken: page.next };
}

/** Cuts a page; the token is the offset in base64url. */
export function pageOf<T>(
  all: T[],
  { limit, token }: { limit: number; token: unknown },
): { items: T[]; next: string | undefined } {
  const start = token === undefined ? 0 : Number(Buffer.from(String(token), 'base64url').toString());
  if (!Number.isInteger(start) || start < 0) throw new AwsError('ValidationException', 'NextToken is not valid');
  const end = start + limit;
  return {
    items: all.slice(start, end),
    next: end < all.length ? Buffer.from(String(end)).toString('base64url') : undefined,
  };
}

/** Deleting what is not there succeeds, as the API has no not-found error here. */
function deleteEventBus(call: Call, world: World): unknown {
  const arn = busArnOf(call, call.parameters.Name);
  if (arn.endsWith(':event-bus/default')) throw new AwsError('ValidationException', 'Cannot delete event bus default.');
  const rules = [...world.table<{ busArn: string }>('events/rules').values()];
  if (rules.some(({ busArn }) => busArn === arn)) {
    throw new AwsError('ValidationException', 'Event bus cannot be deleted since it has rules.');
  }
  world.table<Bus>(BUSES).delete(arn);
  return {};
}

function putPermission(call: Call, world: World): unknown {
  const { EventBusName: name, Policy: text } = call.parameters;
  const bus = busOf(call, world, name);
  const invalid = (reason: string): AwsError => new AwsError('ValidationException', reason);
  if (typeof text === 'string') {
    const policy = parseResourcePolicy(text, invalid);
    for (const { Resource } of policy.Statement) {
      if ([Resource].flat().some((resource) => resource !== bus.arn && !resource.startsWith(ruleArnPrefix(bus)))) {
        throw invalid('Resource on policy must match with event bus or rule arn');
      }
    }
    return save(world, bus, policy);
  }
  const statement = statementOf(call.parameters, bus, invalid);
  const kept = (bus.policy?.Statement ?? []).filter(({ Sid }) => Sid !== statement.Sid);
  return save(world, bus, { Version: '2012-10-17', ...bus.policy, Statement: [...kept, statement] });
}

function ruleArnPrefix(bus: Bus): string {
  return `arn:aws:events:${bus.region}:${bus.account}:rule/${bus.name === 'default' ? '' : `${bus.name}/`}`;
}

/** The form Action, Principal, StatementId and Condition; the principal is an account id or `*`. */
function statementOf(parameters: Call['parameters'], bus: Bus, invalid: (reason: string) => AwsError): Statement {
  const { Action: action, Principal: principal, StatementId: sid, Condition: condition } = parameters;
  if (action !== 'events:PutEvents') throw invalid(`Provided value in parameter 'action' is not supported.`);
  if (!/^(\d{12}|\*)$/.test(String(principal))) throw invalid(`Parameter principal must be an account id or *`);
  if (!/^[a-zA-Z0-9-_]{1,64}$/.test(String(sid))) throw invalid('Parameter statementId is not valid');
  // The API takes a condition on the organization of everybody, and no other (PutPermission, Condition).
  if (condition) {
    const { Type: type, Key: key, Value: value } = condition as Record<string, unknown>;
    if (type !== 'StringEquals' || key !== 'aws:PrincipalOrgID' || !value || principal !== '*') {
      throw invalid('A condition is StringEquals on aws:PrincipalOrgID, with the principal *.');
    }
  }
  return {
    Sid: sid,
    Effect: 'Allow',
    Principal: principal === '*' ? '*' : { AWS: `arn:aws:iam::${principal}:root` },
    Action: action,
    Resource: bus.arn,
    ...(condition && { Condition: { [condition.Type]: { [condition.Key]: condition.Value } } }),
  };
}

function removePermission(call: Call, world: World): unknown {
  const { EventBusName: name, StatementId: sid, RemoveAllPermissions: all } = call.parameters;
  const bus = busOf(call, world, name);
  if (all === true) return save(world, bus, undefined);
  const statements = bus.policy?.Statement ?? [];
  const kept = statements.filter(({ Sid }) => Sid !== sid);
  if (kept.length === statements.length) {
    throw new AwsError('ResourceNotFoundException', 'Statement with the provided id does not exist.');
  }
  return save(world, bus, kept.length === 0 ? undefined : { Version: '2012-10-17', ...bus.policy, Statement: kept });
}

function save(world: World, { policy: _old, ...bus }: Bus, policy: ResourcePolicy | undefined): Record<string, never> {
  if (policy && Buffer.byteLength(JSON.stringify(policy)) > MAX_POLICY_BYTES) {
    throw new AwsError('PolicyLengthExceededException', 'The policy is longer than 10240 bytes.');
  }
  const modifiedAt = world.now().toISOString();
  world.table<Bus>(BUSES).put(bus.arn, { ...bus, ...(policy && { policy }), modifiedAt });
  return {};
}
