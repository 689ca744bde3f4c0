import { Client } from 'pg';
import { fullJitter, type Log, pause } from './loop.js';

/** Tells the log's readers in this process that there are new events. A hint only: every reader polls as well. */
export interface Listener {
  /** Calls `wake` whenever there may be new events, until the function returned is called. */
  onWake(wake: () => void): () => void;
  stop(): Promise<void>;
}

/** Holds one connection that LISTENs to the sequencers, and makes a new one whenever it is lost. */
export function startListener({ databaseUrl, log }: { databaseUrl: string; log: Log }): Listener {
  const wakes = new Set<() => void>();
  const stopping = new AbortController();
  let hangUp: (() => void) | undefined;

  function wakeAll(): void {
    for (const wake of wakes) wake();
  }

  async function listenOnce(): Promise<void> {
    const client = new Client({ connectionString: databaseUrl, keepAlive: true, connectionTimeoutMillis: 5_000 });
    const lost = new Promise<void>((resolve) => {
      hangUp = resolve;
      client.on('error', () => resolve());
      client.on('end', () => resolve());
    });
    try {
      await client.connect();
      client.on('notification', wakeAll);
      await client.query('LISTEN meshgate_events');
      // Events may have come while nobody listened.
      wakeAll();
      if (!stopping.signal.aborted) await lost;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async function listen(): Promise<void> {
    for (let attempt = 1; !stopping.signal.aborted; attempt += 1) {
      const began = Date.now();
      const error = await listenOnce().catch((reason: unknown) => reason);
      if (stopping.signal.aborted) return;
      if (Date.now() - began > 10_000) attempt = 1;
      log.warn({ err: error, attempt }, 'event listener: connection lost, connecting again; polling meanwhile');
      await pause(fullJitter({ attempt, baseMs: 100, capMs: 5_000 }), stopping.signal);
    }
  }

  const ended = listen();
  return {
    onWake(wake) {
      wakes.add(wake);
      return () => wakes.delete(wake);
    },
    async stop() {
      stopping.abort();
      hangUp?.();
      await ended;
    },
  };
}
