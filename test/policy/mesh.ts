import { graphql } from '../../src/generated/graphql/gql.js';
import type { Classification, PolicyRequestMutation, RequestAccessInput } from '../../src/generated/graphql/graphql.js';
import { ownerOf, registerDomain } from '../testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from '../testkit/execute.js';

export { ADMIN, OUTSIDER, ownerOf } from '../testkit/catalogue.js';

const Register = graphql(`
  mutation PolicyRegister($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id } }
      ... on UserError { message }
    }
  }
`);
const Ask = graphql(`
  mutation PolicyRequest($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload {
        accessRequest {
          id
          status
          decidedBy
          decision { outcome version reasons policies { id name version domain reasons } }
          approvals { required { owners stewards } given { approvedBy } }
          accessGrant { id status expiresAt }
        }
      }
      ... on PolicyDeniedError { policies }
      ... on UserError { code message }
    }
  }
`);
const Approve = graphql(`
  mutation PolicyApprove($input: DecideAccessRequestInput!) {
    approveAccessRequest(input: $input) {
      __typename
      ... on ApproveAccessRequestPayload {
        accessRequest {
          status
          decision { outcome policies { name } }
          approvals { required { owners stewards } given { approvedBy role comment } }
        }
        accessGrant { id status expiresAt }
      }
      ... on PolicyDeniedError { policies }
      ... on UserError { code message }
    }
  }
`);
const Create = graphql(`
  mutation PolicyCreate($input: CreatePolicyInput!) {
    createPolicy(input: $input) {
      __typename
      ... on CreatePolicyPayload { policy { id name scope versions { number status digest statements } } }
      ... on ValidationError { path violations { path reason } }
      ... on UserError { code message }
    }
  }
`);
const Activate = graphql(`
  mutation PolicyActivate($input: ActivatePolicyInput!) {
    activatePolicy(input: $input) {
      __typename
      ... on ActivatePolicyPayload { policy { id active { number } versions { number status } } }
      ... on UserError { code message }
    }
  }
`);
const Draft = graphql(`
  mutation PolicyDraft($input: DraftPolicyInput!) {
    draftPolicy(input: $input) {
      __typename
      ... on DraftPolicyPayload { policy { versions { number status } } }
      ... on UserError { code message }
    }
  }
`);
const Deactivate = graphql(`
  mutation PolicyDeactivate($input: DeactivatePolicyInput!) {
    deactivatePolicy(input: $input) {
      __typename
      ... on DeactivatePolicyPayload { policy { active { number } versions { number status } } }
      ... on UserError { code message }
    }
  }
`);

export const stewardOf = (domain: string): Person => ({ subject: `steward-${domain}` });
export const memberOf = (domain: string): Person => ({ subject: `member-${domain}` });
export const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

type Asked = NonNullable<
  Extract<PolicyRequestMutation['requestAccess'], { __typename: 'RequestAccessPayload' }>['accessRequest']
>;

/** Two domains with owner, steward and member, and products of sales that finance asks for. */
export interface PolicyMesh extends ApiOfTest {
  sales: string;
  finance: string;
  /** A PUBLISHED product of sales with a table of an ordinary column and one with personal data, classified as `email` says. */
  product(
    classification: Classification,
    options?: { domain?: 'sales' | 'finance'; status?: 'DRAFT'; email?: Classification },
  ): Promise<string>;
  /** What finance's member, who asks for the ordinary column, is answered. */
  ask(dataProduct: string, more?: Partial<RequestAccessInput>, as?: Person): Promise<Answered>;
  /** The same where it is taken. */
  asked(dataProduct: string, more?: Partial<RequestAccessInput>, as?: Person): Promise<Asked>;
  approve(person: Person, accessRequest: string, more?: object): Promise<Approved>;
  create(person: Person, source: string, domain?: string): Promise<Created>;
  draft(person: Person, policy: string, source: string): Promise<{ __typename: string }>;
  activate(
    person: Person,
    policy: string,
    version?: number,
    digest?: string,
  ): Promise<{ __typename: string; message?: string }>;
  deactivate(person: Person, policy: string): Promise<{ __typename: string }>;
  /** Makes a policy and lets it decide; answers its id. */
  inForce(source: string, domain?: string): Promise<string>;
}
type Answered = PolicyRequestMutation['requestAccess'];
type Approved = Awaited<ReturnType<typeof approveAs>>;
type Created = Awaited<ReturnType<typeof createAs>>;

