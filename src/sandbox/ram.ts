/** AWS Resource Access Manager, as receivers and owners of Lake Formation's shares use it. Operation names are the API's. */
import { defined, pageOf } from './lf-input.js';
import { readPrincipal } from './lf-principal.js';
import {
  type Association,
  expireInvitations,
  type Invitation,
  invitationTable,
  type Share,
  settleInvitation,
  shareTable,
} from './ram-shares.js';
import { regionalService } from './regional.js';
import { AwsError, type Call, type Service, type World } from './service.js';

function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

function requireParameter(call: Call, name: string): string {
  const value: unknown = call.parameters[name];
  if (typeof value !== 'string' || value === '') throw invalidParameter(`The parameter ${name} is required.`);
  return value;
}

function paged<T>(call: Call, items: T[]): { page: T[]; nextToken: string | undefined } {
  const refuse = (message: string) =>
    new AwsError(message.includes('NextToken') ? 'InvalidNextTokenException' : 'InvalidParameterException', message);
  const { page, next } = pageOf(items, {
    max: call.parameters.maxResults,
    token: call.parameters.nextToken,
    most: 500,
    refuse,
  });
  return { page, nextToken: next };
}

/** The principals of the share that live in the receiving account and have joined it. */
function hasJoined(share: Share): boolean {
  return Object.values(share.principals).some(({ status }) => status === 'ASSOCIATED');
}

/** A share is the owner's from the start and the receiver's once he joined it; a deleted one is still told of. */
function sharesFor(call: Call, world: World): Share[] {
  expireInvitations(world);
  const owner = requireParameter(call, 'resourceOwner');
  if (owner !== 'SELF' && owner !== 'OTHER-ACCOUNTS') throw invalidParameter(`Invalid resourceOwner ${owner}.`);
  const arns: string[] | undefined = call.parameters.resourceShareArns;
  const all = [...shareTable(world).shared()].filter((share) =>
    owner === 'SELF' ? share.owner === call.account : share.receiver === call.account && hasJoined(share),
  );
  const unknown = arns?.find((arn) => !all.some((share) => share.arn === arn));
  if (unknown !== undefined)
    throw new AwsError('UnknownResourceException', `ResourceShare ${unknown} could not be found.`);
  return all
    .filter((share) => !arns || arns.includes(share.arn))
    .sort((a, b) => (a.createdAt + a.arn < b.createdAt + b.arn ? -1 : 1));
}

/** GetResourceShares. */
function getResourceShares(call: Call, world: World): unknown {
  const { name, resourceShareStatus: status }: { name?: string; resourceShareStatus?: string } = call.parameters;
  const found = sharesFor(call, world).filter(
    (share) => (!name || share.name === name) && (!status || share.status === status),
  );
  const { page, nextToken } = paged(call, found);
  const resourceShares = page.map((share) => ({
    resourceShareArn: share.arn,
    name: share.name,
    owningAccountId: share.owner,
    allowExternalPrincipals: true,
    status: share.status,
    creationTime: new Date(share.createdAt),
    lastUpdatedTime: new Date(share.updatedAt),
    featureSet: 'STANDARD',
  }));
  return defined({ resourceShares, nextToken });
}

/** Names of the shares by ARN. A share lists its principals, thousands at times, so it is not copied for its name. */
function shareNames(world: World): Map<string, string> {
  return new Map([...shareTable(world).shared()].map(({ arn, name }) => [arn, name]));
}

function toInvitation(invitation: Invitation, names: Map<string, string>) {
  const isRole = readPrincipal(invitation.principal)?.kind === 'IAM';
  return defined({
    resourceShareInvitationArn: invitation.arn,
    resourceShareName: names.get(invitation.share),
    resourceShareArn: invitation.share,
    senderAccountId: invitation.sender,
    receiverAccountId: invitation.receiver,
    invitationTimestamp: new Date(invitation.createdAt),
    status: invitation.status,
    receiverArn: isRole ? invitation.principal : undefined,
  });
}

