import { free, integer, list, nullable, number, text, time } from '../fields.js';
import { comment, ofProduct } from './common.js';
import type { EventDefinition } from './definition.js';

const heldEvent = { subject: 'QuarantinedEvent', version: 1 } as const;
const ofProducts = { subject: 'DataProduct', version: 1 } as const;
const sent = {
  account: text('The AWS account that sent it, as EventBridge says, not the sender.', '222233334444'),
  source: text("The sender's `source`.", 'com.example.sales'),
  detailType: text("The sender's `detail-type`.", 'SaleRecorded'),
} as const;
const held = {
  account: nullable(sent.account),
  source: nullable(sent.source),
  detailType: nullable(sent.detailType),
  reason: text('Why it was held.', 'INVALID_DETAIL'),
  comment,
} as const;
const table = text('The table.', 'orders');
const state = text('How it went.', 'SUCCEEDED');

/** What comes in from domains and from AWS. */
export const inboxEvents = {
  DomainEventReceived: {
    ...{ subject: 'Domain', version: 1 },
    says: 'A domain told of something that happened in its own business.',
    data: {
      ...sent,
      detail: free('What it told.', { sale: 'S-1', amount: 12.5 }),
      schemaVersion: integer('The version of the schema that the domain registered for it.', 1),
    },
  },
  QuarantinedEventReleased: {
    ...heldEvent,
    says: 'Somebody had an event taken that had come in and was held.',
    data: held,
  },
  QuarantinedEventDiscarded: {
    ...heldEvent,
    says: 'Somebody decided that an event that had come in and was held is of no use.',
    data: held,
  },
  QualityEvaluated: {
    ...ofProducts,
    says: "AWS Glue Data Quality evaluated a product's table.",
    data: {
      ...ofProduct,
      ...{ table, state },
      resultId: text('Names the result in AWS Glue.', 'dqresult-0a1b2c3d'),
      score: nullable(number('From 0 to 1; null: none.', 0.97)),
      rulesSucceeded: integer('So many rules held.', 33),
      rulesFailed: integer('So many did not.', 1),
      rulesSkipped: integer('So many were not tried.', 0),
      rulesets: list(text('A ruleset.', 'orders-contract'), 'The rulesets that were evaluated.'),
      evaluatedAt: time('When.'),
    },
  },
  HealthReported: {
    ...ofProducts,
    says: "The workflow of a product's domain said how it went with a table.",
    data: {
      ...ofProduct,
      ...{ table, state },
      message: nullable(text('What went wrong.', 'The crawler has no permission.')),
      reportedAt: time('When.'),
    },
  },
} as const satisfies Record<string, EventDefinition>;
