/**
 * An event goes out as one EventBridge entry of at most 256 KB (AWS: EventBridge quotas, PutEvents entry size), so its data is cut to
 * fit, and says so: the object that it is about has all of it.
 */

/** Bytes of data as JSON; the rest of an entry, and ARNs that it repeats, need room too. */
const BUDGET = 96 * 1024;

/** Longest list and longest text, ever less until it fits. */
const MEASURES = [
  { items: 500, characters: 20_000 },
  { items: 100, characters: 4_000 },
  { items: 20, characters: 1_000 },
  { items: 3, characters: 200 },
];

/** The data as JSON within the budget: long lists and texts are cut where it is needed. Dates become text. */
export function bounded(data: Record<string, unknown>): Record<string, unknown> {
  const plain = plainJson(data);
  for (const measure of [{ items: 500, characters: Number.POSITIVE_INFINITY }, ...MEASURES]) {
    const cut = cutTo(plain, measure) as Record<string, unknown>;
    if (Buffer.byteLength(JSON.stringify(cut)) <= BUDGET) return cut;
  }
  return { truncated: `The data of this event exceeds ${BUDGET / 1024} KB: read the object that it is about.` };
}

function cutTo(value: unknown, measure: { items: number; characters: number }): unknown {
  if (typeof value === 'string') {
    const { characters } = measure;
    return value.length > characters
      ? `${value.slice(0, characters)}... and ${value.length - characters} more characters`
      : value;
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, measure.items).map((one) => cutTo(one, measure));
    return value.length > shown.length ? [...shown, `... and ${value.length - shown.length} more`] : shown;
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, cutTo(member, measure)]));
}

/** As it will be stored: dates as text, nothing undefined, and no `__proto__`, which the database client would drop in silence. */
function plainJson(data: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data), (key, value) => (key === '__proto__' ? undefined : value));
}
