// The formats that the standard's schemas name, as JSON Schema defines them: RFC 3986 for `uri`, RFC 3339 for `date` and `date-time`.

const HEX = '[0-9a-f]';
const PERCENT = `%${HEX}{2}`;
const UNRESERVED_AND_DELIMITERS = "a-z0-9\\-._~!$&'()*+,;=";
const PATH_CHARACTER = `(?:[${UNRESERVED_AND_DELIMITERS}:@]|${PERCENT})`;
const TAIL_CHARACTER = `(?:[${UNRESERVED_AND_DELIMITERS}:@/?]|${PERCENT})`;
const SEGMENTS = `(?:/${PATH_CHARACTER}*)*`;
const SEGMENTS_FROM_NON_EMPTY = `${PATH_CHARACTER}+${SEGMENTS}`;
const OCTET = '(?:25[0-5]|2[0-4]\\d|[01]?\\d\\d?)';
const IPV4 = `(?:${OCTET}\\.){3}${OCTET}`;
const GROUP = `${HEX}{1,4}`;
const LAST_32_BITS = `(?:${GROUP}:${GROUP}|${IPV4})`;

/** RFC 3986 `IPv6address`: the nine places where `::` may stand. */
function ipv6(): string {
  const upTo = (groups: number): string => `(?:(?:${GROUP}:){0,${groups}}${GROUP})?`;
  return [
    `(?:${GROUP}:){6}${LAST_32_BITS}`,
    `::(?:${GROUP}:){5}${LAST_32_BITS}`,
    `(?:${GROUP})?::(?:${GROUP}:){4}${LAST_32_BITS}`,
    `${upTo(1)}::(?:${GROUP}:){3}${LAST_32_BITS}`,
    `${upTo(2)}::(?:${GROUP}:){2}${LAST_32_BITS}`,
    `${upTo(3)}::${GROUP}:${LAST_32_BITS}`,
    `${upTo(4)}::${LAST_32_BITS}`,
    `${upTo(5)}::${GROUP}`,
    `${upTo(6)}::`,
  ].join('|');
}

function uriPattern(): RegExp {
  const user = `(?:(?:[${UNRESERVED_AND_DELIMITERS}:]|${PERCENT})*@)?`;
  const ipLiteral = `\\[(?:${ipv6()}|v${HEX}+\\.[${UNRESERVED_AND_DELIMITERS}:]+)\\]`;
  const host = `(?:${ipLiteral}|(?:[${UNRESERVED_AND_DELIMITERS}]|${PERCENT})*)`;
  // One slash before an authority is what validators in use accept, beyond the RFC's two.
  const withAuthority = `//?${user}${host}(?::\\d*)?${SEGMENTS}`;
  const path = `/(?:${SEGMENTS_FROM_NON_EMPTY})?|${SEGMENTS_FROM_NON_EMPTY}`;
  const source = `^[a-z][a-z0-9+\\-.]*:(?:${withAuthority}|${path})(?:\\?${TAIL_CHARACTER}*)?(?:#${TAIL_CHARACTER}*)?$`;
  return new RegExp(source, 'i');
}

const URI = uriPattern();

/** RFC 3986 URI with a scheme and a non-empty remainder. */
export function isUri(value: string): boolean {
  return URI.test(value);
}

const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** RFC 3339 `full-date`: a day of the Gregorian calendar as YYYY-MM-DD. */
export function isDate(value: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value);
  if (!match) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && leap ? 29 : (DAYS_OF_MONTH[month - 1] ?? 0);
  return day >= 1 && day <= days;
}

/** RFC 3339 `date-time`, offset included; a leap second counts where it is 23:59:60 UTC. */
export function isDateTime(value: string): boolean {
  const [date = '', time = '', ...more] = value.split(/t|\s/i);
  return more.length === 0 && isDate(date) && isTimeWithOffset(time);
}

function isTimeWithOffset(value: string): boolean {
  const match = /^(\d\d):(\d\d):(\d\d(?:\.\d+)?)(?:z|([+-])(\d\d)(?::?(\d\d))?)$/i.exec(value);
  if (!match) return false;
  const [hour, minute, second] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [offsetHour, offsetMinute] = [Number(match[5] ?? 0), Number(match[6] ?? 0)];
  if (offsetHour > 23 || offsetMinute > 59) return false;
  if (hour <= 23 && minute <= 59 && second < 60) return true;
  const sign = match[4] === '-' ? -1 : 1;
  const utcMinute = minute - sign * offsetMinute;
  const utcHour = hour - sign * offsetHour - (utcMinute < 0 ? 1 : 0);
  return (utcHour === 23 || utcHour === -1) && (utcMinute === 59 || utcMinute === -1) && second < 61;
}