const approveAs = async (api: ApiOfTest, person: Person, input: { accessRequest: string }) =>
  (await api.as(person)(Approve, { input })).approveAccessRequest;
const createAs = async (api: ApiOfTest, person: Person, input: { source: string; domain?: string; name: string }) =>
  (await api.as(person)(Create, { input: { description: 'A test', ...input } })).createPolicy;

export async function openPolicyMesh(): Promise<PolicyMesh> {
  const api = await openApi();
  const [sales, finance] = [await registerDomain(api, 'sales', '2'), await registerDomain(api, 'finance', '3')];
  for (const domain of ['sales', 'finance']) {
    for (const role of ['STEWARD', 'MEMBER']) {
      await api.query(
        `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
         SELECT gen_random_uuid(), "id", $1, $2::"DomainRole", 'admin' FROM "Domain" WHERE "name" = $3`,
        [`${role.toLowerCase()}-${domain}`, role, domain],
      );
    }
  }
  let count = 0;
  const next = () => {
    count += 1;
    return `thing-${count}`;
  };
  const mesh: PolicyMesh = {
    ...api,
    sales,
    finance,
    product: async (classification, { domain = 'sales', status, email } = {}) => {
      const name = next();
      const input = {
        ...{ domain: domain === 'sales' ? sales : finance, name, description: name, owner: 'Team' },
        ...{ accessMode: 'NRAC' as const, classification },
        tables: [
          {
            name: `${name.replace('-', '_')}_events`,
            location: `s3://${domain}-lake/data/${name}`,
            format: 'PARQUET' as const,
            columns: [
              { name: 'id', type: 'bigint' },
              { name: 'email', type: 'string', pii: true, ...(email ? { classification: email } : {}) },
            ],
          },
        ],
      };
      const made = (await api.as(ownerOf(domain))(Register, { input })).registerDataProduct;
      if (!('dataProduct' in made) || !made.dataProduct) throw new Error(JSON.stringify(made));
      if (status !== 'DRAFT') {
        await api.query(`UPDATE "DataProduct" SET "status" = 'PUBLISHED', "publishedAt" = now() WHERE "name" = $1`, [
          name,
        ]);
      }
      return made.dataProduct.id;
    },
    ask: async (dataProduct, more = {}, person = memberOf('finance')) => {
      const input = {
        ...{ dataProduct, consumerDomain: finance, columns: ['id'], purpose: 'A test of the rules' },
        principals: [`arn:aws:iam::${'3'.repeat(12)}:role/${next()}`],
        ...more,
      };
      return (await api.as(person)(Ask, { input })).requestAccess;
    },
    asked: async (...asking) => {
      const answer = await mesh.ask(...asking);
      if (answer.__typename !== 'RequestAccessPayload' || !answer.accessRequest)
        throw new Error(JSON.stringify(answer));
      return answer.accessRequest;
    },
    approve: (person, accessRequest, more = {}) => approveAs(api, person, { accessRequest, ...more }),
    create: (person, source, domain) =>
      createAs(api, person, { name: next(), source, ...(domain === undefined ? {} : { domain }) }),
    draft: async (person, policy, source) => (await api.as(person)(Draft, { input: { policy, source } })).draftPolicy,
    activate: async (person, policy, version = 1, digest) =>
      (await api.as(person)(Activate, { input: { policy, version, ...(digest ? { digest } : {}) } })).activatePolicy,
    deactivate: async (person, policy) => (await api.as(person)(Deactivate, { input: { policy } })).deactivatePolicy,
    inForce: async (source, domain) => {
      const admin = { subject: 'admin', admin: true };
      const made = await mesh.create(admin, source, domain);
      if (!('policy' in made) || !made.policy) throw new Error(JSON.stringify(made));
      const activated = await mesh.activate(admin, made.policy.id);
      if (activated.__typename !== 'ActivatePolicyPayload') throw new Error(JSON.stringify(activated));
      return made.policy.id;
    },
  };
  return mesh;
}
