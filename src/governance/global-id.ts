import type { SubjectType } from '../events/types.js';

/** What a global id can name: the subjects of events are nodes of the API. */
export type NodeType =
  | SubjectType
  | 'MeshEvent'
  | 'ForeignGrant'
  | 'ServiceAccountSecret'
  | 'DeadLetter'
  | 'EventRoute'
  | 'Deputy'
  | 'WebhookDelivery'
  | 'DomainEventType';

/** The one publisher of an installation: it has no row of its own. */
export const PUBLISHER_ID = '00000000-0000-7000-8000-0000000000eb';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** A resource is named by the hex sha256 of its identity, everything else by a uuid. */
const RESOURCE_ID = /^[0-9a-f]{64}$/;

/** The opaque id that clients see: base64url of `Type:id`. */
export function globalId(type: NodeType, id: string): string {
  return Buffer.from(`${type}:${id}`, 'utf8').toString('base64url');
}

/** Reads a global id; null when it is not one of ours (another text, padding, upper case): such an object does not exist. */
export function parseGlobalId(text: string): { type: NodeType; id: string } | null {
  const [, type, id] = /^([A-Za-z]+):([0-9a-f-]+)$/.exec(Buffer.from(text, 'base64url').toString('utf8')) ?? [];
  if (type === undefined || id === undefined || !isNodeType(type) || globalId(type, id) !== text) return null;
  return (type === 'Resource' ? RESOURCE_ID : UUID).test(id) ? { type, id } : null;
}

/** A uuid (version 8) out of a resource's identity hash, for columns that hold uuids: the subject of a resource's events. */
export function resourceSubjectId(resourceId: string): string {
  const hex = `${resourceId.slice(0, 12)}8${resourceId.slice(13, 16)}8${resourceId.slice(17, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const NODE_TYPES: Record<NodeType, true> = {
  Domain: true,
  DataProduct: true,
  DataContract: true,
  AccessRequest: true,
  AccessGrant: true,
  Resource: true,
  MeshEvent: true,
  ForeignGrant: true,
  ServiceAccount: true,
  ServiceAccountSecret: true,
  PersonalAccessToken: true,
  Policy: true,
  Publisher: true,
  DeadLetter: true,
  EventRoute: true,
  Deputy: true,
  Webhook: true,
  WebhookDelivery: true,
  DomainEventType: true,
  QuarantinedEvent: true,
};

function isNodeType(text: string): text is NodeType {
  return Object.hasOwn(NODE_TYPES, text);
}
