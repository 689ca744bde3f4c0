import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import { z } from 'zod';
import type { Prisma } from '../generated/prisma/client.js';
import type { Context } from './context.js';
import { GovernanceError, invalid } from './error.js';
import type { Tx } from './transaction.js';
import { read, text } from './validation.js';

/**
 * What a product asks those who request access: a JSON Schema (draft 7) of one object, of which a safe part is taken. No patterns, as a
 * regular expression of somebody's can be made to run for minutes; no references; no nesting; bounded sizes.
 */

const FORMATS = ['date', 'date-time', 'email', 'uri', 'uuid'] as const;
const MOST_BYTES = 16_384;
/** What a text may be long where the question says nothing. */
const LONGEST = 2_000;
/** And what a list may hold at most. */
const MOST_ITEMS = 100;

const label = { title: text(200).optional(), description: text(LONGEST).optional() };
const count = z.int().min(0).max(LONGEST);
const choices = z
  .array(z.union([text(200), z.number(), z.boolean()]))
  .min(1)
  .max(100);

const question = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      ...label,
      type: z.literal('string'),
      enum: choices.optional(),
      format: z.enum(FORMATS, `Give one of ${FORMATS.join(', ')}.`).optional(),
      minLength: count.optional(),
      maxLength: count.optional(),
    }),
    z.strictObject({
      ...label,
      type: z.enum(['number', 'integer']),
      enum: choices.optional(),
      minimum: z.number().optional(),
      maximum: z.number().optional(),
    }),
    z.strictObject({ ...label, type: z.literal('boolean'), const: z.boolean().optional() }),
    z.strictObject({
      ...label,
      type: z.literal('array'),
      items: z.strictObject({ type: z.literal('string'), enum: choices.optional(), maxLength: count.optional() }),
      minItems: z.int().min(0).max(MOST_ITEMS).optional(),
      maxItems: z.int().min(0).max(MOST_ITEMS).optional(),
      uniqueItems: z.boolean().optional(),
    }),
  ],
  {
    error: ({ input }) =>
      typeof input === 'object' && input !== null && '$ref' in input
        ? 'References ($ref) are not taken: write the question itself.'
        : 'Give a question of type string, number, integer, boolean or array.',
  },
);

/** The keywords that an answer must lie between. Where nothing is said no text is longer than LONGEST, and no list than MOST_ITEMS. */
function boundsOf(one: z.output<typeof question>) {
  if (one.type === 'string') {
    const { minLength = 0, maxLength = LONGEST } = one;
    return [{ low: 'minLength', least: minLength, high: 'maxLength', most: maxLength }];
  }
  if (one.type === 'number' || one.type === 'integer') {
    const { minimum = -Infinity, maximum = Infinity } = one;
    return [{ low: 'minimum', least: minimum, high: 'maximum', most: maximum }];
  }
  if (one.type !== 'array') return [];
  const { minItems = 0, maxItems = MOST_ITEMS } = one;
  return [{ low: 'minItems', least: minItems, high: 'maxItems', most: maxItems }];
}

const questions = z
  .strictObject({
    $schema: z.enum(['http://json-schema.org/draft-07/schema#', 'http://json-schema.org/draft-07/schema']).optional(),
    ...label,
    type: z.literal('object', 'Give "object": the answers are one object.'),
    properties: z
      .record(
        z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'Name questions by 1 to 64 letters, digits and underscores.'),
        question,
      )
      .refine((all) => Object.keys(all).length <= 50, 'Ask at most 50 questions.'),
    required: z.array(z.string()).max(50).optional(),
    additionalProperties: z.literal(false, 'Only false: what was not asked is not answered.').optional(),
  })
  .superRefine(({ properties, required = [] }, context) => {
    required.forEach((name, index) => {
      if (!Object.hasOwn(properties, name))
        context.addIssue({ code: 'custom', path: ['required', index], message: `There is no question ${name}.` });
    });
    for (const [name, one] of Object.entries(properties)) {
      for (const { low, high, least, most } of boundsOf(one)) {
        if (least <= most) continue;
        const message = `No answer fits: ${low} ${least} is more than ${high} ${most}.`;
        context.addIssue({ code: 'custom', path: ['properties', name, low], message });
      }
    }
  });

/** The questions of a product, as they were checked. */
type Questions = z.output<typeof questions>;

