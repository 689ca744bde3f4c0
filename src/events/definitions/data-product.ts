import { Classification } from '../../generated/prisma/enums.js';
import { change, choice, free, id, integer, list, nullable, object, optional, record, text } from '../fields.js';
import { accessMode, createResourceLinks, ofProduct, reason, resources, tables } from './common.js';
import type { EventDefinition } from './definition.js';

const about = { subject: 'DataProduct', version: 1 } as const;
const aboutContract = { subject: 'DataContract', version: 1 } as const;
const status = text('The state of the product.', 'PUBLISHED');
const contractVersion = text("The contract's version.", '1.2.0');
const contractStatus = text('The state of the contract.', 'ACTIVE');
const digest = text(
  'SHA-256 of the document, hex.',
  '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
);
const ofContract = {
  ...ofProduct,
  odcsId: text("The contract's own `id`.", 'orders'),
  contractVersion,
};
const names = (what: string, example: string) => list(text(`A ${what}.`, example), `Each ${what}.`);

/** What happens to products and their contracts. */
export const productEvents = {
  DataProductRegistered: {
    ...about,
    says: 'A draft product was registered.',
    data: {
      ...ofProduct,
      ...{ accessMode, tables },
      description: text('What it is.', 'Every order placed in the shops and the app.'),
      owner: nullable(text('Who answers for it.', 'nina.sommer')),
    },
  },
  DataProductUpdated: {
    ...about,
    says: "A product's description, owner, tags or tables changed.",
    data: {
      ...ofProduct,
      before: free('What changed, as it was.', { owner: 'nina.sommer' }),
      after: free('What changed, as it is now.', { owner: 'elif.kaya' }),
      createResourceLinks: optional(createResourceLinks),
    },
  },
  DataProductPublished: {
    ...about,
    says: 'A product was published; its tables are on their way.',
    data: { ...ofProduct, ...change({ status }), tables },
  },
  DataProductReady: {
    ...about,
    says: "A published product's tables stand in AWS.",
    data: { ...ofProduct, ...change({ status, accessMode: optional(nullable(accessMode)) }), resources },
  },
  DataProductDeprecated: {
    ...about,
    says: 'A product takes no new requests any more.',
    data: { ...ofProduct, ...change({ status }), reason: nullable(reason) },
  },
  DataProductRetired: {
    ...about,
    says: 'A product was taken off the mesh.',
    data: { ...ofProduct, ...change({ status }), revokedGrants: integer('How many grants ended with it.', 0) },
  },
  SchemaChanged: {
    ...about,
    says: "A product's tables or columns changed.",
    data: {
      ...ofProduct,
      source: optional(text('CRAWLER where a crawler found it.', 'CRAWLER')),
      contractVersion: optional(contractVersion),
      tableChanges: object('EventTableChanges', 'Which tables came and went.', {
        added: names('table that came', 'returns'),
        removed: names('table that went', 'drafts'),
      }),
      columnChanges: object('EventColumnChanges', 'Which columns came, went or changed.', {
        added: names('column that came', 'orders.channel'),
        removed: names('column that went', 'orders.legacy_id'),
        changed: list(
          object('EventColumnChange', 'A column of another type.', {
            column: text('The column, as `table.column`.', 'orders.total'),
            before: text('Its type before.', 'int'),
            after: text('Its type now.', 'bigint'),
          }),
          'Columns of another type.',
        ),
      }),
    },
  },
  ContractViolated: {
    ...about,
    says: 'What a crawler found breaks the contract in force.',
    data: {
      ...ofProduct,
      contractVersion: nullable(contractVersion),
      violations: list(
        object('EventViolation', 'What breaks the contract.', {
          path: text('Where in the contract.', 'schema/orders/properties/total'),
          kind: text('What sort of break it is.', 'COLUMN_REMOVED'),
          message: text('What is wrong.', 'Column total of orders is gone.'),
        }),
        'What breaks the contract.',
      ),
    },
  },
  RestrictedDetailsRead: {
    ...about,
    says: 'Somebody read who may read a sensitive product, which rows, or how.',
    data: {
      classification: choice(Classification, "The product's classification.", 'RESTRICTED'),
      fields: list(text('A field.', 'AccessRequest.principals'), 'Which fields were read.'),
      objects: list(id('An object.'), 'Of which objects; 100 at most.'),
      count: integer('Of how many objects.', 1),
    },
  },
  DataContractProposed: {
    ...aboutContract,
    says: 'A contract document was imported.',
    data: {
      ...ofContract,
      revision: integer('Counts the documents of this version.', 1),
      before: nullable(record('The document that it replaces; null: none.', { digest })),
      after: record('The document.', { digest }),
      warnings: integer('How many points of it the standard does not know.', 0),
    },
  },
  DataContractActivated: {
    ...aboutContract,
    says: 'A contract version is now the one in force.',
    data: {
      ...ofContract,
      before: record('As it was, and which version was in force.', {
        status: contractStatus,
        version: nullable(contractVersion),
      }),
      after: record('As it is, and which version is in force.', { status: contractStatus, version: contractVersion }),
    },
  },
  DataContractDeprecated: {
    ...aboutContract,
    says: 'A contract version was superseded.',
    data: { ...ofContract, ...change({ status: contractStatus }), supersededBy: text('By which version.', '1.3.0') },
  },
} as const satisfies Record<string, EventDefinition>;
