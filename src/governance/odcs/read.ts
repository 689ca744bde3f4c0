import { type JsonObject, listOf, memberOf, objectsOf, scalarTextOf, textOf, textsOf } from './json.js';
import { ownerOf } from './owner.js';
import { type ContractQuality, readQuality } from './read-quality.js';
import { type ContractTable, readTables } from './read-tables.js';

/** One promise of `slaProperties`. */
export interface ContractSla {
  property: string;
  value: string | number | boolean | null;
  valueExt?: string | number | boolean | null;
  unit?: string;
  /** `table.column` that the promise is about. */
  element?: string;
  driver?: string;
  description?: string;
  schedule?: string;
  scheduler?: string;
}

/** What Meshgate takes from a contract. Whatever the document does not say is undefined, false or an empty list. */
export interface DataContractReading {
  odcsId: string | undefined;
  name: string | undefined;
  dataProduct: string | undefined;
  version: string | undefined;
  status: string | undefined;
  apiVersion: string | undefined;
  domain: string | undefined;
  /** Purpose, usage and limitations as one text of paragraphs. */
  description: string | undefined;
  owner: string | undefined;
  tags: string[];
  tables: ContractTable[];
  sla: ContractSla[];
  quality: ContractQuality[];
  /** The servers as the document has them. */
  servers: JsonObject[];
  /** What could not be mapped, each as a sentence that names its table and column. */
  problems: string[];
}

/** Reads what Meshgate needs from any document, also one that breaks the standard; it never throws. */
export function readDataContract(document: unknown): DataContractReading {
  const problems: string[] = [];
  const field = (name: string): string | undefined => scalarTextOf(memberOf(document, name));
  const tables = readTables(document, problems);
  return {
    odcsId: field('id'),
    name: field('name'),
    dataProduct: field('dataProduct'),
    version: field('version'),
    status: field('status'),
    apiVersion: field('apiVersion'),
    domain: field('domain'),
    description: descriptionOf(memberOf(document, 'description')),
    owner: ownerOf(document),
    tags: textsOf(memberOf(document, 'tags')),
    tables: tables.map(({ table }) => table),
    sla: readSla(document, problems),
    quality: tables.flatMap(({ table, element, columns }) => [
      ...readQuality(element, { table: table.name }),
      ...columns.flatMap(({ name, property }) => readQuality(property, { table: table.name, column: name })),
    ]),
    servers: objectsOf(memberOf(document, 'servers')),
    problems,
  };
}

function descriptionOf(description: unknown): string | undefined {
  const usage = textOf(memberOf(description, 'usage'));
  const limitations = textOf(memberOf(description, 'limitations'));
  const paragraphs = [
    textOf(description) ?? textOf(memberOf(description, 'purpose')),
    usage && `Usage: ${usage}`,
    limitations && `Limitations: ${limitations}`,
  ].filter((paragraph) => paragraph !== undefined);
  return paragraphs.length > 0 ? paragraphs.join('\n\n') : undefined;
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function readSla(document: unknown, problems: string[]): ContractSla[] {
  // `slaDefaultElement` is v3.0's way to say the element once.
  const defaultElement = textOf(memberOf(document, 'slaDefaultElement'));
  return listOf(memberOf(document, 'slaProperties')).flatMap((each, index) => {
    const property = textOf(memberOf(each, 'property'));
    const value = memberOf(each, 'value');
    if (property === undefined || !isScalar(value)) {
      problems.push(
        `SLA property ${property ?? index + 1} is passed over: it has no ${property === undefined ? 'name' : 'value'}`,
      );
      return [];
    }
    const valueExt = memberOf(each, 'valueExt');
    const more = ['unit', 'element', 'driver', 'description', 'schedule', 'scheduler'].flatMap((name) => {
      const text = scalarTextOf(memberOf(each, name)) ?? (name === 'element' ? defaultElement : undefined);
      return text === undefined ? [] : [[name, text]];
    });
    return [{ property, value, ...(isScalar(valueExt) ? { valueExt } : {}), ...Object.fromEntries(more) }];
  });
}
