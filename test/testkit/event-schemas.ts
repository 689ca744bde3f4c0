import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import pg from 'pg';
import { dataSchema } from '../../src/events/json-schema.js';
import { EVENT_TYPES, type EventType } from '../../src/events/types.js';

/** A validator of JSON Schema 2020-12 with the formats that the schemas use. */
export function schemaValidator(): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  ajvFormats.default(ajv, ['date-time', 'uuid']);
  return ajv;
}

const ajv = schemaValidator();
const validators = new Map<string, ValidateFunction>();

/** What is wrong with the data of an event, as its type defines it and no field besides; empty where nothing is. */
export function faultsOf(type: string, data: unknown): string[] {
  if (!(type in EVENT_TYPES)) return [`${type} is no event type`];
  const validate = validators.get(type) ?? ajv.compile(dataSchema(type as EventType, { closed: true }));
  validators.set(type, validate);
  if (validate(data)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${type}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** Holds every event that a test's database has, numbered or not, against the definition of its type. */
export async function assertEventsAreAsDefined(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ type: string; data: unknown }>(
      'SELECT "type", "data" FROM "Event" UNION ALL SELECT "type", "data" FROM "EventPending"',
    );
    const faults = new Set(rows.flatMap(({ type, data }) => faultsOf(type, data)));
    if (faults.size > 0) {
      throw new Error(`Events are not as src/events/definitions says:\n${[...faults].slice(0, 20).join('\n')}`);
    }
  } finally {
    await client.end();
  }
}
