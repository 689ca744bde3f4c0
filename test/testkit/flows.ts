import { type Execute, payload, until } from '../../src/demo/client.js';
import { RevokeGrant } from '../../src/demo/documents.js';
import { DEMO_ACCOUNTS, DEMO_REGION, GOVERNANCE_ACCOUNT } from '../../src/demo/mesh.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import type {
  RegisterDataProductInput,
  RegisterDomainInput,
  RequestAccessInput,
  UpdateDataProductInput,
} from '../../src/generated/graphql/graphql.js';
import type { Product } from './product.js';
import { type SandboxControl, sandboxControl } from './sandbox-control.js';

const Register = graphql(`
  mutation FlowRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);
const Domain = graphql(`query FlowDomain($id: ID!) { domain(by: { id: $id }) { status progress { ready total } } }`);
const RegisterProduct = graphql(`
  mutation FlowRegisterProduct($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id } }
      ... on UserError { code message }
    }
  }
`);
const Publish = graphql(`
  mutation FlowPublish($dataProduct: ID!, $crawl: Boolean) {
    publishDataProduct(input: { dataProduct: $dataProduct, crawl: $crawl }) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Update = graphql(`
  mutation FlowUpdate($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const ProductState = graphql(`
  query FlowProduct($id: ID!) {
    dataProduct(by: { id: $id }) {
      status
      accessMode
      previousAccessMode
      provisioningReport { status message tables }
      tables { name columns { name type partition } }
      schemaVersions { number source violations { path kind message } }
      resources(first: 100) { nodes { kind account key status lastError { code message } } }
    }
  }
`);
const Request = graphql(`
  mutation FlowRequest($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id rowFilter tables grantTo accessMode } }
      ... on UserError { code message }
    }
  }
`);
const Approve = graphql(`
  mutation FlowApprove($accessRequest: ID!) {
    approveAccessRequest(input: { accessRequest: $accessRequest }) {
      __typename
      ... on ApproveAccessRequestPayload { accessGrant { id } }
      ... on UserError { code message }
    }
  }
`);
const GrantState = graphql(`
  query FlowGrant($id: ID!) {
    node(id: $id) {
      ... on AccessGrant {
        status
        reason
        howToQuery { database table athenaSql tables { table columns } iamPolicy }
        resources { kind account key status lastError { code message } }
      }
    }
  }
`);

/** Two domains, `alpha` that produces and `beta` that consumes, with the rights of an admin who decides, over the whole product. */
export interface Flows {
  sandbox: SandboxControl;
  decider: Execute;
  alpha: { id: string; account: string };
  beta: { id: string; account: string };
  register(more: Partial<RegisterDataProductInput>, options?: { crawl?: boolean }): Promise<string>;
  published(id: string): Promise<void>;
  update(input: UpdateDataProductInput): Promise<void>;
  state(id: string): Promise<ProductRead>;
  /** Asks as beta's owner, unless the input names another domain; throws what refuses it. */
  request(input: Partial<RequestAccessInput> & { dataProduct: string }): Promise<string>;
  approve(request: string): Promise<string>;
  grant(input: Partial<RequestAccessInput> & { dataProduct: string }): Promise<string>;
  reached(grant: string, status: string): Promise<GrantRead>;
  revoke(grant: string): Promise<void>;
  reads(question: { principal: string; link: Link; column?: string; permission?: string }): Promise<Answer>;
}

type ProductRead = NonNullable<Awaited<ReturnType<typeof readProduct>>>;
type GrantRead = Awaited<ReturnType<typeof readGrant>>;
/** Database and table as the consumer's account calls them. */
export interface Link {
  account?: string;
  database: string;
  table: string;
}
export interface Answer {
  allowed: boolean;
  reason: string;
  rowFilter?: string;
}

const readProduct = async (execute: Execute, id: string) => (await execute(ProductState, { id })).dataProduct;
const readGrant = async (execute: Execute, id: string) => {
  const { node } = await execute(GrantState, { id });
  if (!node || !('howToQuery' in node)) throw new Error('There is no such grant.');
  return node;
};

/** A role of an account. */
export const roleOf = (account: string, name: string): string => `arn:aws:iam::${account}:role/${name}`;

/** Registers the two domains and waits until they are READY; `alpha` and `beta` complete their registrations. */
export async function openFlows(
  product: Product,
  more: { alpha?: Partial<RegisterDomainInput>; beta?: Partial<RegisterDomainInput> } = {},
): Promise<Flows> {
  const admin = await product.as('ada.admin');
  const [alphaAccount = '', betaAccount = ''] = DEMO_ACCOUNTS;
  const register = async (name: string, account: string, rest: Partial<RegisterDomainInput>) => {
    const input = {
      name,
      displayName: name,
      awsAccountId: account,
      awsRegion: DEMO_REGION,
      roleArn: roleOf(account, 'meshgate'),
      dataLocation: `s3://${name}-lake/data`,
      dataAccessRoleArn: roleOf(GOVERNANCE_ACCOUNT, 'meshgate-data-access'),
      manageSettings: true,
      owners: [`${name}-owner`],
      ...rest,
    };
    const answer = payload((await admin(Register, { input })).registerDomain);
    if (!('domain' in answer) || !answer.domain) throw new Error(`${name} was not registered.`);
    return { id: answer.domain.id, account };
  };
  const alpha = await register('alpha', alphaAccount, more.alpha ?? {});
  const beta = await register('beta', betaAccount, more.beta ?? {});
  for (const { id } of [alpha, beta]) {
    await until('a READY domain', async () =>
      (await admin(Domain, { id })).domain?.status === 'READY' ? id : undefined,
    );
  }
  return flowsOf({ product, admin, alpha, beta, asker: await product.as('beta-owner') });
}