/** GetResourceShareInvitations: those that this account received. */
function getResourceShareInvitations(call: Call, world: World): unknown {
  expireInvitations(world);
  const { resourceShareInvitationArns: arns, resourceShareArns: shares }: Record<string, string[] | undefined> =
    call.parameters;
  const found = [...invitationTable(world).shared()]
    .filter((invitation) => invitation.receiver === call.account)
    .filter(
      (invitation) =>
        (!arns?.length || arns.includes(invitation.arn)) && (!shares?.length || shares.includes(invitation.share)),
    )
    .sort((a, b) => (a.createdAt + a.arn < b.createdAt + b.arn ? -1 : 1));
  const missing = arns?.find((arn) => !found.some((invitation) => invitation.arn === arn));
  if (missing !== undefined && !shares?.length) {
    throw new AwsError(
      'ResourceShareInvitationArnNotFoundException',
      `ResourceShareInvitation ${missing} could not be found.`,
    );
  }
  const { page, nextToken } = paged(call, found);
  const names = shareNames(world);
  return defined({ resourceShareInvitations: page.map((each) => toInvitation(each, names)), nextToken });
}

/** Invitations are PENDING until they are accepted, rejected or run out. AWS page: RAM API, ResourceShareInvitation. */
function answerInvitation(call: Call, world: World, status: 'ACCEPTED' | 'REJECTED'): unknown {
  expireInvitations(world);
  const arn = requireParameter(call, 'resourceShareInvitationArn');
  if (!/^arn:aws:ram:[a-z0-9-]+:\d{12}:resource-share-invitation\/.+$/.test(arn)) {
    throw new AwsError('MalformedArnException', `The specified ARN ${arn} is not valid.`);
  }
  const invitation = invitationTable(world).get(arn);
  if (!invitation || invitation.receiver !== call.account) {
    throw new AwsError(
      'ResourceShareInvitationArnNotFoundException',
      `ResourceShareInvitation ${arn} could not be found.`,
    );
  }
  if (invitation.status !== 'PENDING') {
    const names = { ACCEPTED: 'AlreadyAccepted', REJECTED: 'AlreadyRejected', EXPIRED: 'Expired' };
    const code = `ResourceShareInvitation${names[invitation.status]}Exception`;
    throw new AwsError(code, `ResourceShareInvitation ${arn} is ${invitation.status.toLowerCase()}.`);
  }
  const settled = settleInvitation(world, invitation, status);
  return defined({
    resourceShareInvitation: toInvitation(settled, shareNames(world)),
    clientToken: call.parameters.clientToken,
  });
}

/** Every principal or resource of the shares, with the share it is in. */
function entriesOf(
  shares: Share[],
  of: 'principals' | 'resources',
): { share: Share; id: string; entry: Association }[] {
  return shares.flatMap((share) => Object.entries(share[of]).map(([id, entry]) => ({ share, id, entry })));
}

/** GetResourceShareAssociations: of the shares that this account owns. */
function getResourceShareAssociations(call: Call, world: World): unknown {
  const type = requireParameter(call, 'associationType');
  if (type !== 'PRINCIPAL' && type !== 'RESOURCE') throw invalidParameter(`Invalid associationType ${type}.`);
  const { resourceArn, principal, associationStatus }: Record<string, string | undefined> = call.parameters;
  if ((type === 'PRINCIPAL' && resourceArn) || (type === 'RESOURCE' && principal)) {
    throw invalidParameter('The filter does not fit the associationType.');
  }
  const own = sharesFor({ ...call, parameters: { ...call.parameters, resourceOwner: 'SELF' } }, world);
  const wanted = type === 'PRINCIPAL' ? principal : resourceArn;
  const found = entriesOf(own, type === 'PRINCIPAL' ? 'principals' : 'resources').filter(
    ({ id, entry }) => (!wanted || id === wanted) && (!associationStatus || entry.status === associationStatus),
  );
  const { page, nextToken } = paged(call, found);
  const resourceShareAssociations = page.map(({ share, id, entry }) => ({
    resourceShareArn: share.arn,
    resourceShareName: share.name,
    associatedEntity: id,
    associationType: type,
    status: entry.status,
    creationTime: new Date(entry.createdAt),
    lastUpdatedTime: new Date(entry.updatedAt),
    external: type === 'PRINCIPAL' && !world.organization.ramSharing,
  }));
  return defined({ resourceShareAssociations, nextToken });
}

