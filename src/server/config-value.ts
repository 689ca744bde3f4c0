import { isIP } from 'node:net';
import { z } from 'zod';
import { Classification } from '../generated/prisma/enums.js';
import { logLevels } from './log.js';

/** The forms that values of the configuration have, each read from text. */

export const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\/[^/]+\/.+/, 'must look like postgres://user:password@host:5432/database');
export const iamRole = z.string().regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/, 'must be the ARN of an IAM role');
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);
/** Origins of web pages, each by its full name: a wildcard would let every page in. */
export const origins = list.pipe(
  z.array(
    z
      .string()
      .refine(
        (one) => URL.canParse(one) && /^https?:[^*]+$/.test(one) && new URL(one).origin === one,
        'must be origins such as https://portal.example, without path or wildcard',
      ),
  ),
);
export const duration = z
  .string()
  .regex(/^PT(?=\d)(\d+H)?(\d+M)?(\d+S)?$/, 'must be an ISO 8601 duration such as PT15M')
  .transform((text) => {
    const part = (unit: string): number => Number(new RegExp(`(\\d+)${unit}`).exec(text)?.[1] ?? 0);
    return part('H') * 3600 + part('M') * 60 + part('S');
  })
  .refine((seconds) => seconds > 0, 'must be longer than nothing, such as PT15M');
/** Classifications, separated by commas; "none": the empty list. */
export const classifications = z
  .string()
  .transform((text) => (text.trim() === 'none' ? '' : text))
  .pipe(list)
  .pipe(z.array(z.enum(Classification, `must be of ${Object.keys(Classification).join(', ')}, or none`)));
/** IP addresses and networks in CIDR form, separated by commas. */
export const proxies = list.pipe(
  z.array(z.string().refine(isNetwork, 'must be IP addresses or networks such as 10.0.0.0/8, separated by commas')),
);
/** Keys of at least 32 bytes, in base64, separated by commas. */
export const webhookKeys = list.pipe(
  z.array(
    z
      .string()
      .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')
      .transform((text) => Buffer.from(text, 'base64'))
      .refine((key) => key.length >= 32, 'must have 32 bytes or more each'),
  ),
);
/** Whole numbers of days, separated by commas. */
export const days = list.pipe(
  z.array(
    z
      .string()
      .regex(/^[1-9]\d{0,3}$/, 'must be whole numbers of days, separated by commas')
      .transform(Number),
  ),
);
export const databaseName = z
  .string()
  .regex(/^[a-z0-9_{}-]+$/, 'must be a Glue database name with the placeholders {domain} or {account}')
  .refine((name) => /\{(domain|account)\}/.test(name), 'must contain {domain} or {account}');

const issuer = z.strictObject({
  issuer: z.string().min(1),
  jwksUri: z.url('must be a URL').refine(isSafeUrl, 'must be https (http is taken on loopback alone)'),
  audience: z.union([
    z
      .string()
      .min(1)
      .transform((one) => [one]),
    z.array(z.string().min(1)).min(1),
  ]),
  typ: z.string().min(1).nullable().default(null),
  subjectPrefix: z.string().max(64).default(''),
  adminGroups: z.array(z.string().min(1)).default([]),
  maxTokenAgeSeconds: z.int().min(60).max(604_800).default(86_400),
  kind: z.enum(['PERSON', 'MACHINE'], 'must be PERSON or MACHINE').default('PERSON'),
});

export const issuers = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // The parser's own message quotes the text, and whatever was put here by mistake with it.
      context.addIssue({ code: 'custom', message: 'must be JSON' });
      return z.NEVER;
    }
  })
  .pipe(z.array(issuer).min(1, 'must name at least one issuer'));

export const logLevel = z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info');

/** A whole number in these bounds, from text. */
export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

/** Whether a server that listens on `host` is reached from this machine alone. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Whether a URL is of this machine alone. */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && isLoopbackHost(new URL(url).hostname);
}

function isSafeUrl(url: string): boolean {
  return url.startsWith('https://') || (url.startsWith('http://') && isLoopback(url));
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128))
  );
}
