/** What CreateCrawler and UpdateCrawler take. */
import type { CrawlOrder } from './crawlers-run.js';
import { invalidInput, requireMembers } from './lf-input.js';
import type { Call } from './service.js';

interface CatalogTarget {
  DatabaseName: string;
  Tables: string[];
}

/** What a caller may set; the role as an ARN. */
export interface CrawlerInput {
  Role: string;
  Targets: { CatalogTargets: CatalogTarget[] };
  SchemaChangePolicy: { UpdateBehavior: CrawlOrder['updateBehavior']; DeleteBehavior: 'LOG' };
  DatabaseName?: string;
  Description?: string;
  Configuration?: string;
  RecrawlPolicy?: object;
  LineageConfiguration?: object;
  LakeFormationConfiguration?: object;
  CatalogId?: string;
}

const SETTABLE = [
  'Role',
  'Targets',
  'SchemaChangePolicy',
  'DatabaseName',
  'Description',
  'Configuration',
  'RecrawlPolicy',
  'LineageConfiguration',
  'LakeFormationConfiguration',
  'CatalogId',
];

/** What a call sets, checked; `before` stands for what it does not name. */
export function inputOf(call: Call, before: Partial<CrawlerInput> = {}): CrawlerInput {
  const given = Object.fromEntries(Object.entries(call.parameters).filter(([member]) => SETTABLE.includes(member)));
  const input: CrawlerInput = { ...before, ...(given as unknown as CrawlerInput) };
  if (call.parameters.Schedule) throw invalidInput('The sandbox runs crawlers when they are started, on no schedule.');
  const { CatalogTargets: targets = [], ...others } = input.Targets;
  if (Object.values(others).some((list) => Array.isArray(list) && list.length > 0)) {
    throw invalidInput('The sandbox crawls catalog targets alone.');
  }
  if (targets.length === 0) throw invalidInput('At least one target must be specified.');
  for (const target of targets) {
    requireMembers({ ...target }, ['DatabaseName', 'Tables'], 'targets.catalogTargets.');
    if (target.Tables.length === 0) throw invalidInput('A catalog target names at least one table.');
  }
  const { UpdateBehavior = 'UPDATE_IN_DATABASE', DeleteBehavior = 'DEPRECATE_IN_DATABASE' } =
    (input.SchemaChangePolicy as Partial<Record<'UpdateBehavior' | 'DeleteBehavior', string>> | undefined) ?? {};
  // AWS page: Glue developer guide, crawler-configuration ("existing catalog tables as the source").
  if (DeleteBehavior !== 'LOG') {
    throw invalidInput('The SchemaChangePolicy of a crawler with catalog targets must have the DeleteBehavior LOG.');
  }
  if (UpdateBehavior !== 'LOG' && UpdateBehavior !== 'UPDATE_IN_DATABASE') {
    throw invalidInput(`${UpdateBehavior} is no UpdateBehavior.`);
  }
  if (input.Configuration !== undefined) configurationOf(input.Configuration);
  return { ...input, Role: roleOf(call, input.Role), SchemaChangePolicy: { UpdateBehavior, DeleteBehavior } };
}

/** A role is named by ARN or by path and name, and is one of the crawler's account. */
function roleOf({ account }: Call, role: string): string {
  const arn = role.startsWith('arn:') ? role : `arn:aws:iam::${account}:role/${role}`;
  if (/^arn:aws:iam::(\d{12}):role\/[\w+=,.@/-]{1,512}$/.exec(arn)?.[1] === account) return arn;
  throw invalidInput(`Service is unable to assume provided role ${role}. Please verify role's TrustPolicy`);
}

interface Configuration {
  CrawlerOutput?: { Tables?: { AddOrUpdateBehavior?: string } };
}

/** The crawler's Configuration, a JSON text. */
export function configurationOf(text: string | undefined): Configuration {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // answered below
  }
  throw invalidInput('The Configuration of a crawler is a JSON object.');
}
