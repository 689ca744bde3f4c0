import {
  type Column,
  type Crawler,
  CreateCrawlerCommand,
  type CreateCrawlerCommandInput,
  DeleteCrawlerCommand,
  GetCrawlerCommand,
  GetTableCommand,
  StartCrawlerCommand,
  StopCrawlerCommand,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Observation } from '../provisioning/provider.js';
import { differs, firstCall, gone, oneByOne } from './attempt.js';
import { isNamed, PermanentFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'CrawlerRun'>;

/** Begins the description of every crawler that is ours; the run's id follows. */
const OURS = 'Meshgate run ';

/**
 * One run of a crawler. Every run has a crawler of its own under the same name, made for it and deleted before the next: so a crawl that
 * the crawler has had is the run's. It reads through the link and writes to the link's target, as the role, with the role's own Lake
 * Formation permissions (AWS Glue developer guide, crawler-configuration, "existing catalog tables as the source").
 */
export const crawlerRun: AwsProvider<'CrawlerRun'> = oneByOne<'CrawlerRun'>({
  kind: 'CrawlerRun',
  width: 4,
  async observe(session, { spec }) {
    const crawler = await read(session, spec);
    return crawler ? observation(session, spec, crawler) : { state: 'MISSING' };
  },
  async apply(session, { item, observation: seen }) {
    const { spec } = item;
    if (seen.state === 'DIFFERS') {
      const { failure } = seen.observed as Partial<Seen>;
      if (failure) throw new PermanentFailure('CrawlFailed', failure);
      await removeCrawler(session, spec);
    }
    if (seen.state !== 'WAITING') await firstCall(() => session.glue.send(new CreateCrawlerCommand(createInput(spec))));
    await startCrawler(session, spec);
  },
  remove: (session, { spec }) => gone(() => removeCrawler(session, spec)),
  calls: (_account, { spec }, action) => [
    ...(action === 'CREATE' ? [] : [{ service: 'glue', operation: 'DeleteCrawler', parameters: named(spec) }]),
    ...(action === 'DELETE'
      ? []
      : [
          { service: 'glue', operation: 'CreateCrawler', parameters: { ...createInput(spec) } },
          { service: 'glue', operation: 'StartCrawler', parameters: named(spec) },
        ]),
  ],
});

/** What an observation carries beside the table: why the run failed, where it did. */
interface Seen {
  run: string | null;
  failure?: string;
}

async function read(session: AwsSession, spec: Spec): Promise<Crawler | undefined> {
  return (await session.glue.send(new GetCrawlerCommand(named(spec)))).Crawler;
}

/** A run that failed DIFFERS, so that it can still be removed; applying it once more says why it failed. */
async function observation(session: AwsSession, spec: Spec, crawler: Crawler): Promise<Observation> {
  const observed: Seen = { run: runOf(crawler) };
  const differences = differencesOf(crawler, spec);
  if (differences.length > 0) return { state: 'DIFFERS', observed: { ...observed }, differences };
  if (crawler.State !== 'READY') {
    return { state: 'WAITING', observed: { ...observed }, waitingFor: `the crawler ${spec.name} to finish` };
  }
  const { Status: status, ErrorMessage: message } = crawler.LastCrawl ?? {};
  if (status === undefined) {
    const waitingFor = `the crawler ${spec.name} to be started`;
    return { state: 'WAITING', observed: { ...observed }, waitingFor, actionable: true };
  }
  if (status === 'SUCCEEDED')
    return { state: 'AGREES', observed: { ...observed, ...(await readTarget(session, spec)) } };
  const failure = `The crawl ended ${status}: ${message ?? 'AWS gives no reason'}. Ask for another run once the cause is gone.`;
  return { state: 'DIFFERS', observed: { ...observed, failure }, differences: [failure] };
}

function runOf({ Description: text }: Crawler): string | null {
  return text?.startsWith(OURS) ? text.slice(OURS.length) : null;
}

function differencesOf(crawler: Crawler, spec: Spec): string[] {
  const run = runOf(crawler);
  if (run === null) return [`the crawler ${spec.name} was not made by Meshgate`];
  const wanted = createInput(spec);
  // Glue names a role without its ARN.
  const role = spec.roleArn.replace(/^arn:[^:]*:iam::\d{12}:role\//, '');
  const { DatabaseName, Tables } = crawler.Targets?.CatalogTargets?.[0] ?? {};
  return [
    ...differs('run', run, spec.run),
    ...differs('role', crawler.Role?.replace(/^arn:[^:]*:iam::\d{12}:role\//, ''), role),
    ...differs('target', [{ DatabaseName, Tables }], wanted.Targets?.CatalogTargets),
  ];
}

/** The table as it is after the run, with its columns in the form of a contract's. */
async function readTarget(session: AwsSession, { target }: Spec) {
  const { catalogId: CatalogId, database: DatabaseName, table: Name } = target;
  const { Table: table } = await session.glue.send(new GetTableCommand({ CatalogId, DatabaseName, Name }));
  return {
    columns: columnsOf(table?.StorageDescriptor?.Columns),
    partitionKeys: columnsOf(table?.PartitionKeys),
    versionId: table?.VersionId ?? null,
  };
}

function columnsOf(columns: Column[] | undefined): { name: string; type: string; comment?: string }[] {
  return (columns ?? []).map(({ Name: name = '', Type: type = '', Comment: comment }) => ({
    name,
    type,
    ...(comment ? { comment } : {}),
  }));
}

/** One that runs already is attached to. */
async function startCrawler(session: AwsSession, spec: Spec): Promise<void> {
  try {
    await session.glue.send(new StartCrawlerCommand(named(spec)));
  } catch (error) {
    if (!isNamed(error, 'CrawlerRunningException')) throw error;
  }
}

/** A crawler that runs is stopped first; it can be deleted once it has stopped, so the failure is tried again. */
async function removeCrawler(session: AwsSession, spec: Spec): Promise<void> {
  const crawler = await read(session, spec);
  if (crawler && runOf(crawler) === null) {
    throw new PermanentFailure('Conflict', `The crawler ${spec.name} was not made by Meshgate: it is left alone.`);
  }
  try {
    await session.glue.send(new DeleteCrawlerCommand(named(spec)));
  } catch (error) {
    if (!isNamed(error, 'CrawlerRunningException')) throw error;
    await stopCrawler(session, spec);
    throw error;
  }
}

async function stopCrawler(session: AwsSession, spec: Spec): Promise<void> {
  try {
    await session.glue.send(new StopCrawlerCommand(named(spec)));
  } catch (error) {
    if (!isNamed(error, 'CrawlerStoppingException', 'CrawlerNotRunningException')) throw error;
  }
}

function named(spec: Spec): { Name: string } {
  return { Name: spec.name };
}

/** A crawler of catalog tables must not delete what it no longer finds (AWS Glue API reference, SchemaChangePolicy and CatalogTarget). */
function createInput(spec: Spec): CreateCrawlerCommandInput {
  return {
    ...named(spec),
    Role: spec.roleArn,
    Description: `${OURS}${spec.run}`,
    Targets: { CatalogTargets: [{ DatabaseName: spec.link.database, Tables: [spec.link.table] }] },
    SchemaChangePolicy: { UpdateBehavior: 'UPDATE_IN_DATABASE', DeleteBehavior: 'LOG' },
    LakeFormationConfiguration: { UseLakeFormationCredentials: false },
  };
}
