import { createAws } from '../../src/aws/clients.js';
import { resourceSubjectId } from '../../src/governance/global-id.js';
import { type ReconcilerTimes, startReconciler } from '../../src/provisioning/reconcile.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { openDatabase } from '../../src/server/database.js';
import { createLog } from '../../src/server/log.js';

/** What a test tells its worker, as JSON in argv. */
export interface WorkerSettings {
  serverUrl: string;
  endpoint: string;
  governanceAccount: string;
  region: string;
  role: string;
  times: ReconcilerTimes;
}

const { serverUrl, endpoint, governanceAccount, region, role, times } = JSON.parse(process.argv[2]!) as WorkerSettings;
const log = createLog({ level: 'silent' });
startReconciler({
  db: openDatabase(serverUrl, { poolSize: 6 }).prisma,
  aws: createAws({
    governanceAccount,
    region,
    endpoint,
    baseCredentials: governanceCredentials(governanceAccount),
    requestTimeoutMs: times.requestTimeoutMs,
    log,
  }),
  roleOf: async (account) =>
    account === governanceAccount ? null : { arn: role.replace('ACCOUNT', account), externalId: 'ext-1' },
  settled: async () => undefined,
  unsettledOwners: async () => [],
  aboutResource: async (_tx, { id, key }) => ({
    subject: { type: 'Resource', id, name: key, domain: null },
    subjectId: resourceSubjectId(id),
    domainId: null,
    audience: { public: false, domains: [], subjects: [] },
  }),
  log,
  times,
});
