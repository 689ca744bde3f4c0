import { z } from 'zod';
import { isObject } from './json.js';
import {
  allOf,
  anything,
  choose,
  closedSinceV310,
  integer,
  oneOfTexts,
  open,
  optional,
  type Rule,
  type Shape,
  text,
  uri,
} from './rule.js';
import { type CommonRules, rolesRule } from './rules-common.js';
import { isAtLeast, type OdcsVersion } from './version.js';

/** What a server of one type must and may say. */
interface ServerFields {
  required?: Shape;
  optional?: Shape;
}

const hostPort: Shape = { host: text, port: integer };
const hostPortDatabase: Shape = { ...hostPort, database: text };
const hostDatabase: ServerFields = { required: { host: text, database: text }, optional: { port: integer } };

/** Object stores: v3.0.x knows four formats and two delimiters, v3.1.0 takes any. */
function storeFields(version: OdcsVersion): Shape {
  if (isAtLeast(version, 'v3.1.0')) return { format: text, delimiter: text };
  return {
    format: oneOfTexts(['parquet', 'delta', 'json', 'csv']),
    delimiter: oneOfTexts(['new_line', 'array']),
  };
}

function athena(version: OdcsVersion): ServerFields {
  const optionalFields = { catalog: text, regionName: text };
  // The schemas of v3.0.0 and v3.0.1 demand `staging_dir` although they describe `stagingDir`: an erratum that v3.0.2 corrects.
  if (!isAtLeast(version, 'v3.0.2')) {
    return { required: { staging_dir: anything, schema: text }, optional: { stagingDir: uri, ...optionalFields } };
  }
  return { required: { stagingDir: uri, schema: text }, optional: optionalFields };
}

const custom: ServerFields = {
  optional: {
    ...hostPortDatabase,
    account: text,
    catalog: text,
    dataset: text,
    delimiter: text,
    endpointUrl: uri,
    format: text,
    location: uri,
    path: text,
    project: text,
    region: text,
    regionName: text,
    schema: text,
    serviceName: text,
    stagingDir: text,
    warehouse: text,
  },
};

/** ODCS "Infrastructure and servers", the types of v3.0.x. */
function serverTypes(version: OdcsVersion): Record<string, ServerFields> {
  const store = storeFields(version);
  const { format, ...delimiter } = store as { format: Rule; delimiter: Rule };
  const sftp = allOf(uri, z.string().regex(/^sftp:\/\/.*/u, 'must begin with sftp://'));
  const duckdbSchema = isAtLeast(version, 'v3.1.0') ? text : integer;
  return {
    api: { required: { location: uri } },
    athena: athena(version),
    azure: { required: { location: uri, format }, optional: delimiter },
    bigquery: { required: { project: text, dataset: text } },
    clickhouse: { required: hostPortDatabase },
    databricks: { required: { catalog: text, schema: text }, optional: { host: text } },
    denodo: { required: hostPort, optional: { database: text } },
    dremio: { required: hostPort, optional: { schema: text } },
    duckdb: { required: { database: text }, optional: { schema: duckdbSchema } },
    glue: { required: { account: text, database: text }, optional: { location: uri, format: text } },
    cloudsql: { required: { ...hostPortDatabase, schema: text } },
    db2: { required: hostPortDatabase, optional: { schema: text } },
    informix: hostDatabase,
    kafka: { required: { host: text }, optional: { format: text } },
    kinesis: { optional: { region: text, format: text } },
    local: { required: { path: text, format: text } },
    mysql: { required: hostPortDatabase },
    oracle: { required: { ...hostPort, serviceName: text } },
    postgresql: { required: { ...hostPortDatabase, schema: text } },
    postgres: { required: { ...hostPortDatabase, schema: text } },
    presto: { required: { host: text }, optional: { catalog: text, schema: text } },
    pubsub: { required: { project: text } },
    redshift: { required: { database: text, schema: text }, optional: { host: text, region: text, account: text } },
    s3: { required: { location: uri }, optional: { endpointUrl: uri, ...store } },
    sftp: { required: { location: sftp }, optional: store },
    snowflake: {
      required: { account: text, database: text, schema: text },
      optional: { ...hostPort, warehouse: text },
    },
    sqlserver: { required: { host: text, database: text, schema: text }, optional: { port: integer } },
    synapse: { required: hostPortDatabase },
    trino: { required: { ...hostPort, catalog: text, schema: text } },
    vertica: { required: { ...hostPortDatabase, schema: text } },
    ...(isAtLeast(version, 'v3.1.0') ? serverTypesOfV310 : { custom }),
  };
}

const serverTypesOfV310: Record<string, ServerFields> = {
  hive: hostDatabase,
  impala: hostDatabase,
  zen: hostDatabase,
  custom: { optional: { ...custom.optional, stream: text } },
};

/** The rule of the contract's `servers`: each by its `type`. */
export function serversRule(common: CommonRules): Rule {
  const { version, stableId, customProperties } = common;
  const types = serverTypes(version);
  const base: Shape = {
    ...stableId,
    server: text,
    type: oneOfTexts(Object.keys(types)),
    ...optional({ description: text, environment: text, roles: rolesRule(common), customProperties }),
  };
  const rules = new Map<unknown, Rule>(
    Object.entries(types).map(([type, fields]) => [
      type,
      closedSinceV310(version, { ...base, ...fields.required, ...optional(fields.optional ?? {}) }),
    ]),
  );
  const unknownType = open(base);
  return z.array(choose((value) => (isObject(value) ? rules.get(value.type) : undefined) ?? unknownType));
}
