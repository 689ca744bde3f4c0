import { AccessMode, Classification, Permission } from '../../generated/prisma/enums.js';
import {
  choice,
  free,
  id,
  integer,
  list,
  nullable,
  object,
  optional,
  record,
  showingAws,
  text,
  time,
} from '../fields.js';

/** Fields that several event types share: the same name means the same everywhere. */

export const classification = choice(Classification, "The product's classification from then on.", 'INTERNAL');
export const accessMode = choice(AccessMode, 'How access to the product is given.', 'NRAC');
export const permissions = list(choice(Permission, 'A permission.', 'SELECT'), 'What may be done with the data.');
export const principals = list(
  text('The ARN of a role or user, or an account.', 'arn:aws:iam::333344445555:role/analysts'),
  'Who reads: ARNs of roles and users, or accounts.',
);
export const tables = list(text('A table.', 'orders'), 'Names of tables.');
export const columns = list(text('A column, as `table.column` or bare.', 'orders.order_id'), 'Names of columns.');
export const expiresAt = nullable(time('When it ends; null: it does not end by itself.', '2026-06-01T00:00:00.000Z'));
export const reason = text('Why, in the words of whoever did it.', 'The project has ended.');
export const comment = nullable(text('What he said to it.', 'Approved for the carrier bills.'));
export const resources = list(
  text('An ARN.', 'arn:aws:glue:eu-west-1:111122223333:table/commerce_nrac/commerce__orders__orders'),
  'ARNs of the Glue tables that it is about; on EventBridge also the resources of the entry.',
);
export const createResourceLinks = list(
  record('One order.', {
    account: text('The account whose workflow it is for.', '333344445555'),
    detail: free("The order, in the form of the AWS Analytics Reference Architecture's workflows.", {
      database_name: 'data-products',
      table_names: ['orders'],
      lf_access_mode: 'nrac',
    }),
  }),
  'What the workflows of domains that provision for themselves have to link.',
);

/** Of every event about a product, or about something of a product. */
export const ofProduct = {
  tags: list(text('A tag.', 'sales'), "The product's tags from then on: what filters go by."),
  classification,
  dataProduct: id('The product.', 'DataProduct'),
} as const;

/** What the policies said to a request. */
export const policy = object('EventPolicyDecision', 'What the policies said.', {
  outcome: text('AUTO_APPROVED, NEEDS_APPROVAL, APPROVED or DENIED.', 'NEEDS_APPROVAL'),
  version: text('Names all policies that were asked, together.', 'b2c1f0'),
  reasons: list(text('A reason.', 'INTERNAL data needs one approval.'), 'Why.'),
  policies: list(
    object('EventPolicy', 'A policy that decided.', {
      name: text('Its name.', 'classification'),
      version: integer('Its version.', 1),
      domain: nullable(text('Its domain; null: it is of the whole mesh.', 'commerce')),
    }),
    'Which policies decided.',
  ),
});

/** An AWS object that did not come about. */
export const failures = list(
  object('EventFailure', 'An AWS object that did not come about.', {
    kind: text('Its kind.', 'LfGrant'),
    key: text('What it is called.', '333344445555 on table 111122223333/commerce_nrac/orders'),
    account: text('The account that was called.', '111122223333'),
    error: nullable(
      object('EventFailureReason', 'What AWS answered.', {
        code: optional(text('The AWS error name.', 'AccessDeniedException')),
        message: optional(showingAws(text('What happened.', 'Insufficient Lake Formation permission(s).'))),
      }),
    ),
  }),
  'Which AWS objects did not come about, and why.',
);
