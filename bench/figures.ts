/** One figure of a run, beside what is aimed at. */
export interface Figure {
  what: string;
  /** With its unit. */
  measured: string;
  target: string;
  /** Whether it reaches the target; null where it only explains another figure. */
  reached: boolean | null;
}

/** The value below which `share` of the samples lie (nearest rank). */
export function percentile(samples: number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Milliseconds for people. */
export function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1_000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
}

export const times = (value: number): string => `${value.toFixed(2)} x`;

/** The figures as a Markdown table. */
export function table(figures: Figure[]): string {
  const verdict = { true: 'yes', false: '**no**', null: '' };
  const rows = figures.map(({ what, measured, target, reached }) => [what, measured, target, verdict[`${reached}`]]);
  const all = [['what', 'measured', 'target', 'reached'], ['---', '---', '---', '---'], ...rows];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** How often each text comes, the most frequent first. */
export function tally(texts: string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}
