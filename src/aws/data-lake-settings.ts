import {
  type DataLakeSettings,
  GetDataLakeSettingsCommand,
  PutDataLakeSettingsCommand,
} from '@aws-sdk/client-lakeformation';
import type { SpecOf } from '../provisioning/kinds.js';
import { compared, oneByOne } from './attempt.js';
import type { AwsSession } from './session.js';

const VERSION = 'CROSS_ACCOUNT_VERSION';
type Spec = SpecOf<'DataLakeSettings'>;

/**
 * The account's Lake Formation settings. PutDataLakeSettings replaces them as a whole, so they are read, changed and written.
 * Without `manage` (an organization may deny the write) they are only waited for. Removing makes no call: what was there
 * before us is not known, and the old defaults would open every new table to IAM alone.
 */
export const dataLakeSettings = oneByOne<'DataLakeSettings'>({
  kind: 'DataLakeSettings',
  width: 1,
  async observe(session, { spec }) {
    const settings = await read(session);
    const lacks = lacking(settings, spec);
    const observed = {
      admins: adminsOf(settings),
      crossAccountVersion: settings.Parameters?.[VERSION] ?? null,
      createDatabaseDefaultPermissions: settings.CreateDatabaseDefaultPermissions ?? [],
      createTableDefaultPermissions: settings.CreateTableDefaultPermissions ?? [],
    };
    if (lacks.length === 0 || spec.manage) return compared(observed, lacks);
    return {
      state: 'WAITING',
      observed,
      waitingFor: `a Lake Formation administrator of ${session.account}: ${lacks.join('; ')}`,
    };
  },
  async apply(session, { item }) {
    if (!item.spec.manage) return;
    const settings = await read(session);
    if (lacking(settings, item.spec).length === 0) return;
    await session.lakeFormation.send(new PutDataLakeSettingsCommand(putInput(session.account, settings, item.spec)));
  },
  async remove() {},
  calls: (account, { spec }, action) =>
    action === 'DELETE' || !spec.manage
      ? []
      : [{ service: 'lakeformation', operation: 'PutDataLakeSettings', parameters: putInput(account, {}, spec) }],
});

async function read(session: AwsSession): Promise<DataLakeSettings> {
  const answer = await session.lakeFormation.send(new GetDataLakeSettingsCommand({ CatalogId: session.account }));
  return answer.DataLakeSettings ?? {};
}

function adminsOf(settings: DataLakeSettings): string[] {
  return (settings.DataLakeAdmins ?? []).flatMap((admin) => admin.DataLakePrincipalIdentifier ?? []);
}

function lacking(settings: DataLakeSettings, spec: Spec): string[] {
  const admins = adminsOf(settings);
  const defaults = ['CreateDatabaseDefaultPermissions', 'CreateTableDefaultPermissions'] as const;
  const version = settings.Parameters?.[VERSION];
  const tooOld = spec.crossAccountVersion !== undefined && Number(version ?? 1) < spec.crossAccountVersion;
  return [
    ...spec.admins
      .filter((admin) => !admins.includes(admin))
      .map((admin) => `${admin} must be a data lake administrator`),
    ...defaults.filter((name) => (settings[name] ?? []).length > 0).map((name) => `${name} must be empty`),
    ...(tooOld ? [`${VERSION} is ${version ?? 'not set'} and must be ${spec.crossAccountVersion} or higher`] : []),
  ];
}

/** The input of PutDataLakeSettings: the settings as they are, with what we need. */
function putInput(
  account: string,
  settings: DataLakeSettings,
  spec: Spec,
): { CatalogId: string; DataLakeSettings: DataLakeSettings } {
  const admins = [...new Set([...adminsOf(settings), ...spec.admins])];
  const version = Math.max(Number(settings.Parameters?.[VERSION] ?? 1), spec.crossAccountVersion ?? 1);
  return {
    CatalogId: account,
    DataLakeSettings: {
      ...settings,
      DataLakeAdmins: admins.map((admin) => ({ DataLakePrincipalIdentifier: admin })),
      CreateDatabaseDefaultPermissions: [],
      CreateTableDefaultPermissions: [],
      ...(spec.crossAccountVersion === undefined
        ? {}
        : { Parameters: { ...settings.Parameters, [VERSION]: String(version) } }),
    },
  };
}
