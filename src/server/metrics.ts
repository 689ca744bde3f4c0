import { Gauge, Registry } from 'prom-client';
import type { PublisherLag } from '../events/lag.js';

/** What /metrics answers, in Prometheus' text format. */
export interface Metrics {
  contentType: string;
  read(): Promise<string>;
}

const GAUGES: { [name: string]: { help: string; of: (lag: PublisherLag) => number } } = {
  meshgate_publisher_behind_events: { help: 'Events of the log that are not sent yet.', of: ({ events }) => events },
  meshgate_publisher_behind_seconds: {
    help: 'From the last event that was sent to the last of the log.',
    of: ({ seconds }) => Math.max(seconds, 0),
  },
  meshgate_publisher_oldest_unsent_age_seconds: {
    help: 'Age of the oldest event that is not sent yet; 0 where all are.',
    of: ({ oldestUnsentSeconds }) => Math.max(oldestUnsentSeconds, 0),
  },
  meshgate_publisher_dead_letters: {
    help: 'Entries that EventBridge refused for good and that have not arrived since.',
    of: ({ deadLetters }) => deadLetters,
  },
  meshgate_publisher_paused: { help: '1 while somebody holds the publisher up.', of: ({ paused }) => Number(paused) },
};

/** The metrics of the installation, read from the database at each look: every process tells the same. */
export function createMetrics(readLag: () => Promise<PublisherLag>): Metrics {
  const registry = new Registry();
  const gauges = Object.entries(GAUGES).map(([name, { help, of }]) => ({
    gauge: new Gauge({ name, help, registers: [registry] }),
    of,
  }));
  return {
    contentType: registry.contentType,
    read: async () => {
      const lag = await readLag();
      for (const { gauge, of } of gauges) gauge.set(of(lag));
      return registry.metrics();
    },
  };
}
