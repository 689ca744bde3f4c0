/** Rulesets of AWS Glue Data Quality: kept with their text, which has to be DQDL. AWS page: Glue API, "Data Quality". */
import { countRules, DqdlError } from './data-quality-dqdl.js';
import { defined, entityNotFound, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { regionalService } from './regional.js';
import { AwsError, type Call, type Service, type World } from './service.js';

interface TargetTable {
  DatabaseName: string;
  TableName: string;
  CatalogId?: string;
}

/** A ruleset as stored, by `account|name`; times are ISO 8601. */
interface RulesetRecord {
  account: string;
  Name: string;
  Description?: string;
  Ruleset: string;
  TargetTable?: TargetTable;
  DataQualitySecurityConfiguration?: string;
  clientToken?: string;
  CreatedOn: string;
  LastModifiedOn: string;
}

const MAX_RULESET = 65_536;

const OPERATIONS: Service = {
  CreateDataQualityRuleset: createRuleset,
  GetDataQualityRuleset: (call, world) => toRuleset(rulesetOf(call, world)),
  UpdateDataQualityRuleset: updateRuleset,
  DeleteDataQualityRuleset: deleteRuleset,
  ListDataQualityRulesets: listRulesets,
};

/** The operations of rulesets by name. */
export const dataQuality: Service = regionalService(OPERATIONS, { listings: {} });

function rulesets(world: World) {
  return world.table<RulesetRecord>('glue/data-quality-rulesets');
}

function keyOf({ account }: Call, name: string): string {
  return `${account}|${name}`;
}

/** A call that is repeated with its ClientToken finds what it made. */
function createRuleset(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Name', 'Ruleset']);
  const { Name, Ruleset, Description, TargetTable, DataQualitySecurityConfiguration, ClientToken } = call.parameters;
  if (TargetTable) requireMembers(TargetTable, ['DatabaseName', 'TableName'], 'targetTable.');
  refuseInvalid(Ruleset);
  const existing = rulesets(world).get(keyOf(call, Name));
  if (existing && existing.clientToken === ClientToken && ClientToken !== undefined) return { Name };
  if (existing) throw new AwsError('AlreadyExistsException', `Ruleset ${Name} already exists.`);
  const now = world.now().toISOString();
  const times = { CreatedOn: now, LastModifiedOn: now };
  const given = { Name, Description, Ruleset, TargetTable, DataQualitySecurityConfiguration, clientToken: ClientToken };
  rulesets(world).put(keyOf(call, Name), defined({ account: call.account, ...given, ...times }));
  return { Name };
}

function refuseInvalid(ruleset: string): number {
  if (ruleset.length > MAX_RULESET) throw invalidInput('The ruleset is longer than 65536 characters.');
  try {
    return countRules(ruleset);
  } catch (error) {
    if (error instanceof DqdlError) throw invalidInput(`Ruleset is not valid DQDL: ${error.message}`);
    throw error;
  }
}

function rulesetOf(call: Call, world: World): RulesetRecord {
  requireMembers(call.parameters, ['Name']);
  const found = rulesets(world).get(keyOf(call, call.parameters.Name));
  if (!found) throw entityNotFound(`Ruleset ${call.parameters.Name} not found.`);
  return found;
}

function toRuleset({ account: _account, clientToken: _token, CreatedOn, LastModifiedOn, ...members }: RulesetRecord) {
  return { ...members, CreatedOn: new Date(CreatedOn), LastModifiedOn: new Date(LastModifiedOn) };
}

function updateRuleset(call: Call, world: World): unknown {
  const before = rulesetOf(call, world);
  const { Description = before.Description, Ruleset = before.Ruleset } = call.parameters;
  refuseInvalid(Ruleset);
  const LastModifiedOn = world.now().toISOString();
  rulesets(world).put(keyOf(call, before.Name), defined({ ...before, Description, Ruleset, LastModifiedOn }));
  return defined({ Name: before.Name, Description, Ruleset });
}

function deleteRuleset(call: Call, world: World): unknown {
  rulesets(world).delete(keyOf(call, rulesetOf(call, world).Name));
  return {};
}

function listRulesets(call: Call, world: World): unknown {
  const { Filter: filter = {}, MaxResults: max, NextToken: token } = call.parameters;
  const wanted: TargetTable | undefined = filter.TargetTable;
  const found = [...rulesets(world).values()]
    .filter(({ account, Name }) => account === call.account && (filter.Name === undefined || Name === filter.Name))
    .filter(
      ({ TargetTable: on }) =>
        !wanted || (on?.DatabaseName === wanted.DatabaseName && on?.TableName === wanted.TableName),
    )
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  const { page, next } = pageOf(found, { max, token, most: 1000, refuse: invalidInput });
  const Rulesets = page.map((record) => {
    const { Ruleset, DataQualitySecurityConfiguration: _configuration, ...shown } = toRuleset(record);
    return { ...shown, RuleCount: countRules(Ruleset) };
  });
  return defined({ Rulesets, NextToken: next });
}
