import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError } from './config.js';
import { type DocumentRules, parseDocument, validationErrors } from './document.js';
import { refusal } from './error.js';

/** Documents that clients may name by their hash in place of sending them. */
export interface TrustedDocuments {
  /** `sha256:` and the hash in hex, and the text. */
  documents: ReadonlyMap<string, string>;
  /** Nothing else is run. */
  only: boolean;
}

/** No documents are known, and none are needed. */
export const noTrustedDocuments: TrustedDocuments = { documents: new Map(), only: false };

/** Reads the manifest, JSON of the form { id: document }. Throws one ConfigError that lists every mistake. */
export function readTrustedDocuments(
  { path, only }: { path: string | null; only: boolean },
  rules: DocumentRules,
): TrustedDocuments {
  if (path === null) return { ...noTrustedDocuments, only };
  const entries = Object.entries(readManifest(path));
  const mistakes = entries.flatMap(([id, document]) => mistakesOf({ id, document, rules }));
  if (mistakes.length > 0) {
    const list = mistakes.map((line) => `  ${line}`).join('\n');
    throw new ConfigError(`The trusted documents in ${path} have ${mistakes.length} mistake(s):\n${list}`);
  }
  return { documents: new Map(entries as [string, string][]), only };
}

function readManifest(path: string): object {
  const mistake = (why: string): ConfigError => new ConfigError(`MESHGATE_TRUSTED_DOCUMENTS: ${path} ${why}`);
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw mistake(`cannot be read: ${(error as Error).message}`);
  }
  if (typeof manifest === 'object' && manifest !== null && !Array.isArray(manifest)) return manifest;
  throw mistake('must be JSON of the form { "sha256:...": "query ..." }.');
}

interface Entry {
  id: string;
  document: unknown;
  rules: DocumentRules;
}

function mistakesOf({ id, document, rules }: Entry): string[] {
  if (typeof document !== 'string') return [`${id}: is not the text of a document`];
  const hash = `sha256:${createHash('sha256').update(document).digest('hex')}`;
  const wrongHash = id === hash ? [] : [`${id}: the hash of the document is ${hash}`];
  try {
    const errors = validationErrors(rules, parseDocument(document));
    return [...wrongHash, ...errors.map(({ message }) => `${id}: ${message}`)];
  } catch (error) {
    return [...wrongHash, `${id}: ${(error as Error).message}`];
  }
}

/** The text that a request asks to run; undefined where it names none. Throws a refusal. */
export function documentOf(
  { documents, only }: TrustedDocuments,
  { query, documentId }: { query?: unknown; documentId?: unknown },
): string | undefined {
  if (documentId === undefined || documentId === null) {
    if (only) throw refusal('TRUSTED_DOCUMENT_REQUIRED', 'Send `documentId`: only trusted documents are run here.');
    return typeof query === 'string' ? query : undefined;
  }
  if (typeof documentId !== 'string') throw refusal('BAD_REQUEST', '`documentId` must be a text.');
  if (query) throw refusal('BAD_REQUEST', 'Send `documentId` or `query`, not both.');
  const document = documents.get(documentId);
  if (document === undefined) {
    throw refusal('DOCUMENT_NOT_FOUND', 'No trusted document has this id: send `query`, or have it registered.');
  }
  return document;
}
