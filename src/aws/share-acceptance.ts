import { createHash } from 'node:crypto';
import {
  AcceptResourceShareInvitationCommand,
  GetResourceShareInvitationsCommand,
  GetResourceSharesCommand,
  ListResourcesCommand,
  type Resource,
  type ResourceShare,
  type ResourceShareInvitation,
} from '@aws-sdk/client-ram';
import type { SpecOf } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { Item, Observation } from '../provisioning/provider.js';
import { attempt, DONE, inParallel, look } from './attempt.js';
import { isNamed } from './errors.js';
import { partitionOf } from './partition.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'ShareAcceptance'>;
type ShareItem = Item<'ShareAcceptance'>;

/** Lake Formation names the shares that it makes `LakeFormation-V3-...`; no other share of the owner is ours to accept. */
const OURS = /^LakeFormation-/;
const READS = 4;

/**
 * The RAM share that carries a grant of another account is active here, with the grant's principal associated. Lake Formation
 * makes and ends the share itself, so removing makes no call. Who is associated only the owner may list
 * (RAM API reference, GetResourceShareAssociations); a receiver sees the resources that a principal is given (ListResources).
 */
export const shareAcceptance: AwsProvider<'ShareAcceptance'> = {
  kind: 'ShareAcceptance',
  batchSize: 50,
  observe,
  async apply(session, changes) {
    const accepted = new Map<string, Promise<unknown>>();
    return inParallel(changes, 1, ({ observation }) =>
      attempt(async () => {
        const { pendingInvitations = [] } = (observation.state === 'MISSING' ? {} : observation.observed) as Seen;
        for (const arn of pendingInvitations) {
          const acceptance = accepted.get(arn) ?? accept(session, arn);
          accepted.set(arn, acceptance);
          await acceptance;
        }
      }),
    );
  },
  remove: async (_session, items) => items.map(() => DONE),
  calls: (_account, { spec }, action) =>
    action === 'DELETE'
      ? []
      : [
          {
            service: 'ram',
            operation: 'AcceptResourceShareInvitation',
            parameters: {
              resourceShareInvitationArn: `(each pending one of ${spec.resource.catalogId} to ${spec.principal})`,
            },
          },
        ],
};

interface Seen {
  pendingInvitations?: string[];
}

async function observe(session: AwsSession, items: ShareItem[]): Promise<Observation[]> {
  const shares = new Set((await readShares(session)).filter(isLive).map(({ resourceShareArn }) => resourceShareArn));
  const perPrincipal = new Map<string, Promise<Resource[]>>();
  const resourcesOf = (principal: string): Promise<Resource[]> => {
    const started = perPrincipal.get(principal) ?? readResources(session, principal);
    perPrincipal.set(principal, started);
    return started;
  };
  let invitations: Promise<ResourceShareInvitation[]> | undefined;
  return inParallel(items, READS, ({ spec }) =>
    look(async () => {
      const arn = glueArn(session.region, spec.resource);
      if (arn === null) return { state: 'AGREES', observed: { resourceShare: null } };
      const given = shares.size > 0 ? await resourcesOf(spec.principal) : [];
      const share = given.find((resource) => names(resource.arn, arn) && shares.has(resource.resourceShareArn));
      if (share) return { state: 'AGREES', observed: { resourceShare: share.resourceShareArn, resource: arn } };
      invitations ??= readInvitations(session);
      return missing(spec, await invitations);
    }),
  );
}

