import type { GraphQLResolveInfo } from 'graphql';
import { readList, type Shape } from '../governance/read/select.js';
import type { RequestContext } from './context.js';
import { selectionOf } from './select.js';

type Load<Value> = (ids: string[]) => Promise<Map<string, Value>>;

/** What a request waits to load, by the field of its document that asks. */
const waiting = new WeakMap<RequestContext, Map<object, { ids: Set<string>; loaded: Promise<Map<string, unknown>> }>>();

/**
 * Loads by one call what one field of a document asks for on all objects of a list: graphql-js resolves it on each of them within one
 * turn. Null where nothing was loaded for the id.
 */
export async function loadTogether<Value>(
  { rc, field, id }: { rc: RequestContext; field: object; id: string },
  load: Load<Value>,
): Promise<Value | null> {
  const fields = waiting.get(rc) ?? new Map();
  waiting.set(rc, fields);
  let batch = fields.get(field);
  if (batch === undefined) {
    const ids = new Set<string>();
    const loaded = Promise.resolve().then(() => {
      fields.delete(field);
      return load([...ids]);
    });
    batch = { ids, loaded };
    fields.set(field, batch);
  }
  batch.ids.add(id);
  return ((await batch.loaded).get(id) ?? null) as Value | null;
}

/** An object that was found by other means than a read, as the viewer may see it: one statement for all that one field asks for. */
export async function readNamed(
  rc: RequestContext,
  info: GraphQLResolveInfo,
  { shape, id }: { shape: Shape; id: string | null },
) {
  const [field] = info.fieldNodes;
  if (id === null || field === undefined) return null;
  return loadTogether({ rc, field, id }, async (ids) => {
    const objects = await readList(rc.read, shape, ids, [selectionOf(info)]);
    return new Map(objects.map((object) => [String(object.id), object]));
  });
}
