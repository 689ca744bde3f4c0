/**
 * An event goes out as one EventBridge entry of at most 256 KB (AWS: EventBridge quotas, PutEvents entry size), so its data is cut to
 * fit, and says so: the object that it is about has all of it. What is cut stays of its type, so that the type's schema still holds.
 */

/** Bytes of data as JSON; the rest of an entry, and ARNs that it repeats, need room too. */
const BUDGET = 96 * 1024;

/** Longest list and longest text, ever less until it fits. */
const MEASURES = [
  // What fits stays whole: what a domain tells is not for us to shorten.
  { items: Number.POSITIVE_INFINITY, characters: Number.POSITIVE_INFINITY },
  { items: 500, characters: Number.POSITIVE_INFINITY },
  { items: 500, characters: 20_000 },
  { items: 100, characters: 4_000 },
  { items: 20, characters: 1_000 },
  { items: 3, characters: 200 },
];
/** What is larger even then is left empty: an object that has so many members has none that are needed. */
const LARGEST_LEFT = 4 * 1024;

type Measure = (typeof MEASURES)[number];

/** The data as JSON within the budget: long lists and texts are cut where it is needed. Dates become text. */
export function bounded(data: Record<string, unknown>): Record<string, unknown> {
  const plain = plainJson(data);
  for (const measure of MEASURES) {
    const cut = told(plain, (value) => cutTo(value, measure));
    if (fits(cut)) return cut;
  }
  const emptied = told(plain, (value) => {
    const cut = cutTo(value, MEASURES.at(-1) as Measure);
    if (typeof cut !== 'object' || cut === null || Buffer.byteLength(JSON.stringify(cut)) <= LARGEST_LEFT) return cut;
    return Array.isArray(cut) ? [] : {};
  });
  return fits(emptied) ? emptied : { truncated: `The data of this event exceeds ${BUDGET / 1024} KB.` };
}

const fits = (data: unknown) => Buffer.byteLength(JSON.stringify(data)) <= BUDGET;

/** Every value cut, with a word about those of which something is missing. */
function told(data: Record<string, unknown>, cut: (value: unknown) => unknown): Record<string, unknown> {
  const values = Object.entries(data).map(([key, value]): [string, unknown, boolean] => {
    const left = cut(value);
    return [key, left, JSON.stringify(left) !== JSON.stringify(value)];
  });
  const short = values.flatMap(([key, , isShort]) => (isShort ? [key] : []));
  const all = Object.fromEntries(values);
  if (short.length === 0) return all;
  const named = short.join(', ');
  return { ...all, truncated: `Cut to fit: ${named.length > 1_000 ? `${short.length} fields` : named}.` };
}

function cutTo(value: unknown, measure: Measure): unknown {
  if (typeof value === 'string') {
    const { characters } = measure;
    return value.length > characters
      ? `${value.slice(0, characters)}... and ${value.length - characters} more characters`
      : value;
  }
  if (Array.isArray(value)) return value.slice(0, measure.items).map((one) => cutTo(one, measure));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, cutTo(member, measure)]));
}

/** As it will be stored: dates as text, nothing undefined, and no `__proto__`, which the database client would drop in silence. */
function plainJson(data: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data), (key, value) => (key === '__proto__' ? undefined : value));
}