interface Cast {
  product: Product;
  admin: Execute;
  asker: Execute;
  alpha: Flows['alpha'];
  beta: Flows['beta'];
}

function flowsOf({ product, admin, asker, alpha, beta }: Cast): Flows {
  const flows: Flows = {
    sandbox: sandboxControl(product.sandbox),
    decider: admin,
    alpha,
    beta,
    register: async (rest, { crawl } = {}) => {
      const input = { ...productInput(alpha.id), ...rest };
      const answer = payload((await admin(RegisterProduct, { input })).registerDataProduct);
      if (!('dataProduct' in answer) || !answer.dataProduct) throw new Error('The product was not registered.');
      const { id } = answer.dataProduct;
      payload((await admin(Publish, { dataProduct: id, crawl: crawl ?? null })).publishDataProduct);
      return id;
    },
    published: async (id) => {
      await until('a PUBLISHED product', async () => ((await flows.state(id)).status === 'PUBLISHED' ? id : undefined));
    },
    update: async (input) => void payload((await admin(Update, { input })).updateDataProduct),
    state: async (id) => {
      const read = await readProduct(admin, id);
      if (!read) throw new Error('There is no such product.');
      return read;
    },
    request: async (rest) => {
      const input = {
        consumerDomain: beta.id,
        principals: [roleOf(beta.account, 'reader')],
        purpose: 'A test',
        namedPurpose: 'testing',
        ...rest,
      };
      const execute = input.consumerDomain === beta.id ? asker : await product.as('alpha-owner');
      const answer = payload((await execute(Request, { input })).requestAccess);
      if (!('accessRequest' in answer) || !answer.accessRequest) throw new Error('The request was not answered.');
      return answer.accessRequest.id;
    },
    approve: async (request) => {
      const answer = payload((await admin(Approve, { accessRequest: request })).approveAccessRequest);
      if (!('accessGrant' in answer) || !answer.accessGrant) throw new Error('The approval was not answered.');
      return answer.accessGrant.id;
    },
    grant: async (input) => {
      const grant = await flows.approve(await flows.request(input));
      await flows.reached(grant, 'ACTIVE');
      return grant;
    },
    reached: async (grant, status) => {
      let last: GrantRead | undefined;
      try {
        return await until(`a grant that is ${status}`, async () => {
          last = await readGrant(admin, grant);
          return last.status === status ? last : undefined;
        });
      } catch (error) {
        const open = last?.resources.filter((resource) => resource.status !== 'READY');
        throw new Error(`${String(error)}: it is ${last?.status}: ${JSON.stringify(open, null, 1)}`);
      }
    },
    revoke: async (grant) => void payload((await admin(RevokeGrant, { accessGrant: grant })).revokeAccess),
    reads: async ({ principal, link, column, permission }) => {
      const question = {
        principal,
        account: link.account ?? beta.account,
        database: link.database,
        table: link.table,
        ...(column === undefined ? {} : { column }),
        ...(permission === undefined ? {} : { permission }),
      };
      const answer = await fetch(`${product.sandbox}/_sandbox/can-read?${new URLSearchParams(question)}`);
      return (await answer.json()) as Answer;
    },
  };
  return flows;
}

/** A product `sales` of two tables, by name, INTERNAL; `mail` is personal data. */
function productInput(domain: string): RegisterDataProductInput {
  const table = (name: string, columns: [string, string, boolean?][]) => ({
    name,
    location: `s3://alpha-lake/data/sales/${name}/`,
    format: 'PARQUET' as const,
    columns: columns.map(([column, type, pii]) => ({ name: column, type, pii: pii ?? false })),
  });
  return {
    domain,
    name: 'sales',
    description: 'What was sold',
    owner: 'Sales',
    accessMode: 'NRAC',
    classification: 'INTERNAL',
    tables: [
      table('orders', [
        ['id', 'bigint'],
        ['country', 'string'],
        ['mail', 'string', true],
      ]),
      table('items', [
        ['id', 'bigint'],
        ['country', 'string'],
      ]),
    ],
  };
}
