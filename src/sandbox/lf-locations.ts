/** Registered data locations: RegisterResource, DeregisterResource, UpdateResource, DescribeResource, ListResources. */
import { defined, entityNotFound, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { AwsError, type Call, type World } from './service.js';
import { sandboxSettings } from './settings.js';

type VerificationStatus = 'VERIFIED' | 'NOT_VERIFIED' | 'VERIFICATION_FAILED';

/** A registered S3 path; LastModified is ISO 8601. */
export interface LocationRecord {
  account: string;
  ResourceArn: string;
  RoleArn: string;
  LastModified: string;
  WithFederation: boolean;
  HybridAccessEnabled: boolean;
  WithPrivilegedAccess: boolean;
  /** The outcome, in force from `verifiedAt` on. */
  VerificationStatus: VerificationStatus;
  /** When the verification ends (ISO 8601); until then the location is NOT_VERIFIED. */
  verifiedAt?: string;
  ExpectedResourceOwnerAccount?: string;
}

const S3_ARN = /^arn:aws:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/;
const ROLE_ARN = /^arn:aws:iam::(\d{12}):role\/.+$/;

function locations(world: World) {
  return world.table<LocationRecord>('lakeformation/locations');
}

function normalArn(arn: unknown): string {
  const text = String(arn).replace(/\/+$/, '');
  if (!S3_ARN.test(text)) throw invalidInput(`Invalid resource ARN: ${String(arn)}`);
  return text;
}

function arnOf(location: string): string {
  return location.replace(/^s3[an]?:\/\//, 'arn:aws:s3:::').replace(/\/+$/, '');
}

/** Whether the S3 ARN is that of the location (s3:// URI or ARN) or of a folder above it. */
export function locationCovers(arn: string, location: string): boolean {
  const path = arnOf(location);
  return path === arn || path.startsWith(`${arn}/`);
}

/** The registrations of the account that cover an S3 path, the closest first. */
export function registrationsOf(world: World, account: string, location: string): LocationRecord[] {
  return [...locations(world).shared()]
    .filter((record) => record.account === account && locationCovers(record.ResourceArn, location))
    .sort((a, b) => b.ResourceArn.length - a.ResourceArn.length);
}

/** Whether the path lies at or below a registered location of the account. */
export function isRegisteredPath(world: World, account: string, location: string): boolean {
  return registrationsOf(world, account, location).length > 0;
}

/** RegisterResource: the role must be one of the same account, as Lake Formation assumes it with iam:PassRole there. */
export function registerResource(call: Call, world: World): unknown {
  const input = call.parameters;
  requireMembers(input, ['ResourceArn']);
  const ResourceArn = normalArn(input.ResourceArn);
  const key = `${call.account}|${ResourceArn}`;
  if (locations(world).get(key)) throw new AwsError('AlreadyExistsException', 'Resource is already registered');
  const linked = `arn:aws:iam::${call.account}:role/aws-service-role/lakeformation.amazonaws.com/AWSServiceRoleForLakeFormationDataAccess`;
  if (!input.RoleArn && !input.UseServiceLinkedRole) {
    throw invalidInput('Either RoleArn or UseServiceLinkedRole must be given.');
  }
  const RoleArn: string = input.RoleArn ?? linked;
  requireRole(call, RoleArn);
  locations(world).put(
    key,
    defined({
      account: call.account,
      ResourceArn,
      RoleArn,
      LastModified: world.now().toISOString(),
      WithFederation: Boolean(input.WithFederation),
      HybridAccessEnabled: Boolean(input.HybridAccessEnabled),
      WithPrivilegedAccess: Boolean(input.WithPrivilegedAccess),
      ...verification(world, ResourceArn),
      ExpectedResourceOwnerAccount: input.ExpectedResourceOwnerAccount,
    }),
  );
  return {};
}

/**
 * Lake Formation tries the role after a registration or an update of it.
 * AWS page: Lake Formation API reference, ResourceInfo, "VerificationStatus".
 */
function verification(world: World, arn: string): Pick<LocationRecord, 'VerificationStatus' | 'verifiedAt'> {
  const { locationVerificationMs, verificationFails } = sandboxSettings(world);
  const fails = verificationFails.some((failing) => normalArn(failing) === arn);
  const outcome = { VerificationStatus: fails ? ('VERIFICATION_FAILED' as const) : ('VERIFIED' as const) };
  if (locationVerificationMs === 0) return outcome;
  return { ...outcome, verifiedAt: new Date(world.now().getTime() + locationVerificationMs).toISOString() };
}

/** What the verification of a registration has come to by now. */
export function verificationStatus(world: World, record: LocationRecord): VerificationStatus {
  const waits = record.verifiedAt !== undefined && Date.parse(record.verifiedAt) > world.now().getTime();
  return waits ? 'NOT_VERIFIED' : record.VerificationStatus;
}

function requireRole(call: Call, role: string): void {
  const account = ROLE_ARN.exec(role)?.[1];
  if (!account) throw invalidInput(`Invalid role ARN: ${role}`);
  // iam:PassRole cannot pass a role of another account. AWS page: register-cross-account.
  if (account !== call.account)
    throw new AwsError('AccessDeniedException', 'Cross-account pass role is not allowed.', 403);
}

function requireLocation(call: Call, world: World): LocationRecord {
  requireMembers(call.parameters, ['ResourceArn']);
  const found = locations(world).get(`${call.account}|${normalArn(call.parameters.ResourceArn)}`);
  if (!found) throw entityNotFound('Entity not found');
  return found;
}

/** DeregisterResource. */
export function deregisterResource(call: Call, world: World): unknown {
  const { ResourceArn } = requireLocation(call, world);
  locations(world).delete(`${call.account}|${ResourceArn}`);
  return {};
}

/** UpdateResource changes the role and the modes of a registration. */
export function updateResource(call: Call, world: World): unknown {
  const input = call.parameters;
  requireMembers(input, ['RoleArn']);
  const { verifiedAt: _before, ...record } = requireLocation(call, world);
  requireRole(call, input.RoleArn);
  locations(world).put(`${call.account}|${record.ResourceArn}`, {
    ...record,
    RoleArn: input.RoleArn,
    WithFederation: input.WithFederation ?? record.WithFederation,
    HybridAccessEnabled: input.HybridAccessEnabled ?? record.HybridAccessEnabled,
    ...verification(world, record.ResourceArn),
    LastModified: world.now().toISOString(),
  });
  return {};
}

function toInfo(world: World, record: LocationRecord) {
  const { account: _account, verifiedAt: _verifiedAt, LastModified, ...rest } = record;
  return { ...rest, VerificationStatus: verificationStatus(world, record), LastModified: new Date(LastModified) };
}

/** DescribeResource. */
export function describeResource(call: Call, world: World): unknown {
  return { ResourceInfo: toInfo(world, requireLocation(call, world)) };
}

/** ListResources, filtered by ARN or role where conditions are given. */
export function listResources(call: Call, world: World): unknown {
  const input = call.parameters;
  const conditions: { Field?: string; ComparisonOperator?: string; StringValueList?: string[] }[] =
    input.FilterConditionList ?? [];
  const found = [...locations(world).values()]
    .filter((record) => record.account === call.account && conditions.every((condition) => meets(record, condition)))
    .sort((a, b) => (a.ResourceArn < b.ResourceArn ? -1 : 1));
  const { page, next } = pageOf(found, {
    max: input.MaxResults,
    token: input.NextToken,
    most: 1000,
    refuse: invalidInput,
  });
  return defined({ ResourceInfoList: page.map((record) => toInfo(world, record)), NextToken: next });
}

function meets(
  record: LocationRecord,
  condition: { Field?: string; ComparisonOperator?: string; StringValueList?: string[] },
): boolean {
  const value = { RESOURCE_ARN: record.ResourceArn, ROLE_ARN: record.RoleArn, LAST_MODIFIED: record.LastModified }[
    condition.Field ?? ''
  ];
  const wanted = condition.StringValueList ?? [];
  if (value === undefined) throw invalidInput(`Unknown filter field ${condition.Field}`);
  switch (condition.ComparisonOperator) {
    case 'EQ':
    case 'IN':
      return wanted.includes(value);
    case 'NE':
      return !wanted.includes(value);
    case 'CONTAINS':
      return wanted.some((part) => value.includes(part));
    case 'BEGINS_WITH':
      return wanted.some((part) => value.startsWith(part));
    default:
      throw invalidInput(`Comparison operator ${condition.ComparisonOperator} is not supported for ${condition.Field}`);
  }
}
