import { integer, list, nullable, optional, record, text } from '../fields.js';
import type { EventDefinition } from './definition.js';

const about = { subject: 'Publisher', version: 1 } as const;
const pause = record('How the sending was held up.', {
  pausedBy: text('Who held it up.', 'ada.admin'),
  pauseReason: text('Why.', 'The central bus is being moved.'),
});

/** What happens to the sending of events to EventBridge. */
export const publisherEvents = {
  PublisherPaused: {
    ...about,
    says: 'Somebody stopped the sending of events to EventBridge.',
    data: { before: nullable(pause), after: pause },
  },
  PublisherResumed: {
    ...about,
    says: 'Somebody let the sending of events go on.',
    data: {
      before: pause,
      after: nullable(pause),
      sentAgainFrom: optional(text('The number of the event from which on all is sent again.', '42')),
      leftOut: optional(
        record('What is never sent, as the log no longer held it.', {
          first: text('The number of its first event.', '5'),
          last: text('The number of its last event.', '41'),
        }),
      ),
    },
  },
  EventsRedriven: {
    ...about,
    says: 'Somebody had events sent again that EventBridge had refused.',
    data: {
      redrive: text('Names this redrive: their dead letters carry it.', '5f0c6c0e-6f0e-4d4a-9d0e-0c6a3f5b7a10'),
      count: integer('How many dead letters.', 1),
      sequences: list(text('A number of the log.', '42'), 'The numbers of the events.'),
    },
  },
} as const satisfies Record<string, EventDefinition>;
