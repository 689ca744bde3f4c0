import type { DomainRole } from '../generated/graphql/graphql.js';

/** The demo mesh: a governance account and four domains in accounts of their own. */
export const DEMO_REGION = 'eu-west-1';
export const GOVERNANCE_ACCOUNT = '111122223333';

interface DemoDomain {
  name: string;
  displayName: string;
  description: string;
  account: string;
}

export const DEMO_DOMAINS: readonly DemoDomain[] = [
  {
    name: 'commerce',
    displayName: 'Commerce',
    description: 'The shops and the app: articles, carts and orders.',
    account: '222233334444',
  },
  {
    name: 'logistics',
    displayName: 'Logistics',
    description: 'Warehouses, parcels and carriers.',
    account: '333344445555',
  },
  {
    name: 'finance',
    displayName: 'Finance',
    description: 'Revenue, invoices and fraud.',
    account: '444455556666',
  },
  {
    name: 'customer',
    displayName: 'Customer',
    description: 'Who our customers are and how they are served.',
    account: '555566667777',
  },
];

export const DEMO_ACCOUNTS: readonly string[] = DEMO_DOMAINS.map(({ account }) => account);

/** A person of the demo. `role` is his role in `domain`, admin for the platform admin, null for one without a membership. */
export interface DemoUser {
  name: string;
  subject: string;
  groups: string[];
  domain: string | null;
  role: 'owner' | 'steward' | 'member' | 'admin' | null;
}

const person = (name: string, domain: string | null, role: DemoUser['role'], groups: string[] = []): DemoUser => ({
  name,
  subject: name.toLowerCase().replaceAll(' ', '.'),
  groups,
  domain,
  role,
});

export const DEMO_USERS: readonly DemoUser[] = [
  person('Ada Admin', null, 'admin', ['meshgate-admins']),
  person('Maria Keller', 'commerce', 'owner'),
  person('Jonas Weber', 'commerce', 'steward'),
  person('Nina Sommer', 'commerce', 'member'),
  person('Lena Fischer', 'logistics', 'owner'),
  person('Tomasz Nowak', 'logistics', 'steward'),
  person('Elif Kaya', 'logistics', 'member'),
  person('Sofia Rossi', 'finance', 'owner'),
  person('Pierre Laurent', 'finance', 'steward'),
  person('Oskar Lind', 'finance', 'member'),
  person('Amina Diallo', 'customer', 'owner'),
  person('Hugo Martin', 'customer', 'steward'),
  person('Yuki Tanaka', 'customer', 'member'),
  person('Otto Outsider', null, null),
];

/** DomainRole of a demo role. */
export const domainRole = (role: DemoUser['role']): DomainRole => (role ?? 'member').toUpperCase() as DomainRole;

/** What Commerce's tills tell the mesh of, and what they have told. */
export const DEMO_EVENTS = {
  domain: 'commerce',
  detailType: 'SaleRecorded',
  description: 'A till of a shop recorded a sale.',
  schema: {
    type: 'object',
    required: ['sale', 'shop', 'amount', 'currency'],
    properties: {
      sale: { type: 'string', description: 'Its number.' },
      shop: { type: 'string', description: 'Which shop.' },
      amount: { type: 'number', minimum: 0, description: 'With taxes.' },
      currency: { enum: ['EUR', 'CHF'] },
    },
    additionalProperties: false,
  },
  source: 'com.example.commerce.tills',
  told: [
    { sale: 'S-1001', shop: 'Vienna', amount: 49.9, currency: 'EUR' },
    { sale: 'S-1002', shop: 'Zurich', amount: 120, currency: 'CHF' },
    { sale: 'S-1003', shop: 'Vienna', amount: 12.5, currency: 'EUR' },
  ],
} as const;

/** One product of the demo, made from its contract in `contracts/`. */
interface DemoProduct {
  domain: string;
  name: string;
  classification: 'PUBLIC' | 'INTERNAL' | 'CONFIDENTIAL' | 'RESTRICTED';
  /** How access is given; by name where nothing is said. */
  accessMode?: 'LF_TBAC';
  /** How far its life has come. */
  until: 'DRAFT' | 'PUBLISHED' | 'DEPRECATED';
}

export const DEMO_PRODUCTS: readonly DemoProduct[] = [
  { domain: 'commerce', name: 'orders', classification: 'INTERNAL', until: 'PUBLISHED' },
  { domain: 'commerce', name: 'product-catalog', classification: 'PUBLIC', until: 'PUBLISHED' },
  { domain: 'commerce', name: 'store-traffic', classification: 'INTERNAL', accessMode: 'LF_TBAC', until: 'PUBLISHED' },
  { domain: 'commerce', name: 'carts', classification: 'INTERNAL', until: 'DEPRECATED' },
  { domain: 'commerce', name: 'checkout-events', classification: 'INTERNAL', until: 'DRAFT' },
  { domain: 'logistics', name: 'shipments', classification: 'INTERNAL', until: 'PUBLISHED' },
  { domain: 'logistics', name: 'warehouse-stock', classification: 'INTERNAL', until: 'PUBLISHED' },
  {
    domain: 'logistics',
    name: 'carrier-performance',
    classification: 'INTERNAL',
    accessMode: 'LF_TBAC',
    until: 'PUBLISHED',
  },
  { domain: 'finance', name: 'revenue-daily', classification: 'INTERNAL', until: 'PUBLISHED' },
  { domain: 'finance', name: 'invoices', classification: 'CONFIDENTIAL', accessMode: 'LF_TBAC', until: 'PUBLISHED' },
  { domain: 'finance', name: 'fraud-cases', classification: 'RESTRICTED', until: 'PUBLISHED' },
  { domain: 'customer', name: 'profiles', classification: 'RESTRICTED', until: 'PUBLISHED' },
  { domain: 'customer', name: 'segments', classification: 'INTERNAL', until: 'PUBLISHED' },
];
