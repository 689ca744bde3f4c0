import { type JsonObject, listOf, objectsOf, scalarTextOf, textOf, textsOf } from './json.js';

/** Meshgate's classes, from the least to the most protected. */
export const CONTRACT_CLASSIFICATIONS = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'] as const;

/** One of Meshgate's classes. */
export type ContractClassification = (typeof CONTRACT_CLASSIFICATIONS)[number];

// ODCS leaves the words open; these are the ones in use, whole or as the first word.
const CLASS_BY_WORD: Record<string, ContractClassification> = {
  public: 'PUBLIC',
  open: 'PUBLIC',
  internal: 'INTERNAL',
  private: 'INTERNAL',
  confidential: 'CONFIDENTIAL',
  sensitive: 'CONFIDENTIAL',
  pii: 'CONFIDENTIAL',
  personal: 'CONFIDENTIAL',
  restricted: 'RESTRICTED',
  secret: 'RESTRICTED',
  highly: 'RESTRICTED',
  strictly: 'RESTRICTED',
};

/** The class that a contract's own word stands for; undefined where the word is unknown. */
export function classificationOf(label: string | undefined): ContractClassification | undefined {
  const word = wordsOf(label ?? '')[0] ?? '';
  return Object.hasOwn(CLASS_BY_WORD, word) ? CLASS_BY_WORD[word] : undefined;
}

/** Tells whether a table or column is marked as personal data, by its tags, its classification or a custom property. */
export function isPersonal(element: JsonObject): boolean {
  const labels = [...textsOf(element.tags), textOf(element.classification) ?? ''];
  if (labels.some(saysPersonal)) return true;
  return objectsOf(element.customProperties).some(({ property, value }) => {
    const name = textOf(property) ?? '';
    if (/^tags?$|classification|sensitivity/i.test(name))
      return [value, ...listOf(value)].some((each) => saysPersonal(textOf(each) ?? ''));
    return saysPersonal(name) && /^(?:true|yes|1|y)$/i.test(scalarTextOf(value) ?? '');
  });
}

function saysPersonal(label: string): boolean {
  const words = wordsOf(label);
  if (words.some((word) => ['no', 'non', 'not', 'false'].includes(word))) return false;
  return words.includes('pii') || words[0] === 'personal';
}

/** Lower-case words, `isPII` and `contains_pii` alike taken apart. */
function wordsOf(label: string): string[] {
  return label
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
