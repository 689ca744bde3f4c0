import { type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql';
import { refusal } from './error.js';

/** What the values of one operation may hold at most, in its document and its variables. */
export const inputLimits = {
  /** Lists and objects within one another. */
  depth: 32,
  /** Entries of one list, names of one object: as many as a table may have columns. */
  listLength: 2_000,
  /** Values in all: numbers, texts, lists, objects. */
  values: 50_000,
} as const;

/** Refuses variables that are too large by their shape, or whose texts cannot be stored: an error of HTTP 400, or null. */
export function variablesError(variables: Readonly<Record<string, unknown>>): GraphQLError | null {
  const problem = problemOf(variables);
  return problem === null ? null : refusal('BAD_USER_INPUT', `Variables: ${problem}`);
}

/** Walks without recursion: a body of 1 MB can be half a million levels deep. */
function problemOf(variables: unknown): string | null {
  const waiting: { value: unknown; depth: number }[] = [{ value: variables, depth: 0 }];
  for (let count = 0; ; count += 1) {
    const next = waiting.pop();
    if (!next) return null;
    if (count > inputLimits.values) return `more than ${inputLimits.values} values are not taken.`;
    const { value, depth } = next;
    if (typeof value === 'string') {
      if (!isStorable(value)) return unstorable;
    } else if (typeof value === 'object' && value !== null) {
      if (depth > inputLimits.depth) return `more than ${inputLimits.depth} levels are not taken.`;
      if (Array.isArray(value) && value.length > inputLimits.listLength)
        return `a list of more than ${inputLimits.listLength} entries is not taken.`;
      const names = Array.isArray(value) ? [] : Object.keys(value);
      if (names.length > inputLimits.listLength)
        return `an object of more than ${inputLimits.listLength} names is not taken.`;
      if (!names.every(isStorable)) return unstorable;
      for (const inner of Object.values(value)) waiting.push({ value: inner, depth: depth + 1 });
    }
  }
}

const unstorable = 'texts must be well-formed Unicode without the character U+0000.';

/** Whether Postgres can keep the text: no NUL, and no half of a surrogate pair, which has no UTF-8. */
function isStorable(text: string): boolean {
  return !/\0|\p{Surrogate}/u.test(text);
}

/** The same for values that stand in the document itself. Reports errors and never throws. */
export function inputRule(context: ValidationContext): ASTVisitor {
  let depth = 0;
  let told = false;
  const report = (message: string): void => {
    if (!told) context.reportError(new GraphQLError(message));
    told = true;
  };
  const enter = (): void => {
    depth += 1;
    if (depth > inputLimits.depth) report(`Input values of more than ${inputLimits.depth} levels are not taken.`);
  };
  const leave = (): void => {
    depth -= 1;
  };
  return {
    ListValue: { enter, leave },
    ObjectValue: { enter, leave },
    StringValue: ({ value }) => {
      if (!isStorable(value)) report(`Input values: ${unstorable}`);
    },
  };
}
