import { type ContractChange, change } from './change-kind.js';
import { diffQuality } from './diff-quality.js';
import { diffSla } from './diff-sla.js';
import { diffTables } from './diff-tables.js';
import { isObject, memberOf, stableText } from './json.js';
import { type DataContractReading, readDataContract } from './read.js';

/** What changed from one contract to another. */
export interface DataContractDiff {
  /** No change is breaking. */
  compatible: boolean;
  changes: ContractChange[];
}

// Judged by their meaning, each in its own part of the comparison.
const JUDGED = new Set(['schema', 'slaProperties', 'slaDefaultElement', 'description']);
// What every new version changes says nothing to its consumers.
const FORMAL = new Set(['version', 'apiVersion', 'kind', 'contractCreatedTs']);

/** Compares two contract documents as their consumers see them; see `CHANGE_KINDS` for what breaks. It never throws. */
export function diffDataContracts(from: unknown, to: unknown): DataContractDiff {
  const [before, after] = [readDataContract(from), readDataContract(to)];
  const changes = [
    ...diffTables(before.tables, after.tables),
    ...diffSla(before.sla, after.sla),
    ...diffQuality(qualityOfKeptTables(before, after), qualityOfKeptTables(after, before)),
    ...diffMetadata(from, to),
  ];
  return { compatible: changes.every(({ breaking }) => !breaking), changes };
}

/** Checks of a table that came or went are part of its coming or going. */
function qualityOfKeptTables(
  contract: DataContractReading,
  other: DataContractReading,
): DataContractReading['quality'] {
  const kept = new Set(other.tables.map(({ name }) => name));
  return contract.quality.filter(({ table }) => kept.has(table));
}

function diffMetadata(from: unknown, to: unknown): ContractChange[] {
  const keys = new Set([from, to].flatMap((document) => (isObject(document) ? Object.keys(document) : [])));
  const differing = [...keys].filter((key) => stableText(memberOf(from, key)) !== stableText(memberOf(to, key)));
  return differing.flatMap((key) => {
    if (key === 'description') return [change('DESCRIPTION_CHANGED', key, 'The description changed')];
    if (JUDGED.has(key) || FORMAL.has(key)) return [];
    return [change('METADATA_CHANGED', key, `${key} changed`)];
  });
}