/** Why a principal is not associated yet: an invitation to accept, one that ended, or nothing that has arrived. */
function missing(spec: Spec, invitations: ResourceShareInvitation[]): Observation {
  const ours = invitations
    .filter((each) => each.senderAccountId === spec.resource.catalogId && OURS.test(each.resourceShareName ?? ''))
    .filter(({ receiverArn }) => receiverArn === undefined || receiverArn === spec.principal)
    .sort((a, b) => (b.invitationTimestamp?.getTime() ?? 0) - (a.invitationTimestamp?.getTime() ?? 0));
  const pending = ours.flatMap((each) => (each.status === 'PENDING' ? (each.resourceShareInvitationArn ?? []) : []));
  if (pending.length > 0) {
    return {
      state: 'WAITING',
      observed: { pendingInvitations: pending },
      waitingFor: 'its RAM invitation to be accepted',
      actionable: true,
    };
  }
  const last = ours[0];
  if (last?.status === 'EXPIRED' || last?.status === 'REJECTED') {
    const message = `The RAM invitation ${last.resourceShareInvitationArn} of ${spec.resource.catalogId} is ${last.status}: revoke the access and grant it again, then AWS sends a new one.`;
    // Bounded, not final at once: a new grant's invitation may still be on its way.
    return {
      state: 'FAILED',
      error: {
        treatment: 'PROPAGATION',
        code: `ResourceShareInvitation${last.status}`,
        message,
        awsRequestId: null,
        reissue: true,
      },
    };
  }
  return {
    state: 'WAITING',
    observed: {},
    waitingFor: `the RAM share of ${spec.resource.catalogId} for ${spec.principal} to arrive`,
  };
}

function isLive({ name, status }: ResourceShare): boolean {
  return status === 'ACTIVE' && OURS.test(name ?? '');
}

/**
 * The Glue object under which RAM shares what a grant is on: a filter's table, and the catalog for tag expressions. Null for what reaches
 * another account without a share (Lake Formation developer guide, granting-location-permissions and TBAC-granting-tags).
 */
function glueArn(region: string, resource: LfResource): string | null {
  const prefix = `arn:${partitionOf(region)}:glue:${region}:${resource.catalogId}`;
  switch (resource.type) {
    case 'CATALOG':
    case 'LF_TAG_POLICY':
      return `${prefix}:catalog`;
    case 'DATABASE':
      return `${prefix}:database/${resource.database}`;
    case 'TABLE':
    case 'DATA_FILTER':
      return `${prefix}:table/${resource.database}/${resource.table}`;
    case 'DATA_LOCATION':
    case 'LF_TAG':
      return null;
  }
}

/** From cross-account version 5 on a share names its objects by wildcard (Lake Formation developer guide, optimize-ram). */
function names(shared: string | undefined, arn: string): boolean {
  if (shared === undefined || !shared.includes('*')) return shared === arn;
  const [kind, ...parts] = shared.split('/');
  const [wantedKind, ...wanted] = arn.split('/');
  return kind === wantedKind && parts.every((part, n) => part === '*' || part === wanted[n]);
}

async function accept(session: AwsSession, arn: string): Promise<void> {
  const clientToken = createHash('sha256').update(arn).digest('hex');
  try {
    await session.ram.send(new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn: arn, clientToken }));
  } catch (error) {
    if (!isNamed(error, 'ResourceShareInvitationAlreadyAcceptedException')) throw error;
  }
}

/** Reads all pages: a share on the second page is a share. */
async function everyPage<T>(
  read: (token: { nextToken?: string }) => Promise<{ items: T[] | undefined; next: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let token: { nextToken?: string } | null = {};
  while (token) {
    const { items, next }: { items: T[] | undefined; next: string | undefined } = await read(token);
    all.push(...(items ?? []));
    token = next ? { nextToken: next } : null;
  }
  return all;
}

function readShares({ ram }: AwsSession): Promise<ResourceShare[]> {
  return everyPage(async (token) => {
    const page = await ram.send(
      new GetResourceSharesCommand({ resourceOwner: 'OTHER-ACCOUNTS', maxResults: 500, ...token }),
    );
    return { items: page.resourceShares, next: page.nextToken };
  });
}

function readInvitations({ ram }: AwsSession): Promise<ResourceShareInvitation[]> {
  return everyPage(async (token) => {
    const page = await ram.send(new GetResourceShareInvitationsCommand({ maxResults: 500, ...token }));
    return { items: page.resourceShareInvitations, next: page.nextToken };
  });
}

function readResources({ ram }: AwsSession, principal: string): Promise<Resource[]> {
  return everyPage(async (token) => {
    const page = await ram.send(
      new ListResourcesCommand({ resourceOwner: 'OTHER-ACCOUNTS', principal, maxResults: 500, ...token }),
    );
    return { items: page.resources, next: page.nextToken };
  });
}
