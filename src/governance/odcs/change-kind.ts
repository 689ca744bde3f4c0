/** What a kind of change means for those who read the data. */
interface ChangeMeaning {
  breaking: boolean;
  /** The kind that the same change is when read backwards. */
  mirror: string;
}

const kind = (breaking: boolean, mirror: string): ChangeMeaning => ({ breaking, mirror });

/**
 * Every kind of change between two versions of a contract, seen from its consumers. Breaking is what can make a query that was right
 * before fail, return less, or mean something else, and what takes back a promise:
 * - Names: a rename is a removal and an addition, since queries name tables and columns.
 * - Types: Iceberg's promotions and further struct fields keep queries working; every other change may not.
 * - `required` and `unique` are promises of the producer: dropping one breaks, giving one does not.
 * - The primary key is what consumers join and deduplicate on: any change breaks. Partition keys belong to the layout, but Glue and
 *   Athena queries that must filter by partition fail without them: any change breaks.
 * - A stricter classification, and a new mark as personal data, can end accesses that were approved: they break.
 * - SLA and quality: weaker or gone breaks, stronger or new does not; where no direction can be told, it breaks.
 * - Where the files lie and how they are written is behind the catalogue: it does not break a query.
 * - Descriptions, names for people, tags, owner, support, price and all other metadata do not break.
 */
export const CHANGE_KINDS = {
  TABLE_ADDED: kind(false, 'TABLE_REMOVED'),
  TABLE_REMOVED: kind(true, 'TABLE_ADDED'),
  TABLE_LOCATION_CHANGED: kind(false, 'TABLE_LOCATION_CHANGED'),
  TABLE_FORMAT_CHANGED: kind(false, 'TABLE_FORMAT_CHANGED'),
  TABLE_METADATA_CHANGED: kind(false, 'TABLE_METADATA_CHANGED'),
  PRIMARY_KEY_CHANGED: kind(true, 'PRIMARY_KEY_CHANGED'),
  PARTITION_KEYS_CHANGED: kind(true, 'PARTITION_KEYS_CHANGED'),
  COLUMN_ADDED: kind(false, 'COLUMN_REMOVED'),
  COLUMN_REMOVED: kind(true, 'COLUMN_ADDED'),
  COLUMN_TYPE_CHANGED: kind(true, 'COLUMN_TYPE_CHANGED'),
  COLUMN_TYPE_WIDENED: kind(false, 'COLUMN_TYPE_NARROWED'),
  COLUMN_TYPE_NARROWED: kind(true, 'COLUMN_TYPE_WIDENED'),
  COLUMN_REQUIRED_ADDED: kind(false, 'COLUMN_REQUIRED_DROPPED'),
  COLUMN_REQUIRED_DROPPED: kind(true, 'COLUMN_REQUIRED_ADDED'),
  COLUMN_UNIQUE_ADDED: kind(false, 'COLUMN_UNIQUE_DROPPED'),
  COLUMN_UNIQUE_DROPPED: kind(true, 'COLUMN_UNIQUE_ADDED'),
  COLUMN_CLASSIFICATION_RAISED: kind(true, 'COLUMN_CLASSIFICATION_LOWERED'),
  COLUMN_CLASSIFICATION_LOWERED: kind(false, 'COLUMN_CLASSIFICATION_RAISED'),
  COLUMN_PII_ADDED: kind(true, 'COLUMN_PII_DROPPED'),
  COLUMN_PII_DROPPED: kind(false, 'COLUMN_PII_ADDED'),
  COLUMN_METADATA_CHANGED: kind(false, 'COLUMN_METADATA_CHANGED'),
  SLA_ADDED: kind(false, 'SLA_REMOVED'),
  SLA_REMOVED: kind(true, 'SLA_ADDED'),
  SLA_STRENGTHENED: kind(false, 'SLA_WEAKENED'),
  SLA_WEAKENED: kind(true, 'SLA_STRENGTHENED'),
  SLA_CHANGED: kind(true, 'SLA_CHANGED'),
  QUALITY_ADDED: kind(false, 'QUALITY_REMOVED'),
  QUALITY_REMOVED: kind(true, 'QUALITY_ADDED'),
  QUALITY_TIGHTENED: kind(false, 'QUALITY_LOOSENED'),
  QUALITY_LOOSENED: kind(true, 'QUALITY_TIGHTENED'),
  QUALITY_CHANGED: kind(true, 'QUALITY_CHANGED'),
  DESCRIPTION_CHANGED: kind(false, 'DESCRIPTION_CHANGED'),
  METADATA_CHANGED: kind(false, 'METADATA_CHANGED'),
} as const;

/** One kind of change between two contracts. */
export type ContractChangeKind = keyof typeof CHANGE_KINDS;

/** One change between two versions of a contract. */
export interface ContractChange {
  /** Where, by name, as ODCS v3.1.0 writes references: `schema/orders/properties/customer_id`, `slaProperties/retention`. */
  path: string;
  kind: ContractChangeKind;
  /** Whether a consumer of the earlier version may be hurt. */
  breaking: boolean;
  /** A sentence for a person. */
  message: string;
}

/** A change with what its kind means. */
export function change(kind: ContractChangeKind, path: string, message: string): ContractChange {
  return { path, kind, breaking: CHANGE_KINDS[kind].breaking, message };
}
