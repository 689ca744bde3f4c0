import { dataProductShape } from './data-product.js';
import { plain, raw, type Shape, sql } from './select.js';
import { seesContract } from './visible.js';

export const dataContractShape: Shape = {
  type: 'DataContract',
  from: raw('"DataContract"'),
  always: ['id'],
  columns: {
    ...plain('id', 'odcsId', 'name', 'version', 'apiVersion', 'status', 'revision', 'document', 'format', 'digest'),
    ...plain('sla', 'quality', 'warnings', 'notes', 'createdBy', 'createdAt', 'activatedAt'),
  },
  relations: {
    dataProduct: { kind: 'one', shape: () => dataProductShape, where: (t, r) => sql`${r}."id" = ${t}."productId"` },
  },
  documents: ['document', 'sla', 'quality', 'warnings', 'notes'],
  scope: 'CATALOGUE_READ',
  visible: seesContract,
};