const RESOURCE_TYPES: Record<string, string> = {
  catalog: 'glue:Catalog',
  database: 'glue:Database',
  table: 'glue:Table',
};

function typeOf(arn: string): string {
  return RESOURCE_TYPES[(arn.split(':')[5] ?? '').split('/')[0] ?? ''] ?? 'glue:Catalog';
}

/** ListResources: what the account shares, or what is shared with it; `principal` keeps the shares of that principal. */
function listResources(call: Call, world: World): unknown {
  const { principal, resourceType }: { principal?: string; resourceType?: string } = call.parameters;
  const arns: string[] | undefined = call.parameters.resourceArns;
  const shares = sharesFor(call, world).filter(
    (share) => share.status === 'ACTIVE' && (!principal || share.principals[principal]?.status === 'ASSOCIATED'),
  );
  const found = entriesOf(shares, 'resources').filter(
    ({ id, entry }) =>
      entry.status === 'ASSOCIATED' &&
      (!arns?.length || arns.includes(id)) &&
      (!resourceType || typeOf(id) === resourceType),
  );
  const { page, nextToken } = paged(call, found);
  const resources = page.map(({ share, id, entry }) => ({
    arn: id,
    type: typeOf(id),
    resourceShareArn: share.arn,
    status: 'AVAILABLE',
    creationTime: new Date(entry.createdAt),
    lastUpdatedTime: new Date(entry.updatedAt),
    resourceRegionScope: 'REGIONAL',
  }));
  return defined({ resources, nextToken });
}

/** ListPrincipals: with SELF whom the account shares with, with OTHER-ACCOUNTS which accounts share with it. */
function listPrincipals(call: Call, world: World): unknown {
  const wanted: string[] | undefined = call.parameters.principals;
  const resourceArn: string | undefined = call.parameters.resourceArn;
  const shares = sharesFor(call, world).filter(
    (share) => share.status === 'ACTIVE' && (!resourceArn || share.resources[resourceArn]?.status === 'ASSOCIATED'),
  );
  const own = call.parameters.resourceOwner === 'SELF';
  const found = own
    ? entriesOf(shares, 'principals').filter(({ entry }) => entry.status === 'ASSOCIATED')
    : shares.map((share) => ({ share, id: share.owner, entry: share }));
  const { page, nextToken } = paged(
    call,
    found.filter(({ id }) => !wanted?.length || wanted.includes(id)),
  );
  const principals = page.map(({ share, id, entry }) => ({
    id,
    resourceShareArn: share.arn,
    creationTime: new Date(entry.createdAt),
    lastUpdatedTime: new Date(entry.updatedAt),
    external: !world.organization.ramSharing,
  }));
  return defined({ principals, nextToken });
}

const OPERATIONS: Service = {
  GetResourceShares: getResourceShares,
  GetResourceShareInvitations: getResourceShareInvitations,
  AcceptResourceShareInvitation: (call, world) => answerInvitation(call, world, 'ACCEPTED'),
  RejectResourceShareInvitation: (call, world) => answerInvitation(call, world, 'REJECTED'),
  GetResourceShareAssociations: getResourceShareAssociations,
  ListResources: listResources,
  ListPrincipals: listPrincipals,
};

const TABLES = ['ram/shares', 'ram/invitations'];
const LISTINGS = {
  GetResourceShares: TABLES,
  GetResourceShareInvitations: TABLES,
  GetResourceShareAssociations: TABLES,
  ListResources: TABLES,
  ListPrincipals: TABLES,
};

/** The operations of RAM by name. */
export const ram: Service = regionalService(OPERATIONS, { listings: LISTINGS });
