import { Gauge, Registry } from 'prom-client';
import type { PublisherLag } from '../events/lag.js';
import type { HeldEvents } from '../governance/quarantine.js';

/** What /metrics answers, in Prometheus' text format. */
export interface Metrics {
  contentType: string;
  read(): Promise<string>;
}

/** What there is to tell of the installation. */
export interface Facts {
  publisher: PublisherLag;
  /** Of what came in, what is held: every reason, also where nothing is. */
  held: readonly HeldEvents[];
}

interface Measured {
  labels?: Record<string, string>;
  value: number;
}

/** A gauge of Prometheus; a label's value of which nothing is told any more goes. */
interface Described {
  help: string;
  labels?: string[];
  of: (facts: Facts) => Measured[];
}

const one = (value: number): Measured[] => [{ value: Math.max(value, 0) }];

const GAUGES: { [name: string]: Described } = {
  meshgate_publisher_behind_events: {
    help: 'Events of the log that are not sent yet.',
    of: ({ publisher }) => one(publisher.events),
  },
  meshgate_publisher_behind_seconds: {
    help: 'From the last event that was sent to the last of the log.',
    of: ({ publisher }) => one(publisher.seconds),
  },
  meshgate_publisher_oldest_unsent_age_seconds: {
    help: 'Age of the oldest event that is not sent yet; 0 where all are.',
    of: ({ publisher }) => one(publisher.oldestUnsentSeconds),
  },
  meshgate_publisher_failing_seconds: {
    help: 'Since when EventBridge has taken nothing, by the reason that it gave last; no line while it takes what it is sent.',
    labels: ['code'],
    of: ({ publisher: { failure } }) =>
      failure ? [{ labels: { code: failure.code }, value: Math.max(failure.seconds, 0) }] : [],
  },
  meshgate_publisher_dead_letters: {
    help: 'Entries that EventBridge refused for good and that have not arrived since.',
    of: ({ publisher }) => one(publisher.deadLetters),
  },
  meshgate_publisher_paused: {
    help: '1 while somebody holds the publisher up.',
    of: ({ publisher }) => one(Number(publisher.paused)),
  },
  meshgate_inbox_held_events: {
    help: 'Events that came in, could not be taken and wait for somebody, by the reason.',
    labels: ['reason'],
    of: ({ held }) => held.map(({ reason, count }) => ({ labels: { reason }, value: count })),
  },
  meshgate_inbox_oldest_held_age_seconds: {
    help: 'Age of the oldest of them; 0 where there is none.',
    of: ({ held }) => one(Math.max(0, ...held.map(({ oldestSeconds }) => oldestSeconds))),
  },
};

/** The metrics of the installation, read from the database at each look: every process tells the same. */
export function createMetrics(readFacts: () => Promise<Facts>): Metrics {
  const registry = new Registry();
  const gauges = Object.entries(GAUGES).map(([name, { help, labels, of }]) => ({
    gauge: new Gauge({ name, help, labelNames: labels ?? [], registers: [registry] }),
    of,
  }));
  return {
    contentType: registry.contentType,
    read: async () => {
      const facts = await readFacts();
      for (const { gauge, of } of gauges) {
        gauge.reset();
        for (const { labels = {}, value } of of(facts)) gauge.set(labels, value);
      }
      return registry.metrics();
    },
  };
}
