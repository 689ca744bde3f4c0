import { type ContractChange, type ContractChangeKind, change } from './change-kind.js';
import { stableText } from './json.js';
import { keyedInOrder } from './keyed.js';
import type { ContractSla } from './read.js';

/** Which way a promise is better for the consumer, by the standard's names (its "Data QoS" list). */
const BETTER = new Map<string, 'HIGHER' | 'LOWER'>([
  ['availability', 'HIGHER'],
  ['throughput', 'HIGHER'],
  ['retention', 'HIGHER'],
  ['endofsupport', 'HIGHER'],
  ['endoflife', 'HIGHER'],
  ['completeness', 'HIGHER'],
  ['latency', 'LOWER'],
  ['freshness', 'LOWER'],
  ['frequency', 'LOWER'],
  ['errorrate', 'LOWER'],
  ['generalavailability', 'LOWER'],
  ['timetodetect', 'LOWER'],
  ['timetonotify', 'LOWER'],
  ['timetorepair', 'LOWER'],
]);

const UNITS_OF_TIME: [string, number][] = [
  ['ms millisecond milliseconds', 0.001],
  ['s sec secs second seconds', 1],
  ['m min mins minute minutes', 60],
  ['h hr hrs hour hours', 3600],
  ['d day days', 86_400],
  ['w wk week weeks', 604_800],
  ['mo month months', 2_629_746],
  ['y yr yrs year years', 31_556_952],
];
const SECONDS = new Map(
  UNITS_OF_TIME.flatMap(([names, seconds]) => names.split(' ').map((name) => [name, seconds] as const)),
);

/** Compares the promises of two contracts; the same property of the same element (and driver) is the same promise. */
export function diffSla(from: ContractSla[], to: ContractSla[]): ContractChange[] {
  const keyOf = ({ property, element, driver }: ContractSla): string =>
    stableText([property.toLowerCase(), element, driver]);
  const [before, after] = [keyedInOrder(from, keyOf), keyedInOrder(to, keyOf)];
  const kept = [...before].flatMap(([key, promise]) => {
    const other = after.get(key);
    if (other === undefined) return [change('SLA_REMOVED', pathOf(promise), `The promise ${show(promise)} is gone`)];
    const kind = changeOf(promise, other);
    return kind === undefined
      ? []
      : [change(kind, pathOf(other), `The promise ${show(promise)} became ${show(other)}`)];
  });
  const added = [...after].filter(([key]) => !before.has(key));
  return [
    ...kept,
    ...added.map(([, promise]) => change('SLA_ADDED', pathOf(promise), `The promise ${show(promise)} is new`)),
  ];
}

function pathOf({ property, element }: ContractSla): string {
  return element === undefined ? `slaProperties/${property}` : `slaProperties/${property}/${element}`;
}

function show({ property, value, valueExt, unit, element }: ContractSla): string {
  const amount = [value, valueExt === undefined ? undefined : `(${valueExt})`, unit]
    .filter((part) => part !== undefined)
    .join(' ');
  return `${property} ${amount}${element === undefined ? '' : ` of ${element}`}`;
}

function changeOf(from: ContractSla, to: ContractSla): ContractChangeKind | undefined {
  const [before, after] = [measureOf(from), measureOf(to)];
  const sameExtension = stableText(from.valueExt) === stableText(to.valueExt);
  const comparable =
    before !== undefined && after !== undefined && before.dimension === after.dimension && sameExtension;
  if (comparable && before.amount === after.amount) return undefined;
  const better = BETTER.get(from.property.toLowerCase().replaceAll(/[^a-z]/g, ''));
  if (comparable && better !== undefined) {
    return after.amount > before.amount === (better === 'HIGHER') ? 'SLA_STRENGTHENED' : 'SLA_WEAKENED';
  }
  const content = ({ value, valueExt, unit }: ContractSla): string => stableText([value, valueExt, unit]);
  return content(from) === content(to) ? undefined : 'SLA_CHANGED';
}

interface Measure {
  /** Only measures of one dimension compare: seconds, an instant, or a unit that we do not know. */
  dimension: string;
  amount: number;
}

/** A promise's value as a number: durations in seconds, dates as instants, percentages and other units as they are. */
function measureOf({ value, unit }: ContractSla): Measure | undefined {
  const text = String(value).trim();
  const instant = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(instant)) return { dimension: 'instant', amount: instant };
  const duration = isoSeconds(text);
  if (duration !== undefined) return { dimension: 'seconds', amount: duration };
  const [, digits, suffix = ''] = /^(-?\d+(?:\.\d+)?)\s*(%|[a-z]*)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const stated = (unit ?? suffix).toLowerCase().trim();
  const seconds = SECONDS.get(stated);
  if (seconds !== undefined) return { dimension: 'seconds', amount: Number(digits) * seconds };
  return { dimension: /^(?:%|percent)$/.test(stated) ? 'percent' : stated, amount: Number(digits) };
}

/** Seconds of an ISO 8601 duration such as P1Y or PT6H; years and months by their mean length. */
function isoSeconds(text: string): number | undefined {
  const match =
    /^P(?!$)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const lengths = [31_556_952, 2_629_746, 604_800, 86_400, 3600, 60, 1];
  return lengths.reduce((sum, length, index) => sum + length * Number(match[index + 1] ?? 0), 0);
}
