import { plain, raw, type Shape } from './select.js';
import { everybody } from './visible.js';

/** Read below a product or a request alone: who sees that sees what it asks. */
export const requestTemplateShape: Shape = {
  type: 'RequestTemplate',
  from: raw('"RequestTemplate"'),
  always: [],
  columns: plain('version', 'questions', 'createdAt'),
  relations: {},
  documents: ['questions'],
  scope: 'CATALOGUE_READ',
  visible: everybody,
};
