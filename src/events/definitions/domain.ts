import { change, free, id, list, nullable, optional, text, time } from '../fields.js';
import type { EventDefinition } from './definition.js';

const deputyship = {
  deputyship: id('The deputyship.'),
  deputy: text('Who decides.', 'jonas.weber'),
  standsInFor: text('For whom.', 'maria.keller'),
  from: time('From when on.', '2026-03-01T00:00:00.000Z'),
  until: time('Until when.', '2026-03-15T00:00:00.000Z'),
  endedAt: optional(nullable(time('When it ended.', '2026-03-10T00:00:00.000Z'))),
} as const;
const about = { subject: 'Domain', version: 1 } as const;

/** What happens to domains, and what they tell themselves. */
export const domainEvents = {
  DomainRegistered: {
    ...about,
    says: 'A domain was registered; its AWS objects are on their way.',
    data: {
      displayName: text('Its name for people.', 'Commerce'),
      awsAccountId: text('Its AWS account.', '222233334444'),
      awsRegion: text('Its region.', 'eu-west-1'),
    },
  },
  DomainReady: {
    ...about,
    says: 'Everything the domain needs stands in AWS.',
    data: change({ status: text('The state of the domain.', 'READY') }),
  },
  DomainUpdated: {
    ...about,
    says: 'A domain or its membership changed.',
    data: {
      changed: optional(
        list(text('A field.', 'driftPolicy'), 'Which fields changed, also those whose value is not told.'),
      ),
      member: optional(text('Whose membership changed.', 'nina.sommer')),
      eventRoute: optional(text('Which route of its events changed, by name.', 'warehouse')),
      before: nullable(
        free('What changed, as it was; of a membership, its role; null: a route came.', { driftPolicy: 'REPAIR' }),
      ),
      after: nullable(free('What changed, as it is now; null: a route went.', { driftPolicy: 'REPORT' })),
    },
  },
  DeputyNamed: {
    ...about,
    says: 'Somebody may decide requests for an owner or steward, for a while.',
    data: deputyship,
  },
  DeputyEnded: {
    ...about,
    says: 'Somebody decides for an owner or steward no more.',
    data: deputyship,
  },
} as const satisfies Record<string, EventDefinition>;
