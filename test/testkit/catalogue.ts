import { graphql } from '../../src/generated/graphql/gql.js';
import type {
  Classification,
  RegisterDataProductInput,
  RequestAccessInput,
} from '../../src/generated/graphql/graphql.js';
import type { ApiOfTest, Person } from './execute.js';

export const ADMIN: Person = { subject: 'admin', admin: true };
export const OUTSIDER: Person = { subject: 'outsider' };
/** `owner-commerce` owns the domain commerce, and so on. */
export const ownerOf = (domain: string): Person => ({ subject: `owner-${domain}` });

const RegisterDomain = graphql(`
  mutation KitRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id name } }
      ... on UserError { code message }
    }
  }
`);

const RegisterProduct = graphql(`
  mutation KitRegisterProduct($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id name path status } }
      ... on UserError { code message }
    }
  }
`);

const RequestAccess = graphql(`
  mutation KitRequestAccess($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id status } }
      ... on UserError { code message }
    }
  }
`);

/** Registers a domain whose account is made of one digit; `owner-<name>` owns it. Answers its id. */
export async function registerDomain(api: ApiOfTest, name: string, digit: string): Promise<string> {
  const account = digit.repeat(12);
  const { registerDomain } = await api.as(ADMIN)(RegisterDomain, {
    input: {
      name,
      displayName: name,
      awsAccountId: account,
      awsRegion: 'eu-west-1',
      roleArn: `arn:aws:iam::${account}:role/meshgate`,
      dataLocation: `s3://${name}-lake/data`,
      owners: [`owner-${name}`],
    },
  });
  if (!('domain' in registerDomain) || !registerDomain.domain) throw new Error(JSON.stringify(registerDomain));
  return registerDomain.domain.id;
}

interface ProductOptions {
  domain: string;
  domainId: string;
  name: string;
  classification?: Classification;
  tags?: string[];
  description?: string;
  /** Straight to this status, as if AWS had agreed. */
  status?: 'DRAFT' | 'PUBLISHED' | 'DEPRECATED';
}

/** Registers a product with one table `events(id, happened_at, amount)`. Answers its id. */
export async function registerProduct(api: ApiOfTest, options: ProductOptions): Promise<string> {
  const { domain, domainId, name, classification = 'INTERNAL', tags = [], status = 'DRAFT' } = options;
  const input: RegisterDataProductInput = {
    domain: domainId,
    name,
    description: options.description ?? `All about ${name}`,
    owner: `owner-${domain}`,
    accessMode: 'NRAC',
    classification,
    tags,
    tables: [
      {
        name: `${name.replaceAll('-', '_')}_events`,
        location: `s3://${domain}-lake/data/${name}`,
        format: 'PARQUET',
        columns: [
          { name: 'id', type: 'bigint', required: true, primaryKey: true },
          { name: 'happened_at', type: 'timestamp' },
          { name: 'amount', type: 'decimal(12,2)' },
        ],
      },
    ],
  };
  const { registerDataProduct } = await api.as(ownerOf(domain))(RegisterProduct, { input });
  if (!('dataProduct' in registerDataProduct) || !registerDataProduct.dataProduct)
    throw new Error(JSON.stringify(registerDataProduct));
  const { id } = registerDataProduct.dataProduct;
  if (status !== 'DRAFT') {
    await api.query(
      `UPDATE "DataProduct" SET "status" = $1::"DataProductStatus", "publishedAt" = now() WHERE "name" = $2 AND "domainId" = (SELECT "id" FROM "Domain" WHERE "name" = $3)`,
      [status, name, domain],
    );
  }
  return id;
}

/** Asks for access as this person. Answers the request's id. */
export async function requestAccess(api: ApiOfTest, person: Person, input: RequestAccessInput): Promise<string> {
  const { requestAccess } = await api.as(person)(RequestAccess, { input });
  if (!('accessRequest' in requestAccess) || !requestAccess.accessRequest)
    throw new Error(JSON.stringify(requestAccess));
  return requestAccess.accessRequest.id;
}
