import type { EntryFailure } from './faults.js';

/** Batches of which a `partial` fault fails some entries: what is left is sent on, and the answer tells of both. */

type Parameters = Record<string, unknown>;

/** How a batch operation names its entries and answers for those that failed (each service's API reference). */
interface Batch {
  /** The member of the request that holds the entries. */
  entries: string;
  /** The answer for all entries, from the answer for those that were sent; `failed` by position in the request. */
  answer(sent: Parameters, failed: Map<number, Failed>, total: number): Parameters;
}

/** An entry that fails, with the code that was asked for. */
interface Failed {
  entry: unknown;
  errorCode: string | undefined;
}

/** A batch of which some entries are to fail. */
export interface Split {
  /** The request without the entries that fail; undefined where none is left to send. */
  parameters: Parameters | undefined;
  /** The answer to the whole request, from the answer to what was sent (`{}` where nothing was). */
  complete(sent: Parameters): Parameters;
}

const MESSAGE = 'An internal error occurred.';

/** Failures stand in a list of their own, in no order that means something. */
function listed(
  { entries, failures }: { entries: string; failures: string },
  failure: (entry: never, errorCode?: string) => object,
  more: (sent: Parameters, failed: unknown[]) => Parameters = () => ({}),
): Batch {
  return {
    entries,
    answer(sent, failed) {
      const own = (sent[failures] ?? []) as unknown[];
      const all = [...own, ...[...failed.values()].map(({ entry, errorCode }) => failure(entry as never, errorCode))];
      return { ...sent, [failures]: all, ...more(sent, all) };
    },
  };
}

/** PutEvents answers for each entry at its place. */
const PUT_EVENTS: Batch = {
  entries: 'Entries',
  answer(sent, failed, total) {
    const results = [...((sent.Entries ?? []) as unknown[])];
    const Entries = Array.from({ length: total }, (_, index) => {
      const failure = failed.get(index);
      return failure ? { ErrorCode: failure.errorCode ?? 'InternalFailure', ErrorMessage: MESSAGE } : results.shift();
    });
    const FailedEntryCount = Entries.filter((result) => (result as Parameters | undefined)?.ErrorCode).length;
    return { ...sent, FailedEntryCount, Entries };
  },
};

const inEvents = (code = 'InternalException') => ({ ErrorCode: code, ErrorMessage: MESSAGE });
const inCatalog = (code = 'InternalServiceException') => ({ ErrorCode: code, ErrorMessage: MESSAGE });
const count = (_sent: Parameters, failed: unknown[]): Parameters => ({ FailedEntryCount: failed.length });

const PUT_TARGETS = listed(
  { entries: 'Targets', failures: 'FailedEntries' },
  ({ Id }: { Id: string }, code) => ({ TargetId: Id, ...inEvents(code) }),
  count,
);
const REMOVE_TARGETS = listed(
  { entries: 'Ids', failures: 'FailedEntries' },
  (TargetId, code) => ({ TargetId, ...inEvents(code) }),
  count,
);
const TABLES = listed({ entries: 'TablesToDelete', failures: 'Errors' }, (TableName, code) => ({
  TableName,
  ErrorDetail: inCatalog(code),
}));
const PERMISSIONS = listed({ entries: 'Entries', failures: 'Failures' }, (RequestEntry, code) => ({
  RequestEntry,
  Error: inCatalog(code),
}));
const LF_TAGS = listed({ entries: 'LFTags', failures: 'Failures' }, (LFTag, code) => ({
  LFTag,
  Error: inCatalog(code),
}));
const MESSAGES = listed(
  { entries: 'Entries', failures: 'Failed' },
  ({ Id }: { Id: string }, code = 'InternalError') => ({ Id, Code: code, Message: MESSAGE, SenderFault: false }),
  ({ Successful = [] }) => ({ Successful }),
);

const BATCHES: Record<string, Batch> = {
  'events.PutEvents': PUT_EVENTS,
  'events.PutTargets': PUT_TARGETS,
  'events.RemoveTargets': REMOVE_TARGETS,
  'glue.BatchDeleteTable': TABLES,
  'lakeformation.BatchGrantPermissions': PERMISSIONS,
  'lakeformation.BatchRevokePermissions': PERMISSIONS,
  'lakeformation.AddLFTagsToResource': LF_TAGS,
  'lakeformation.RemoveLFTagsFromResource': LF_TAGS,
  'sqs.SendMessageBatch': MESSAGES,
  'sqs.DeleteMessageBatch': MESSAGES,
};

/** Takes the entries that fail out of a batch; undefined where the operation is no batch or none of its entries fails. */
export function splitBatch(
  call: { service: string; operation: string; parameters: Parameters },
  fails: (() => EntryFailure | undefined) | undefined,
): Split | undefined {
  const batch = fails && BATCHES[`${call.service}.${call.operation}`];
  const entries = batch && call.parameters[batch.entries];
  if (!fails || !batch || !Array.isArray(entries)) return undefined;
  const failed = new Map<number, Failed>();
  for (const [index, entry] of entries.entries()) {
    const failure = fails();
    if (failure) failed.set(index, { entry, errorCode: failure.errorCode });
  }
  if (failed.size === 0) return undefined;
  const kept = entries.filter((_, index) => !failed.has(index));
  return {
    parameters: kept.length > 0 ? { ...call.parameters, [batch.entries]: kept } : undefined,
    complete: (sent) => batch.answer(sent, failed, entries.length),
  };
}
