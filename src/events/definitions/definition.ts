import type { Fields } from '../fields.js';
import type { SubjectType } from '../types.js';

/** What is known of an event type: what it is about, the version of its data, what it says, and its data. */
export interface EventDefinition {
  readonly subject: SubjectType;
  readonly version: number;
  readonly says: string;
  readonly data: Fields;
}
