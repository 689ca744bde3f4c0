import { type JsonObject, memberOf, objectsOf, scalarTextOf, textOf } from './json.js';

/** The operators of a check with their operands. */
export type QualityThresholds = { readonly [operator: string]: unknown };

/** One quality check, of a table or of one of its columns (both by their names in the catalogue). */
export interface ContractQuality {
  table: string;
  column?: string;
  /** text, library, sql or custom; library where the document does not say (the standard's default). */
  type: string;
  id?: string;
  name?: string;
  dimension?: string;
  description?: string;
  /** The library's rule: `metric` since v3.1.0, `rule` before. */
  rule?: string;
  query?: string;
  engine?: string;
  implementation?: unknown;
  arguments?: unknown;
  thresholds: QualityThresholds;
  severity?: string;
  unit?: string;
  businessImpact?: string;
  method?: string;
  schedule?: string;
  scheduler?: string;
}

const TEXTS = [
  ...['id', 'name', 'dimension', 'description', 'query', 'engine'],
  ...['severity', 'unit', 'businessImpact', 'method', 'schedule', 'scheduler'],
];

/** Reads the checks of one table or column. */
export function readQuality(element: JsonObject, place: { table: string; column?: string }): ContractQuality[] {
  return objectsOf(memberOf(element, 'quality')).map((check) => {
    const rule = textOf(check.metric) ?? textOf(check.rule);
    const texts = TEXTS.flatMap((name) => {
      const text = scalarTextOf(memberOf(check, name));
      return text === undefined ? [] : [[name, text]];
    });
    return {
      ...place,
      type: textOf(check.type) ?? 'library',
      ...Object.fromEntries(texts),
      ...(rule === undefined ? {} : { rule }),
      ...(check.implementation === undefined ? {} : { implementation: check.implementation }),
      ...(check.arguments === undefined ? {} : { arguments: check.arguments }),
      thresholds: Object.fromEntries(Object.entries(check).filter(([key]) => /^must(?:Not)?Be/.test(key))),
    };
  });
}
