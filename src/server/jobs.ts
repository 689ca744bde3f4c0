import { PgBoss, type Queue } from 'pg-boss';
import type { LaneKey } from '../provisioning/lane.js';
import type { Log } from './log.js';

/** Schema of the job tables, created by `migrate` as the owner. */
export const jobSchema = 'pgboss';

/** Queue whose jobs wake the reconciler for one lane; the singleton key is the lane, so wake-ups collapse into one. */
export const laneQueue = 'lane';

/** Every queue that there must be, with its settings. */
export const queues: Record<string, Omit<Queue, 'name'>> = {
  [laneQueue]: { policy: 'stately', notify: true, heartbeatSeconds: 10, retryLimit: 2, deleteAfterSeconds: 3600 },
};

/** The job queue of one process. */
export interface Jobs {
  /** Wakes a lane. Send after commit: sends of one lane block one another across open transactions. */
  wakeLane(lane: LaneKey): Promise<void>;
  /** Runs `run` for each lane that is woken, up to `concurrency` lanes at a time, until `close`. */
  runLanes(run: (lane: LaneKey) => Promise<void>, concurrency: number): Promise<void>;
  /** Lets running lanes finish for up to `graceSeconds`, then stops. */
  close(graceSeconds?: number): Promise<void>;
}

/** Opens the queue with the server's role, which may neither create nor change its tables. */
export async function openJobs({ serverUrl, log }: { serverUrl: string; log: Log }): Promise<Jobs> {
  const boss = new PgBoss({
    connectionString: serverUrl,
    schema: jobSchema,
    application_name: 'meshgate-jobs',
    max: 4,
    migrate: false,
    createSchema: false,
    schedule: false,
    reindex: false,
    useListenNotify: true,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  });
  boss.on('error', (error) => log.error({ err: error }, 'job queue'));
  await boss.start();
  return {
    wakeLane: async (lane) => {
      await boss.send(laneQueue, lane, { singletonKey: `${lane.account}/${lane.region}` });
    },
    runLanes: async (run, concurrency) => {
      const options = { pollingIntervalSeconds: 1, batchSize: 1, localConcurrency: concurrency };
      await boss.work<LaneKey>(laneQueue, options, async ([job]) => {
        if (job) await run(job.data);
      });
    },
    close: (graceSeconds = 10) => boss.stop({ graceful: true, timeout: graceSeconds * 1000 }),
  };
}
