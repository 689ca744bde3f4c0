import { type Execute, payload, until } from '../../src/demo/client.js';
import { ApproveRequest, GrantById, RequestAccess, RevokeGrant } from '../../src/demo/documents.js';
import { graphql } from '../../src/generated/graphql/gql.js';

/** What the main job needs: the demo's finance asks logistics. */
export const CONSUMER_ACCOUNT = '444455556666';
export const PRODUCER_ACCOUNT = '333344445555';
/** A role of the consumer's account. */
export const reader = (name: string): string => `arn:aws:iam::${CONSUMER_ACCOUNT}:role/reader/${name}`;

const Scene = graphql(`
  query KitScene($path: String!, $consumer: String!) {
    dataProduct(by: { path: $path }) { id tables { name columns { name } } }
    domain(by: { name: $consumer }) { id }
  }
`);

/** Who asks for what; without tables all of them, without columns all columns. */
export interface Asked {
  path?: string;
  principals: string[];
  tables?: string[];
  columns?: string[];
  rowFilter?: string;
}

/** The demo's people who ask and decide, and what they do. */
export interface MainJob {
  /** Asks and answers the request's id. */
  request(asked: Asked): Promise<string>;
  /** Approves and answers the grant's id, as soon as the server has answered. */
  approve(request: string): Promise<string>;
  /** Asks, approves and waits until the grant is ACTIVE. */
  grant(asked: Asked): Promise<string>;
  revoke(grant: string): Promise<void>;
  reached(grant: string, status: string): Promise<void>;
  status(grant: string): Promise<string>;
  /** Each table of a product with its columns. */
  columnsOf(path: string): Promise<Map<string, string[]>>;
}

/** `requester` is a member of finance, `decider` steers logistics. */
export function mainJob({ requester, decider }: { requester: Execute; decider: Execute }): MainJob {
  const scene = async (path: string) => {
    const found = await requester(Scene, { path, consumer: 'finance' });
    if (!found.dataProduct || !found.domain) throw new Error(`There is no ${path}.`);
    return { product: found.dataProduct, consumer: found.domain };
  };
  const job: MainJob = {
    request: async ({ path = 'logistics/shipments', ...asked }) => {
      const { product, consumer } = await scene(path);
      const input = {
        dataProduct: product.id,
        consumerDomain: consumer.id,
        purpose: 'A test of the main job',
        ...asked,
      };
      const answer = payload((await requester(RequestAccess, { input })).requestAccess);
      if (!('accessRequest' in answer) || !answer.accessRequest) throw new Error('The request was not answered.');
      return answer.accessRequest.id;
    },
    approve: async (accessRequest) => {
      const answer = payload((await decider(ApproveRequest, { accessRequest })).approveAccessRequest);
      if (!('accessGrant' in answer) || !answer.accessGrant) throw new Error('The approval was not answered.');
      return answer.accessGrant.id;
    },
    grant: async (asked) => {
      const grant = await job.approve(await job.request(asked));
      await job.reached(grant, 'ACTIVE');
      return grant;
    },
    revoke: async (accessGrant) => void payload((await decider(RevokeGrant, { accessGrant })).revokeAccess),
    reached: async (id, status) => {
      let seen: unknown;
      const there = async () => {
        const { node } = await decider(GrantById, { id });
        seen = node;
        return node?.__typename === 'AccessGrant' && node.status === status ? node : undefined;
      };
      await until(`The grant is ${status}`, there, 30_000).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}: ${JSON.stringify(seen, null, 2)}`);
      });
    },
    status: async (id) => {
      const { node } = await requester(GrantById, { id });
      if (node?.__typename !== 'AccessGrant') throw new Error('The grant is not to be seen.');
      return node.status;
    },
    columnsOf: async (path) => {
      const { product } = await scene(path);
      return new Map(product.tables.map(({ name, columns }) => [name, columns.map((column) => column.name)]));
    },
  };
  return job;
}
