import { EVENT_TYPES, type EventType, isOfDomains } from '../events/types.js';
import { invalid } from '../governance/error.js';
import { parseGlobalId } from '../governance/global-id.js';
import { domainShape } from '../governance/read/domain.js';
import { CORRELATION_ID } from '../governance/validation.js';
import type { AuditFilter } from '../schema/audit.js';
import type { RequestContext } from './context.js';
import { assertSeen } from './event-filter.js';

/** Of any event, what it is about. */
const SUBJECT_TYPES: ReadonlySet<string> = new Set(Object.values(EVENT_TYPES).map(({ subject }) => subject));

type Given = { [Part in keyof AuditFilter]?: AuditFilter[Part] | null };

/**
 * A filter that no entry can meet is a mistake, not an empty trail: throws VALIDATION for it, and NOT_FOUND for a domain that is not there.
 * One statement where a domain is named, else none.
 */
export async function assertAuditFilter(rc: RequestContext, filter: Given | null | undefined): Promise<void> {
  if (!filter) return;
  const { domain } = filter;
  assertTexts(filter);
  assertPeriod(filter);
  const about = subjectTypeOf(filter);
  assertActions(filter, about);
  const known = { name: 'domain', type: 'Domain', shape: domainShape } as const;
  if (typeof domain === 'string') await assertSeen(rc, { ...known, ids: [domain] });
}

function assertTexts({ actor, tokenId, correlationId }: Given): void {
  for (const [name, text] of Object.entries({ actor, tokenId, correlationId }))
    if (text === '') throw invalid(`filter.${name}`, `\`${name}\` is empty, so no entry would match: leave it out.`);
  if (typeof correlationId === 'string' && !CORRELATION_ID.test(correlationId))
    throw invalid(
      'filter.correlationId',
      '`correlationId` has up to 128 letters, digits and `_ . : -`, as the answer to a request names it.',
    );
}

function assertPeriod({ from, until }: Given): void {
  if (from && until && from >= until)
    throw invalid('filter.until', '`until` is not after `from`, so no entry would match: `until` itself is left out.');
}

/** The type of what the entries are about; undefined where the filter leaves it open. */
function subjectTypeOf({ subject, subjectType }: Given): string | undefined {
  if (typeof subjectType === 'string' && !SUBJECT_TYPES.has(subjectType))
    throw invalid('filter.subjectType', `\`subjectType\` is one of ${[...SUBJECT_TYPES].sort().join(', ')}.`);
  if (typeof subject !== 'string') return subjectType ?? undefined;
  const type = parseGlobalId(subject)?.type;
  if (type === undefined || !SUBJECT_TYPES.has(type))
    throw invalid('filter.subject', `"${subject.slice(0, 100)}" is not the id of anything that an entry is about.`);
  if (typeof subjectType === 'string' && type !== subjectType)
    throw invalid('filter.subjectType', `\`subject\` is a ${type}: name that as \`subjectType\`, or leave it out.`);
  return type;
}

function assertActions({ actions, domain }: Given, about: string | undefined): void {
  if (!actions) return;
  if (actions.length === 0)
    throw invalid('filter.actions', '`actions` is empty, so no entry would match: name at least one, or leave it out.');
  const types = actions as EventType[];
  if (about !== undefined && !types.some((type) => EVENT_TYPES[type].subject === about))
    throw invalid('filter.actions', `None of these \`actions\` is done to a ${about}: name others, or leave them out.`);
  if (typeof domain === 'string' && !types.some(isOfDomains))
    throw invalid('filter.domain', 'None of these `actions` belongs to a domain: leave `domain` out.');
}
