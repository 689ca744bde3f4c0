import { neverMet } from '../events/filter.js';
import { GovernanceError, invalid, notFound } from '../governance/error.js';
import { type NodeType, parseGlobalId } from '../governance/global-id.js';
import { dataProductShape } from '../governance/read/data-product.js';
import { domainShape } from '../governance/read/domain.js';
import { domainEventTypeShape } from '../governance/read/domain-event-type.js';
import type { EventFilter } from '../governance/read/event.js';
import { NOTHING, type ReadObject, readList, readOne, type Shape, type Sql, sql } from '../governance/read/select.js';
import type { MeshEventFilter } from '../schema/event.js';
import type { RequestContext } from './context.js';
import { called, decodeFilter } from './decode.js';

/**
 * A client's filter with row ids, for streams, pages and webhooks alike. A filter that can let nothing through is a mistake of his, and he
 * hears of it: throws VALIDATION for an empty list, an id of another type or parts that no event can meet together, and NOT_FOUND for what
 * is not there or what he may not see. One statement for each list of ids.
 */
export async function readEventFilter(
  rc: RequestContext,
  filter: MeshEventFilter | null | undefined,
): Promise<EventFilter> {
  const { types, domains, dataProducts, tags } = filter ?? {};
  for (const [name, list] of Object.entries({ types, domains, dataProducts, tags })) {
    if (list?.length === 0) {
      throw invalid(
        `filter.${name}`,
        `\`${name}\` is empty, so no event would pass: name at least one, or leave it out.`,
      );
    }
  }
  if (tags?.some((tag) => tag.trim() === ''))
    throw invalid('filter.tags', 'No product has an empty tag: leave it out.');
  const decoded = decodeFilter({ ...filter }) as EventFilter;
  assertCanBeMet(decoded);
  await assertSeen(rc, { name: 'domains', ids: domains, type: 'Domain', shape: domainShape });
  const products = { name: 'dataProducts', ids: dataProducts, type: 'DataProduct', shape: dataProductShape } as const;
  const seen = await assertSeen(rc, products);
  const { domains: within } = decoded;
  if (within && dataProducts && !seen.some(({ domainId }) => within.includes(String(domainId))))
    throw invalid(
      'filter.dataProducts',
      '`dataProducts` are all of other domains than `domains`, so no event would pass: leave one of the two out.',
    );
  return decoded;
}

/** Parts add up: what no event of the types can say leaves nothing over. */
function assertCanBeMet(filter: EventFilter): void {
  const [part, ...more] = neverMet(filter);
  if (part === undefined) return;
  const named = [part, ...more].map((one) => `\`${one}\``).join(' and ');
  throw invalid(
    `filter.${part}`,
    `No event of these \`types\` meets ${named}, so none would pass: name other types, or leave ${named} out.`,
  );
}

interface Named {
  name: string;
  ids: readonly string[] | null | undefined;
  type: NodeType;
  shape: Shape;
}

/** Throws VALIDATION for an id of another type, NOT_FOUND for what is not there or what he may not see. One statement. */
export async function assertSeen(rc: RequestContext, { name, ids, type, shape }: Named): Promise<ReadObject[]> {
  if (!ids) return [];
  const rows = ids.map((id) => {
    const parsed = parseGlobalId(id);
    if (parsed?.type !== type)
      throw invalid(`filter.${name}`, `"${id.slice(0, 100)}" is not the id of ${called(type)}.`);
    return parsed.id;
  });
  const seen = await readList(rc.read, shape, rows, []);
  const known = new Set(seen.map(({ id }) => id));
  const missing = ids.find((_, index) => !known.has(rows[index]));
  if (missing !== undefined) throw notFound(`${called(type).replace(/^an? /, 'The ')} ${missing} of \`${name}\``);
  return seen;
}

/** Throws where the domain never registered such a type, or the subscriber may not see it: he would wait in vain. One statement. */
export async function assertDetailType(rc: RequestContext, domainId: string, detailType: unknown): Promise<void> {
  if (typeof detailType !== 'string') return;
  if (detailType.trim() === '') {
    throw invalid('detailType', '`detailType` is empty, so no event would pass: name one, or leave it out.');
  }
  const named = (r: Sql) => sql`${r}."domainId" = ${domainId}::uuid AND ${r}."detailType" = ${detailType}`;
  if (await readOne(rc.read, domainEventTypeShape, named, NOTHING)) return;
  throw new GovernanceError(
    'NOT_FOUND',
    'The domain registered no events of this `detailType`, or you may not see it: `Domain.eventTypes` shows those that there are.',
  );
}
