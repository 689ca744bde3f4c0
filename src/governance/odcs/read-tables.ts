import { mapColumnType } from './column-type.js';
import { spellType } from './hive-type.js';
import { type JsonObject, listOf, memberOf, objectsOf, scalarTextOf, textOf, textsOf } from './json.js';
import { type ContractTableFormat, storageOf, storageServer } from './location.js';
import { nameOfElement } from './names.js';
import { type ContractClassification, classificationOf, isPersonal } from './sensitivity.js';

/** A column as Glue's catalogue will have it. */
export interface ContractColumn {
  name: string;
  /** Hive's spelling: `decimal(10,2)`, `struct<city:string>`. */
  type: string;
  description: string | undefined;
  businessName: string | undefined;
  /** False where the values may be null. */
  required: boolean;
  primaryKey: boolean;
  unique: boolean;
  partition: boolean;
  classification: ContractClassification | undefined;
  pii: boolean;
  criticalDataElement: boolean;
  tags: string[];
}

/** A table as Glue's catalogue will have it. */
export interface ContractTable {
  name: string;
  /** The name in the contract, as its author wrote it. */
  logicalName: string | undefined;
  description: string | undefined;
  businessName: string | undefined;
  /** S3 folder with a slash at its end; undefined where no server is in S3. */
  location: string | undefined;
  format: ContractTableFormat | undefined;
  /** In the contract's order. */
  columns: ContractColumn[];
  /** Column names by `primaryKeyPosition`. */
  primaryKey: string[];
  /** Column names by `partitionKeyPosition`. */
  partitionKeys: string[];
  /** The table itself is marked as personal, whatever its columns say. */
  pii: boolean;
  tags: string[];
}

/** A table with the parts of the document that it was read from. */
export interface TableReading {
  table: ContractTable;
  element: JsonObject;
  columns: { name: string; property: JsonObject }[];
}

/** Reads the tables of a document; of two that come to one name the first counts. */
export function readTables(document: unknown, problems: string[]): TableReading[] {
  const server = storageServer(document);
  const elements = objectsOf(memberOf(document, 'schema'));
  const readings = new Map<string, TableReading>();
  for (const [index, element] of elements.entries()) {
    const name = nameFor({ element, fallback: `table_${index + 1}`, what: `Table ${index + 1}`, problems });
    if (readings.has(name)) {
      problems.push(`Two tables come to the name ${name}; the first counts`);
      continue;
    }
    const columns = readColumns({ element, table: name, problems });
    const { location, format, problem } = storageOf({ table: element, name, server, tables: elements.length });
    if (problem !== undefined) problems.push(`Table ${name}: ${problem}`);
    const table: ContractTable = {
      ...described(element),
      name,
      logicalName: scalarTextOf(memberOf(element, 'name')),
      location,
      format,
      columns: columns.map(({ column }) => column),
      primaryKey: inOrder(columns, { flag: 'primaryKey', position: 'primaryKeyPosition' }),
      partitionKeys: inOrder(columns, { flag: 'partition', position: 'partitionKeyPosition' }),
      pii: isPersonal(element),
    };
    readings.set(name, {
      table,
      element,
      columns: columns.map(({ column, property }) => ({ name: column.name, property })),
    });
  }
  return [...readings.values()];
}

interface ColumnReading {
  column: ContractColumn;
  property: JsonObject;
}

function readColumns(options: { element: JsonObject; table: string; problems: string[] }): ColumnReading[] {
  const { element, table, problems } = options;
  const readings = new Map<string, ColumnReading>();
  const properties = listOf(memberOf(element, 'properties'));
  for (const [index, property] of objectsOf(properties).entries()) {
    const what = `Table ${table}, column ${index + 1}`;
    const name = nameFor({ element: property, fallback: `column_${index + 1}`, what, problems });
    if (readings.has(name)) {
      problems.push(`Table ${table}: two columns come to the name ${name}; the first counts`);
      continue;
    }
    readings.set(name, { column: readColumn({ property, table, name, problems }), property });
  }
  return [...readings.values()];
}

function readColumn(options: {
  property: JsonObject;
  table: string;
  name: string;
  problems: string[];
}): ContractColumn {
  const { property, table, name, problems } = options;
  const { type, problems: unmapped } = mapColumnType(property);
  const label = textOf(property.classification);
  const classification = classificationOf(label);
  if (label !== undefined && classification === undefined) unmapped.push(`classification ${label} is unknown`);
  problems.push(...unmapped.map((problem) => `Table ${table}, column ${name}: ${problem}`));
  return {
    ...described(property),
    name,
    type: spellType(type),
    required: property.required === true,
    primaryKey: property.primaryKey === true,
    unique: property.unique === true,
    partition: property.partitioned === true,
    classification,
    pii: isPersonal(property),
    criticalDataElement: property.criticalDataElement === true,
  };
}

function described(element: JsonObject): Pick<ContractTable, 'description' | 'businessName' | 'tags'> {
  return {
    description: textOf(memberOf(element, 'description')),
    businessName: textOf(memberOf(element, 'businessName')),
    tags: textsOf(memberOf(element, 'tags')),
  };
}

function nameFor(options: { element: JsonObject; fallback: string; what: string; problems: string[] }): string {
  const name = nameOfElement(options.element);
  if (name === undefined)
    options.problems.push(`${options.what} has no name that Glue takes and is called ${options.fallback}`);
  return name ?? options.fallback;
}

/** The flagged columns, those with a position first (the standard's -1 is none). */
function inOrder(columns: ColumnReading[], key: { flag: 'primaryKey' | 'partition'; position: string }): string[] {
  const positionOf = (property: JsonObject): number => {
    const position = memberOf(property, key.position);
    return typeof position === 'number' && position >= 0 ? position : Number.MAX_VALUE;
  };
  return columns
    .filter(({ column }) => column[key.flag])
    .sort((a, b) => positionOf(a.property) - positionOf(b.property))
    .map(({ column }) => column.name);
}