/** Reads a template; an empty object asks nothing. Throws VALIDATION with the path of every place that is refused. */
function readTemplate(given: unknown): Questions | Record<string, never> {
  assertStorable('requestTemplate', given);
  if (isEmpty(given)) return {};
  return read(z.object({ requestTemplate: questions }), { requestTemplate: given }).requestTemplate;
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

/** Sizes and characters that Postgres and readers take; JSON that came over the wire has no cycles. */
function assertStorable(path: string, value: unknown): void {
  const json = JSON.stringify(value);
  if (Buffer.byteLength(json) > MOST_BYTES)
    throw invalid(path, `${path}: must not be larger than ${MOST_BYTES} bytes as JSON.`);
  // JSON.stringify writes lone surrogates and control characters as escapes.
  if (/\\u(?:00(?:0[0-8be]|0c|0f|1[0-9a-f]|7f)|d[89a-f][0-9a-f]{2})|\\[bf]|\u007f/.test(json.replaceAll('\\\\', '')))
    throw invalid(path, `${path}: must not hold control characters.`);
}

/** The template in force, or null where the product asks nothing. */
async function templateInForce(tx: Tx, productId: string) {
  const newest = await tx.requestTemplate.findFirst({ where: { productId }, orderBy: { version: 'desc' } });
  return { version: newest?.version ?? 0, questions: (newest?.questions ?? {}) as object, id: newest?.id ?? null };
}

/**
 * Makes this what the product asks from now on; requests that were asked before keep their answers and the questions of then. The
 * product's row is locked. Answers the versions before and after, or null where
 * nothing is given, or it asks just this already.
 */
export async function setRequestTemplate(
  ctx: Context,
  tx: Tx,
  { productId, given }: { productId: string; given: unknown },
) {
  if (given === undefined || given === null) return null;
  const wanted = readTemplate(given);
  const { version, questions: before } = await templateInForce(tx, productId);
  if (JSON.stringify(before) === JSON.stringify(wanted)) return null;
  await tx.requestTemplate.create({
    data: {
      productId,
      version: version + 1,
      questions: wanted as Prisma.InputJsonObject,
      createdBy: ctx.viewer.subject,
    },
  });
  return { before: { requestTemplateVersion: version }, after: { requestTemplateVersion: version + 1 } };
}

/** Holds a requester's answers against what the product asks. The product's row is locked. Throws VALIDATION with every wrong answer. */
export async function judgeAnswers(
  tx: Tx,
  { productId, given }: { productId: string; given: unknown },
): Promise<{ templateId?: string; answers?: Prisma.InputJsonObject }> {
  const { id, questions: asked } = await templateInForce(tx, productId);
  const answers = given ?? {};
  assertStorable('answers', answers);
  if (id === null || isEmpty(asked)) {
    if (isEmpty(answers)) return {};
    throw invalid('answers', 'answers: this product asks no questions; leave them out.');
  }
  const violations = violationsOf(asked as Questions, answers);
  if (violations.length === 0) return { templateId: id, answers: answers as Prisma.InputJsonObject };
  const message = violations.map(({ path, reason }) => `${path}: ${reason}`).join(' ');
  throw new GovernanceError('VALIDATION', message, { path: violations[0]?.path ?? 'answers', violations });
}

function violationsOf(asked: Questions, answers: unknown): { path: string; reason: string }[] {
  const ajv = new Ajv({ allErrors: true, ownProperties: true });
  addFormats.default(ajv, [...FORMATS]);
  const properties = Object.fromEntries(Object.entries(asked.properties).map(([name, one]) => [name, bounded(one)]));
  const check = ajv.compile({ ...asked, properties, additionalProperties: false });
  if (check(answers)) return [];
  return (check.errors ?? []).slice(0, 50).map(violation);
}

function bounded(one: Questions['properties'][string]): object {
  if (one.type === 'string') return { maxLength: LONGEST, ...one };
  if (one.type === 'array') return { maxItems: MOST_ITEMS, ...one, items: { maxLength: LONGEST, ...one.items } };
  return one;
}

/** Where an answer is wrong and what to give; names follow ajv's parameters of each keyword. */
function violation({ instancePath, keyword, params, message = 'is wrong' }: ErrorObject): {
  path: string;
  reason: string;
} {
  const at = ['answers', ...instancePath.split('/').slice(1)];
  if (keyword === 'required')
    return { path: [...at, String(params.missingProperty)].join('.'), reason: 'This question has to be answered.' };
  if (keyword === 'additionalProperties') {
    return { path: [...at, String(params.additionalProperty)].join('.'), reason: 'This was not asked.' };
  }
  const allowed = keyword === 'enum' ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
  return { path: at.join('.'), reason: `The answer ${message}${allowed}.` };
}
