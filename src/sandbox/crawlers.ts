/** AWS Glue crawlers over catalog targets. AWS page: Glue API, "Crawlers and classifiers". */
import { type CrawlerInput, configurationOf, inputOf } from './crawlers-input.js';
import { type CrawlOrder, crawl } from './crawlers-run.js';
import { defined, entityNotFound, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { regionalService } from './regional.js';
import { AwsError, type Call, type Service, type World } from './service.js';
import { tellAsService } from './service-events.js';
import { sandboxSettings } from './settings.js';
import { type Storage, StorageError } from './storage.js';

interface LastCrawl {
  Status: 'SUCCEEDED' | 'CANCELLED' | 'FAILED';
  ErrorMessage?: string;
  StartTime: string;
  LogGroup: string;
  LogStream: string;
  MessagePrefix: string;
}

/** A crawler as stored, by `account|name`; times are ISO 8601, or milliseconds where they are counted with. */
interface CrawlerRecord extends CrawlerInput {
  account: string;
  region: string;
  Name: string;
  Version: number;
  CreationTime: string;
  LastUpdated: string;
  run?: { id: string; startedAt: number; endsAt: number; stopping: boolean };
  LastCrawl?: LastCrawl;
  runtimesMs: number[];
  tablesUpdated: number;
}

const KEPT_RUNTIMES = 100;
/** A timer may be that early by the clock. */
const EARLY_MS = 5;

/** The operations of crawlers; their files are in `storage`. */
export function crawlers(storage: Storage): Service {
  const found = (call: Call, world: World, member = 'Name') => crawlerOf(call, world, { storage, member });
  const operations: Service = {
    CreateCrawler: createCrawler,
    GetCrawler: (call, world) => ({ Crawler: toCrawler(world, found(call, world)) }),
    GetCrawlers: (call, world) => getCrawlers(call, world, storage),
    UpdateCrawler: (call, world) => updateCrawler(call, world, found(call, world)),
    StartCrawler: (call, world) => startCrawler(world, found(call, world), storage),
    StopCrawler: (call, world) => stopCrawler(world, found(call, world)),
    DeleteCrawler: (call, world) => deleteCrawler(world, found(call, world)),
    GetCrawlerMetrics: (call, world) => getCrawlerMetrics(call, world, storage),
  };
  return regionalService(operations, { listings: {} });
}

function table(world: World) {
  return world.table<CrawlerRecord>('glue/crawlers');
}

function keyOf({ account, Name }: Pick<CrawlerRecord, 'account' | 'Name'>): string {
  return `${account}|${Name}`;
}

/** The crawler that a call names, after a run whose time is over has had its effect. */
function crawlerOf(call: Call, world: World, { storage, member }: { storage: Storage; member: string }): CrawlerRecord {
  requireMembers(call.parameters, [member]);
  const Name: string = call.parameters[member];
  const key = keyOf({ account: call.account, Name });
  settle(world, storage, key);
  const record = table(world).get(key);
  if (!record) throw entityNotFound(`Crawler entry with name ${Name} does not exist`);
  return record;
}

function createCrawler(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Name', 'Role', 'Targets']);
  const { Name } = call.parameters;
  if (!/^[^/\r\n]{1,255}$/.test(String(Name))) throw invalidInput(`${String(Name)} is no name of a crawler.`);
  const { account, region } = call;
  if (table(world).get(keyOf({ account, Name }))) {
    throw new AwsError('AlreadyExistsException', `Crawler ${Name} already exists`);
  }
  const now = world.now().toISOString();
  save(world, {
    account,
    region,
    Name,
    Version: 1,
    CreationTime: now,
    LastUpdated: now,
    runtimesMs: [],
    tablesUpdated: 0,
    ...inputOf(call),
  });
  return {};
}

function save(world: World, record: CrawlerRecord): void {
  table(world).put(keyOf(record), record);
}

function updateCrawler(call: Call, world: World, record: CrawlerRecord): unknown {
  refuseRunning(record);
  const input = inputOf(call, record);
  const LastUpdated = world.now().toISOString();
  save(world, { ...record, ...input, LastUpdated, Version: record.Version + 1 });
  return {};
}

function deleteCrawler(world: World, record: CrawlerRecord): unknown {
  refuseRunning(record);
  table(world).delete(keyOf(record));
  return {};
}

function refuseRunning({ Name, run }: CrawlerRecord): void {
  if (run) throw new AwsError('CrawlerRunningException', `Crawler with name ${Name} has already started`);
}

function startCrawler(world: World, record: CrawlerRecord, storage: Storage): unknown {
  refuseRunning(record);
  const { crawlMs } = sandboxSettings(world);
  const startedAt = world.now().getTime();
  save(world, { ...record, run: { id: world.id(), startedAt, endsAt: startedAt + crawlMs, stopping: false } });
  tellState(world, record, { state: 'Started', message: 'Crawler Started', startTime: world.now().toISOString() });
  // The effect comes by itself; where the sandbox was stopped before, at the next look at the crawler.
  setTimeout(() => settle(world, storage, keyOf(record)), crawlMs + EARLY_MS).unref();
  return {};
}

function stopCrawler(world: World, record: CrawlerRecord): unknown {
  const { Name, run } = record;
  if (!run) throw new AwsError('CrawlerNotRunningException', `Crawler with name ${Name} isn't running`);
  if (run.stopping) throw new AwsError('CrawlerStoppingException', `Crawler with name ${Name} is already stopping`);
  save(world, { ...record, run: { ...run, stopping: true } });
  return {};
}

/** Ends the run whose time is over: its effect on the tables, and what is told of it. */
function settle(world: World, storage: Storage, key: string): void {
  const record = table(world).get(key);
  if (!record?.run || record.run.endsAt > world.now().getTime()) return;
  const { run, ...rest } = record;
  const outcome: Pick<LastCrawl, 'Status' | 'ErrorMessage'> & { updated: number } = run.stopping
    ? { Status: 'CANCELLED', updated: 0 }
    : outcomeOf(world, storage, record);
  const { updated, ...told } = outcome;
  save(world, {
    ...rest,
    LastCrawl: {
      ...told,
      StartTime: new Date(run.startedAt).toISOString(),
      LogGroup: '/aws-glue/crawlers',
      LogStream: record.Name,
      MessagePrefix: run.id,
    },
    runtimesMs: [...record.runtimesMs, run.endsAt - run.startedAt].slice(-KEPT_RUNTIMES),
    tablesUpdated: updated,
  });
  const completionDate = world.now().toISOString();
  if (told.Status === 'SUCCEEDED') {
    const counts = { tablesCreated: '0', tablesUpdated: String(updated), tablesDeleted: '0' };
    tellState(world, record, { state: 'Succeeded', message: 'Crawler Succeeded', completionDate, ...counts });
  }
  if (told.Status === 'FAILED') {
    const errorMessage = told.ErrorMessage ?? '';
    tellState(world, record, { state: 'Failed', message: 'Crawler Failed', completionDate, errorMessage });
  }
}

/** "Glue Crawler State Change" (AWS Glue developer guide, "Automating AWS Glue with EventBridge"). The run does not wait for who hears it. */
function tellState(world: World, { account, region, Name }: CrawlerRecord, state: Record<string, string>): void {
  const detail = { accountId: account, crawlerName: Name, ...state };
  tellAsService(world, {
    ...{ account, region, source: 'aws.glue', detailType: 'Glue Crawler State Change', detail },
  }).catch(() => undefined);
}

function outcomeOf(
  world: World,
  storage: Storage,
  record: CrawlerRecord,
): Pick<LastCrawl, 'Status' | 'ErrorMessage'> & { updated: number } {
  try {
    return { Status: 'SUCCEEDED', updated: crawl(world, storage, orderOf(record)) };
  } catch (error) {
    if (error instanceof AwsError) return { Status: 'FAILED', ErrorMessage: error.message, updated: 0 };
    // A file that cannot be read ends the run, as it does in AWS.
    const reason = error instanceof StorageError || error instanceof Error ? error.message : String(error);
    return { Status: 'FAILED', ErrorMessage: `Internal Service Exception: ${reason}`, updated: 0 };
  }
}

function orderOf(record: CrawlerRecord): CrawlOrder {
  const { account, region, Name, Role, Targets, SchemaChangePolicy, Configuration } = record;
  const behavior = configurationOf(Configuration).CrawlerOutput?.Tables?.AddOrUpdateBehavior;
  return {
    crawler: Name,
    account,
    region,
    role: Role,
    tables: Targets.CatalogTargets.flatMap(({ DatabaseName: database, Tables }) =>
      Tables.map((each) => ({ database, table: each })),
    ),
    updateBehavior: SchemaChangePolicy.UpdateBehavior,
    mergeNewColumns: behavior === 'MergeNewColumns',
  };
}

/** The API's Crawler of a record; the role is told without its ARN, as Glue does. */
function toCrawler(world: World, record: CrawlerRecord): Record<string, unknown> {
  const {
    account: _account,
    region: _region,
    run,
    runtimesMs: _runtimes,
    tablesUpdated: _updated,
    ...members
  } = record;
  const { LastCrawl, CreationTime, LastUpdated, Role } = record;
  return defined({
    ...members,
    Role: Role.replace(/^arn:aws:iam::\d{12}:role\//, ''),
    State: run ? (run.stopping ? 'STOPPING' : 'RUNNING') : 'READY',
    CrawlElapsedTime: run ? world.now().getTime() - run.startedAt : 0,
    CreationTime: new Date(CreationTime),
    LastUpdated: new Date(LastUpdated),
    LastCrawl: LastCrawl && { ...LastCrawl, StartTime: new Date(LastCrawl.StartTime) },
  });
}

/** All crawlers of the caller's account by name, each settled. */
function crawlersOf({ account }: Call, world: World, storage: Storage): CrawlerRecord[] {
  for (const [key, record] of [...table(world).entries()]) if (record.account === account) settle(world, storage, key);
  return [...table(world).values()]
    .filter((record) => record.account === account)
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

function pageOfCrawlers<T>({ parameters }: Call, items: T[]): { page: T[]; next: string | undefined } {
  return pageOf(items, { max: parameters.MaxResults, token: parameters.NextToken, most: 1000, refuse: invalidInput });
}

function getCrawlers(call: Call, world: World, storage: Storage): unknown {
  const { page, next } = pageOfCrawlers(call, crawlersOf(call, world, storage));
  return defined({ Crawlers: page.map((record) => toCrawler(world, record)), NextToken: next });
}

function getCrawlerMetrics(call: Call, world: World, storage: Storage): unknown {
  const wanted: string[] | undefined = call.parameters.CrawlerNameList;
  const found = crawlersOf(call, world, storage).filter(({ Name }) => wanted?.includes(Name) ?? true);
  const { page, next } = pageOfCrawlers(call, found);
  return defined({ CrawlerMetricsList: page.map((record) => metricsOf(world, record)), NextToken: next });
}

function metricsOf(world: World, { Name, run, runtimesMs, tablesUpdated }: CrawlerRecord): Record<string, unknown> {
  const sorted = runtimesMs.toSorted((a, b) => a - b);
  return {
    CrawlerName: Name,
    TimeLeftSeconds: run ? Math.max(0, run.endsAt - world.now().getTime()) / 1000 : 0,
    StillEstimating: false,
    LastRuntimeSeconds: (runtimesMs.at(-1) ?? 0) / 1000,
    MedianRuntimeSeconds: (sorted[Math.floor(sorted.length / 2)] ?? 0) / 1000,
    TablesCreated: 0,
    TablesUpdated: tablesUpdated,
    TablesDeleted: 0,
  };
}
