import type { DocumentFormat, Prisma } from '../generated/prisma/client.js';
import { GovernanceError } from './error.js';
import { dataContractDigest } from './odcs/digest.js';
import { qualityRulesOf } from './odcs/dqdl.js';
import { parseDataContract } from './odcs/parse.js';
import { type DataContractReading, readDataContract } from './odcs/read.js';
import type { ContractTable } from './odcs/read-tables.js';
import { validateDataContract } from './odcs/validate.js';
import type { ColumnShape, TableShape } from './tables.js';

/** A contract document as it is kept: the text losslessly, with what was read from it. */
export interface ContractDocument {
  odcsId: string;
  version: string;
  text: string;
  format: DocumentFormat;
  /** Content hash: the same for the same content, however it is written. */
  digest: string;
  document: Prisma.InputJsonValue;
  apiVersion: string;
  reading: DataContractReading;
  tables: TableShape[];
  /** What a lenient import kept of what breaks the standard. */
  warnings: { path: string; reason: string }[];
  /** What the standard allows and Glue cannot say as it stands, checks of quality among it; each as a sentence. */
  notes: string[];
}

interface Given {
  text: string;
  /** The input field that the text came in, for messages. */
  path: string;
  /** Keeps what breaks the standard as warnings. */
  lenient: boolean;
}

/** Reads a contract; what breaks the standard is refused with every path and reason, unless lenient. */
export function readContract({ text, path, lenient }: Given): ContractDocument {
  const { format, document, problems } = parseDataContract(text);
  if (problems.length > 0) {
    throw refused(
      path,
      problems.map(({ message, line, column }) => ({
        path: line === undefined ? '' : `line ${line}, column ${column ?? 1}`,
        reason: message,
      })),
    );
  }
  const { apiVersion, violations } = validateDataContract(document);
  if (violations.length > 0 && !lenient) throw refused(path, violations);
  const reading = readDataContract(document);
  const digest = dataContractDigest(document);
  return {
    // The standard demands both; a lenient import gets by without.
    odcsId: bounded(reading.odcsId ?? reading.name ?? digest),
    version: bounded(reading.version ?? 'unversioned'),
    text,
    format,
    digest,
    document: document as Prisma.InputJsonValue,
    apiVersion: apiVersion ?? 'unknown',
    reading,
    tables: reading.tables.map(shapeOf),
    warnings: listed(violations.map(({ path, reason }) => ({ path, reason }))),
    notes: [
      ...reading.problems,
      ...reading.tables.flatMap((table) => qualityRulesOf(reading.quality, table).leftOut),
    ].slice(0, 1_000),
  };
}

/** Ids and versions are parts of index keys. */
function bounded(value: string): string {
  if (value.length <= 500) return value;
  throw refused('document', [{ path: '', reason: 'The id or version is longer than 500 characters.' }]);
}

function refused(path: string, violations: { path: string; reason: string }[]): GovernanceError {
  const shown = violations
    .slice(0, 20)
    .map((violation) => (violation.path ? `${violation.path}: ` : '') + violation.reason);
  const more = violations.length > shown.length ? ` and ${violations.length - shown.length} more` : '';
  return new GovernanceError('VALIDATION', `The contract does not hold: ${shown.join('; ')}${more}.`, {
    path,
    violations: listed(violations),
  });
}

/** A megabyte of rubbish breaks the standard in hundreds of thousands of places: nobody reads more than the first thousand. */
function listed(violations: { path: string; reason: string }[]): { path: string; reason: string }[] {
  if (violations.length <= 1_000) return violations;
  return [...violations.slice(0, 1_000), { path: '', reason: `and ${violations.length - 1_000} more` }];
}

function shapeOf(table: ContractTable): TableShape {
  return {
    name: table.name,
    description: table.description ?? null,
    location: table.location?.replace(/\/+$/, '') ?? null,
    format: table.format ?? null,
    columns: inGlueOrder(table).map((column) => ({
      name: column.name,
      type: column.type,
      description: column.description ?? null,
      required: column.required,
      primaryKey: column.primaryKey,
      partition: column.partition,
      pii: column.pii || table.pii,
      classification: column.classification ?? null,
    })),
  };
}

/** Glue lists partition keys after the columns, in an order of their own. */
function inGlueOrder({ columns, partitionKeys }: ContractTable): ContractTable['columns'] {
  const place = ({ name }: Pick<ColumnShape, 'name'>) => partitionKeys.indexOf(name);
  return [...columns].sort((one, other) => place(one) - place(other));
}
