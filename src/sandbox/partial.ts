/** Batches of which a `partial` fault fails some entries: what is left is sent on, and the answer tells of both. */

type Parameters = Record<string, unknown>;

/** How a batch operation names its entries and answers for those that failed (each service's API reference). */
interface Batch {
  /** The member of the request that holds the entries. */
  entries: string;
  /** The answer for all entries, from the answer for those that were sent; `failed` by position in the request. */
  answer(sent: Parameters, failed: Map<number, unknown>, total: number): Parameters;
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
  failure: (entry: never) => object,
  more: (sent: Parameters, failed: unknown[]) => Parameters = () => ({}),
): Batch {
  return {
    entries,
    answer(sent, failed) {
      const own = (sent[failures] ?? []) as unknown[];
      const all = [...own, ...[...failed.values()].map((entry) => failure(entry as never))];
      return { ...sent, [failures]: all, ...more(sent, all) };
    },
  };
}

/** PutEvents answers for each entry at its place. */
const PUT_EVENTS: Batch = {
  entries: 'Entries',
  answer(sent, failed, total) {
    const results = [...((sent.Entries ?? []) as unknown[])];
    const Entries = Array.from({ length: total }, (_, index) =>
      failed.has(index) ? { ErrorCode: 'InternalFailure', ErrorMessage: MESSAGE } : results.shift(),
    );
    const FailedEntryCount = Entries.filter((result) => (result as Parameters | undefined)?.ErrorCode).length;
    return { ...sent, FailedEntryCount, Entries };
  },
};

const IN_EVENTS = { ErrorCode: 'InternalException', ErrorMessage: MESSAGE };
const IN_CATALOG = { ErrorCode: 'InternalServiceException', ErrorMessage: MESSAGE };
const count = (_sent: Parameters, failed: unknown[]): Parameters => ({ FailedEntryCount: failed.length });

const PUT_TARGETS = listed(
  { entries: 'Targets', failures: 'FailedEntries' },
  ({ Id }: { Id: string }) => ({ TargetId: Id, ...IN_EVENTS }),
  count,
);
const REMOVE_TARGETS = listed(
  { entries: 'Ids', failures: 'FailedEntries' },
  (TargetId) => ({ TargetId, ...IN_EVENTS }),
  count,
);
const TABLES = listed({ entries: 'TablesToDelete', failures: 'Errors' }, (TableName) => ({
  TableName,
  ErrorDetail: IN_CATALOG,
}));
const PERMISSIONS = listed({ entries: 'Entries', failures: 'Failures' }, (RequestEntry) => ({
  RequestEntry,
  Error: IN_CATALOG,
}));
const LF_TAGS = listed({ entries: 'LFTags', failures: 'Failures' }, (LFTag) => ({ LFTag, Error: IN_CATALOG }));
const MESSAGES = listed(
  { entries: 'Entries', failures: 'Failed' },
  ({ Id }: { Id: string }) => ({ Id, Code: 'InternalError', Message: MESSAGE, SenderFault: false }),
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
  fails: (() => boolean) | undefined,
): Split | undefined {
  const batch = fails && BATCHES[`${call.service}.${call.operation}`];
  const entries = batch && call.parameters[batch.entries];
  if (!fails || !batch || !Array.isArray(entries)) return undefined;
  const failed = new Map<number, unknown>();
  for (const [index, entry] of entries.entries()) if (fails()) failed.set(index, entry);
  if (failed.size === 0) return undefined;
  const kept = entries.filter((_, index) => !failed.has(index));
  return {
    parameters: kept.length > 0 ? { ...call.parameters, [batch.entries]: kept } : undefined,
    complete: (sent) => batch.answer(sent, failed, entries.length),
  };
}
