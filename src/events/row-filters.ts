/** As providers tell a difference: `rowFilter is "country = 'DE'", wanted null`. */
const DIFFERENCE = /rowFilter is (null|"(?:[^"\\]|\\.)*"), wanted (null|"(?:[^"\\]|\\.)*")/g;

/**
 * The data without the rows that anybody may read: an event reaches more people, and other accounts, than may know them. That there is a
 * filter, or that it is another, is told.
 */
export function withoutRowFilters(data: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data), (key, value) => {
    if (typeof value !== 'string') return value;
    return key === 'rowFilter' ? '(not told)' : value.replace(DIFFERENCE, 'rowFilter is not as wanted');
  });
}
