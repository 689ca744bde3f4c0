import { appendAll, type NewEvent } from '../events/append.js';
import type { Context } from './context.js';
import { globalId, type NodeType } from './global-id.js';
import type { SensitiveRead } from './read/sensitive.js';

/** One event lists at most so many objects; how many there were it says in any case. */
const OBJECTS_LISTED = 100;

type Reader = Pick<Context, 'db' | 'actor' | 'correlationId'>;

/** Tells of what was read, one event a product, all by one statement. Throws where it cannot be written: then nothing may be answered. */
export async function tellReads(ctx: Reader, reads: SensitiveRead[]): Promise<void> {
  const products = new Set(reads.map(({ product }) => product.id));
  const events = [...products].map((id) =>
    readEvent(
      ctx,
      reads.filter(({ product }) => product.id === id),
    ),
  );
  await appendAll(ctx.db, events);
}

/** Tells that an explanation of the access to a product was read, where that is to be told. */
export async function tellExplained(
  ctx: Reader & Pick<Context, 'mesh'>,
  product: SensitiveRead['product'],
  query: 'explainAccess' | 'whoCanAccess',
): Promise<void> {
  if (!ctx.mesh.auditedReads.some((audited) => audited === product.classification)) return;
  await tellReads(ctx, [{ product, object: { type: 'DataProduct', id: product.id }, fields: [query] }]);
}

function readEvent({ actor, correlationId }: Reader, reads: SensitiveRead[]): NewEvent {
  const { product } = reads[0] as SensitiveRead;
  const objects = [...new Set(reads.map(({ object }) => globalId(object.type as NodeType, object.id)))];
  const fields = new Set(reads.flatMap(({ object, fields }) => fields.map((field) => `${object.type}.${field}`)));
  return {
    type: 'RestrictedDetailsRead',
    subject: {
      type: 'DataProduct',
      id: globalId('DataProduct', product.id),
      name: product.name,
      domain: product.domain,
    },
    subjectId: product.id,
    domainId: product.domainId,
    productId: product.id,
    audience: { public: false, domains: [product.domainId], subjects: [] },
    actor,
    correlationId,
    data: {
      classification: product.classification,
      fields: [...fields].sort(),
      objects: objects.slice(0, OBJECTS_LISTED),
      count: objects.length,
    },
  };
}
