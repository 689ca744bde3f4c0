import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { graphql } from '../generated/graphql/gql.js';
import { createClient, type Execute, payload, until } from './client.js';
import {
  DEMO_DOMAINS,
  DEMO_EVENTS,
  DEMO_PRODUCTS,
  DEMO_REGION,
  DEMO_USERS,
  domainRole,
  GOVERNANCE_ACCOUNT,
} from './mesh.js';

/** Where to seed: the API's URL, a token for each demo subject, and somebody to tell. */
export interface SeedOptions {
  graphql: string;
  tokenOf: (subject: string) => Promise<string>;
  progress: (line: string) => void;
}

const DomainByName = graphql(`
  query SeedDomain($name: String!) {
    domain(by: { name: $name }) {
      id
      status
      members { subject }
    }
  }
`);

const RegisterDomain = graphql(`
  mutation SeedRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);

const AddMember = graphql(`
  mutation SeedAddMember($input: AddDomainMemberInput!) {
    addDomainMember(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const ProductByPath = graphql(`
  query SeedProduct($path: String!) {
    dataProduct(by: { path: $path }) {
      id
      status
      contract { id }
      contracts { id }
    }
  }
`);

const RegisterProduct = graphql(`
  mutation SeedRegisterProduct($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const ActivateContract = graphql(`
  mutation SeedActivate($dataContract: ID!) {
    activateDataContract(input: { dataContract: $dataContract }) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const Publish = graphql(`
  mutation SeedPublish($dataProduct: ID!) {
    publishDataProduct(input: { dataProduct: $dataProduct }) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const Deprecate = graphql(`
  mutation SeedDeprecate($dataProduct: ID!) {
    deprecateDataProduct(input: { dataProduct: $dataProduct, reason: "Use commerce/checkout-events instead." }) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const Request = graphql(`
  mutation SeedRequest($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id status } }
      ... on UserError { code message }
    }
  }
`);

const Approve = graphql(`
  mutation SeedApprove($accessRequest: ID!) {
    approveAccessRequest(input: { accessRequest: $accessRequest, comment: "For the weekly demand forecast." }) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const Requests = graphql(`
  query SeedRequests {
    accessRequests(first: 1) { nodes { id } }
  }
`);

const RegisterEventType = graphql(`
  mutation SeedRegisterEventType($input: RegisterDomainEventTypeInput!) {
    registerDomainEventType(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

const PublishEvent = graphql(`
  mutation SeedPublishEvent($input: PublishDomainEventInput!) {
    publishDomainEvent(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

/**
 * Fills an installation with the demo mesh, through the public API alone. Looks before each step, so that it can be run again
 * over what an earlier run left half-way. Ends when the domains and the published products are ready.
 */
export async function seedDemo({ graphql: url, tokenOf, progress }: SeedOptions): Promise<void> {
  const as = async (subject: string) => createClient(url, await tokenOf(subject));
  const userOf = (role: string, domain: string | null) => {
    const user = DEMO_USERS.find((candidate) => candidate.role === role && candidate.domain === domain);
    if (!user) throw new Error(`The demo has no ${role} of ${domain}.`);
    return user.subject;
  };
  const admin = await as(userOf('admin', null));
  const domainIds = new Map<string, string>();
  progress('registering four domains');
  for (const { name } of DEMO_DOMAINS) domainIds.set(name, await seedDomain(admin, name));
  progress('publishing thirteen products with their contracts');
  const owners = new Map<string, Execute>();
  for (const { name } of DEMO_DOMAINS) owners.set(name, await as(userOf('owner', name)));
  for (const product of DEMO_PRODUCTS) {
    await seedProduct(owners.get(product.domain) as Execute, domainIds.get(product.domain) as string, product);
  }
  const { domain: telling } = DEMO_EVENTS;
  await seedEvents(owners.get(telling) as Execute, domainIds.get(telling) as string);
  progress('waiting until AWS agrees');
  for (const { name } of DEMO_DOMAINS) await domainReady(admin, name);
  for (const product of DEMO_PRODUCTS) {
    if (product.until !== 'DRAFT') await published(owners.get(product.domain) as Execute, product);
  }
  progress('asking for access');
  const requester = await as(userOf('member', 'finance'));
  await seedRequests({ requester, decider: owners.get('logistics') as Execute, domainIds });
}

async function seedDomain(admin: Execute, name: string): Promise<string> {
  const people = DEMO_USERS.filter((user) => user.domain === name);
  const before = (await admin(DomainByName, { name })).domain;
  const id =
    before?.id ??
    (await registerDomain(
      admin,
      name,
      people.filter(({ role }) => role === 'owner'),
    ));
  const known = new Set(before?.members.map(({ subject }) => subject));
  for (const { subject, role } of people) {
    if (role === 'owner' || known.has(subject)) continue;
    payload((await admin(AddMember, { input: { domain: id, subject, role: domainRole(role) } })).addDomainMember);
  }
  return id;
}

async function registerDomain(admin: Execute, name: string, owners: { subject: string }[]): Promise<string> {
  const domain = DEMO_DOMAINS.find((candidate) => candidate.name === name);
  if (!domain) throw new Error(`The demo has no domain ${name}.`);
  const { account, displayName, description } = domain;
  const input = {
    name,
    displayName,
    description,
    awsAccountId: account,
    awsRegion: DEMO_REGION,
    roleArn: `arn:aws:iam::${account}:role/meshgate`,
    dataLocation: `s3://meshgate-demo-${name}/data`,
    dataAccessRoleArn: `arn:aws:iam::${GOVERNANCE_ACCOUNT}:role/meshgate-data-access`,
    workflowRoleArn: `arn:aws:iam::${account}:role/${name}-workflows`,
    eventTargetRoleArn: `arn:aws:iam::${account}:role/meshgate-events`,
    manageSettings: true,
    owners: owners.map(({ subject }) => subject),
  };
  const registered = payload((await admin(RegisterDomain, { input })).registerDomain);
  if (!('domain' in registered) || !registered.domain) throw new Error(`The domain ${name} was not registered.`);
  return registered.domain.id;
}

type Product = (typeof DEMO_PRODUCTS)[number];

/** Brings one product from wherever it is to where the demo wants it. */
async function seedProduct(owner: Execute, domain: string, product: Product): Promise<void> {
  const path = `${product.domain}/${product.name}`;
  const find = async () => (await owner(ProductByPath, { path })).dataProduct;
  if (!(await find())) await registerProduct(owner, domain, product);
  if (product.until === 'DRAFT') return;
  const found = await find();
  if (!found) throw new Error(`The product ${path} was not registered.`);
  const [contract] = found.contracts;
  if (!found.contract && contract)
    payload((await owner(ActivateContract, { dataContract: contract.id })).activateDataContract);
  if (found.status === 'DRAFT') payload((await owner(Publish, { dataProduct: found.id })).publishDataProduct);
}

async function registerProduct(
  owner: Execute,
  domain: string,
  { domain: domainName, name, classification, accessMode }: Product,
) {
  const contract = readContract(`${domainName}-${name}`);
  const { description, tags, team } = parse(contract) as {
    description: { purpose: string };
    tags: string[];
    team: { username: string }[] | { members: { username: string }[] };
  };
  const members = Array.isArray(team) ? team : team.members;
  const input = {
    domain,
    name,
    description: description.purpose,
    owner: members[0]?.username ?? `${domainName}-data`,
    accessMode: accessMode ?? ('NRAC' as const),
    classification,
    tags,
    tables: [],
    contract,
  };
  payload((await owner(RegisterProduct, { input })).registerDataProduct);
}

/** What a domain's own systems tell; the key of each keeps it from being told twice. */
async function seedEvents(owner: Execute, domain: string): Promise<void> {
  const { detailType, description, schema, source, told } = DEMO_EVENTS;
  const type = { domain, detailType, description, schema, visibility: 'MESH' as const };
  payload((await owner(RegisterEventType, { input: type })).registerDomainEventType);
  for (const detail of told) {
    const input = { domain, detailType, source, detail, idempotencyKey: `demo ${detail.sale}` };
    payload((await owner(PublishEvent, { input })).publishDomainEvent);
  }
}

/** The contracts are documents, not code: they are read from the source folder, also when the compiled seed runs. */
function readContract(name: string): string {
  return readFileSync(new URL(`../../src/demo/contracts/${name}.odcs.yaml`, import.meta.url), 'utf8');
}

async function domainReady(admin: Execute, name: string): Promise<void> {
  await until(`The domain ${name} is ready`, async () => {
    const { domain } = await admin(DomainByName, { name });
    return domain?.status === 'READY' ? domain : undefined;
  });
}

async function published(owner: Execute, product: Product): Promise<void> {
  const path = `${product.domain}/${product.name}`;
  const found = await until(`The product ${path} is published`, async () => {
    const { dataProduct } = await owner(ProductByPath, { path });
    return dataProduct && dataProduct.status !== 'PUBLISHING' && dataProduct.status !== 'DRAFT'
      ? dataProduct
      : undefined;
  });
  if (product.until === 'DEPRECATED' && found.status === 'PUBLISHED') {
    payload((await owner(Deprecate, { dataProduct: found.id })).deprecateDataProduct);
  }
}

/** Finance asks Logistics for stock and, by tag, for punctuality (both approved), and for shipments (still pending): a first look sees something. */
async function seedRequests({
  requester,
  decider,
  domainIds,
}: {
  requester: Execute;
  decider: Execute;
  domainIds: Map<string, string>;
}) {
  if ((await requester(Requests)).accessRequests.nodes.length > 0) return;
  const ask = async (path: string, more: { purpose: string; tables?: string[]; columns?: string[] }) => {
    const { dataProduct } = await requester(ProductByPath, { path });
    const input = {
      dataProduct: dataProduct?.id as string,
      consumerDomain: domainIds.get('finance') as string,
      principals: ['arn:aws:iam::444455556666:role/analysts'],
      ...more,
    };
    const answer = payload((await requester(Request, { input })).requestAccess);
    return 'accessRequest' in answer ? answer.accessRequest : null;
  };
  const stock = await ask('logistics/warehouse-stock', { purpose: 'Value of the stock in the quarterly report' });
  if (stock) payload((await decider(Approve, { accessRequest: stock.id })).approveAccessRequest);
  const punctuality = await ask('logistics/carrier-performance', { purpose: 'Bonus and penalty of carriers' });
  if (punctuality) payload((await decider(Approve, { accessRequest: punctuality.id })).approveAccessRequest);
  await ask('logistics/shipments', {
    purpose: 'Check carrier bills against hand-overs',
    tables: ['shipments'],
    columns: ['shipment_id', 'carrier_code', 'handed_over_at', 'weight_grams'],
  });
}
