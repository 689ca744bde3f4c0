import { type JsonObject, memberOf, objectsOf, textOf } from './json.js';
import { isS3Url } from './names.js';

/** How the files of a table are written, as far as Glue tables of ours can be. */
export type ContractTableFormat = 'PARQUET' | 'ORC' | 'AVRO' | 'JSON' | 'CSV' | 'ICEBERG';

/** Where and how the tables of a contract lie in S3. */
export interface Storage {
  location: string | undefined;
  format: ContractTableFormat | undefined;
  problem: string | undefined;
}

const FORMATS = new Map<string, ContractTableFormat>(
  Object.entries({
    parquet: 'PARQUET',
    orc: 'ORC',
    avro: 'AVRO',
    json: 'JSON',
    jsonl: 'JSON',
    ndjson: 'JSON',
    csv: 'CSV',
    iceberg: 'ICEBERG',
  }),
);

/** The server that holds the files: the first in S3 of a production environment, else the first in S3. */
export function storageServer(document: unknown): JsonObject | undefined {
  const inS3 = objectsOf(memberOf(document, 'servers')).filter((server) => isS3Url(textOf(server.location) ?? ''));
  return inS3.find((server) => /^prod/i.test(textOf(server.environment) ?? '')) ?? inS3[0];
}

/** One table's place: which table, among how many, on which server. */
export interface TableOnServer {
  table: JsonObject;
  name: string;
  server: JsonObject | undefined;
  tables: number;
}

/**
 * Finds a table's folder and format. The folder is the table's own S3 URL (its `physicalName`, or its custom property `location`), else
 * the server's: as it stands for a lone table, with the table's name below it where there are more: no table's folder
 * may hold another's, as a reader of the outer one would read both.
 */
export function storageOf({ table, name, server, tables }: TableOnServer): Storage {
  const own = [textOf(table.physicalName), customText(table, 'location')].find(
    (text) => text !== undefined && isS3Url(text),
  );
  const shared =
    server === undefined ? undefined : folderOnServer({ location: textOf(server.location) ?? '', name, tables });
  const stated = customText(table, 'format') ?? textOf(memberOf(server, 'format'));
  const format = stated === undefined ? undefined : FORMATS.get(stated.toLowerCase());
  return {
    location: own === undefined ? shared : folderOf(own),
    format,
    problem:
      stated !== undefined && format === undefined
        ? `format ${stated} is none that a Glue table of ours can have`
        : undefined,
  };
}

/** The text of a custom property of a table or column. */
export function customText(element: JsonObject, name: string): string | undefined {
  return textOf(objectsOf(element.customProperties).find(({ property }) => property === name)?.value);
}

function folderOnServer(options: { location: string; name: string; tables: number }): string {
  const { location, name, tables } = options;
  const placed = location.replaceAll(/\{(?:model|table|schema|name)\}/gi, name);
  const folder = folderOf(placed);
  return placed !== location || tables === 1 ? folder : `${folder}${name}/`;
}

/** The folder of an S3 URL, wildcards and file names cut off; it ends with a slash. */
function folderOf(url: string): string {
  const [, bucket = '', path = ''] = /^s3[an]?:\/\/([^/]+)\/?(.*)$/i.exec(url) ?? [];
  const segments = path.split('/').filter((segment) => segment !== '');
  const wild = segments.findIndex((segment) => /[*?{]/.test(segment));
  const folders = wild === -1 ? segments : segments.slice(0, wild);
  if (/\.(?:parquet|orc|avro|json|jsonl|ndjson|csv|gz|txt)$/i.test(folders.at(-1) ?? '')) folders.pop();
  return ['s3:/', bucket, ...folders, ''].join('/');
}
