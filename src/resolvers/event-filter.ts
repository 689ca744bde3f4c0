import { invalid, notFound } from '../governance/error.js';
import { type NodeType, parseGlobalId } from '../governance/global-id.js';
import { dataProductShape } from '../governance/read/data-product.js';
import { domainShape } from '../governance/read/domain.js';
import type { EventFilter } from '../governance/read/event.js';
import { readList, type Shape } from '../governance/read/select.js';
import type { MeshEventFilter } from '../schema/event.js';
import type { RequestContext } from './context.js';
import { decodeFilter } from './decode.js';

/**
 * A client's filter with row ids. A filter that can let nothing through is a mistake of his, and he hears of it: throws VALIDATION for an
 * empty list or an id of another type, and NOT_FOUND for what is not there or what he may not see. One statement for each list of ids.
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
  await assertSeen(rc, { name: 'domains', ids: domains, type: 'Domain', shape: domainShape });
  await assertSeen(rc, { name: 'dataProducts', ids: dataProducts, type: 'DataProduct', shape: dataProductShape });
  return decodeFilter({ ...filter }) as EventFilter;
}

interface Named {
  name: string;
  ids: readonly string[] | null | undefined;
  type: NodeType;
  shape: Shape;
}

const CALLED: Partial<Record<NodeType, string>> = { Domain: 'domain', DataProduct: 'data product' };

async function assertSeen(rc: RequestContext, { name, ids, type, shape }: Named): Promise<void> {
  if (!ids) return;
  const rows = ids.map((id) => {
    const parsed = parseGlobalId(id);
    if (parsed?.type !== type)
      throw invalid(`filter.${name}`, `"${id.slice(0, 100)}" is not the id of a ${CALLED[type]}.`);
    return parsed.id;
  });
  const seen = new Set((await readList(rc.read, shape, rows, [])).map(({ id }) => id));
  const missing = ids.find((_, index) => !seen.has(rows[index]));
  if (missing !== undefined) throw notFound(`The ${CALLED[type]} ${missing} of \`${name}\``);
}
