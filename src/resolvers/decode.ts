import { GovernanceError, invalid, notFound } from '../governance/error.js';
import { type NodeType, parseGlobalId } from '../governance/global-id.js';

const NAMES: Record<NodeType, string> = {
  Domain: 'The domain',
  DataProduct: 'The data product',
  DataContract: 'The data contract',
  AccessRequest: 'The access request',
  AccessGrant: 'The access grant',
  Resource: 'The resource',
  ForeignGrant: 'The foreign grant',
  ServiceAccount: 'The service account',
  ServiceAccountSecret: 'The secret',
  PersonalAccessToken: 'The token',
  Policy: 'The policy',
  DeadLetter: 'The dead letter',
  EventRoute: 'The route',
  Deputy: 'The deputy',
  Webhook: 'The webhook',
  WebhookDelivery: 'The delivery',
  DomainEventType: 'The event type',
  QuarantinedEvent: 'The event',
  MeshEvent: 'The event',
  Publisher: 'The publisher',
};

/** What clients call an object of the type: `an access request`. */
export function called(type: NodeType): string {
  const name = NAMES[type].replace('The ', '');
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** The row id that a global id of this type names; NOT_FOUND for anything else, like for what is not there. */
export function decodeId(type: NodeType, id: string): string {
  const parsed = parseGlobalId(id);
  if (parsed === null) throw notFound(NAMES[type]);
  if (parsed.type === type) return parsed.id;
  throw new GovernanceError('NOT_FOUND', `${NAMES[type]} was not found: this is the id of ${called(parsed.type)}.`);
}

/** The row id that an argument of a subscription names; VALIDATION for anything else: what it names could never be told of. */
export function decodeNamed(argument: string, { type, id }: { type: NodeType; id: string }): string {
  const parsed = parseGlobalId(id);
  if (parsed?.type !== type) throw invalid(argument, `\`${argument}\` is not the id of ${called(type)}.`);
  return parsed.id;
}

/** The row id that a look-up names; null where it can name nothing of this type: what is not there is null, however it is asked for. */
export function lookedUpId(type: NodeType, id: string | undefined): string | null {
  const parsed = parseGlobalId(id ?? '');
  return parsed?.type === type ? parsed.id : null;
}

/** A row id that matches nothing: what a filter by an id of another type finds. */
const NOTHING = '00000000-0000-0000-0000-000000000000';

const rowId = (type: NodeType, id: string): string => {
  const parsed = parseGlobalId(id);
  return parsed?.type === type ? parsed.id : NOTHING;
};

type Values = Record<string, unknown>;

const FILTER_IDS: Record<string, NodeType> = { dataProduct: 'DataProduct', consumerDomain: 'Domain', domain: 'Domain' };
const FILTER_ID_LISTS: Record<string, NodeType> = { domains: 'Domain', dataProducts: 'DataProduct' };

/** The arguments of a list as the read side takes them: row ids instead of global ids, `first` within its bounds. */
export function decodeArgs(args: Values): Values {
  if ('first' in args && (typeof args.first !== 'number' || args.first < 1 || args.first > 100)) {
    throw invalid('first', '`first` is a number from 1 to 100.');
  }
  return args.filter ? { ...args, filter: decodeFilter(args.filter as Values) } : args;
}

/** A filter with row ids. An id of another type finds nothing. */
export function decodeFilter(filter: Values): Values {
  const decoded = Object.entries(filter).map(([name, value]): [string, unknown] => {
    if (value === null || value === undefined) return [name, undefined];
    if (name === 'owner' && typeof value === 'string') return [name, parseGlobalId(value) ?? value];
    const single = FILTER_IDS[name];
    if (single) return [name, rowId(single, String(value))];
    const many = FILTER_ID_LISTS[name];
    if (many) return [name, (value as string[]).map((id) => rowId(many, id))];
    return [name, value];
  });
  return Object.fromEntries(decoded);
}
