import type { TypedDocumentString } from '../generated/graphql/graphql.js';

/** Runs one document as one user and answers its data. Throws with the messages of the answer's errors. */
export type Execute = <Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
) => Promise<Data>;

/** A client of the public API: plain HTTP POST with a bearer token. */
export function createClient(url: string, token: string): Execute {
  return async (document, ...[variables]) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    const text = await response.text();
    const answer = parsed(text);
    if (answer?.errors?.length) throw new Error(answer.errors.map(({ message }) => message).join('; '));
    if (!answer?.data) throw new Error(`The server answered ${response.status}: ${text.slice(0, 300)}`);
    return answer.data as never;
  };
}

function parsed(text: string): { data?: unknown; errors?: { message: string }[] } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The payload of a mutation's result; throws what the typed error says. */
export function payload<Result extends { __typename?: string }>(
  result: Result,
): Exclude<Result, { code: string; message: string }> {
  const failed = result as { code?: string; message?: string };
  if (failed.code !== undefined) throw new Error(`${failed.code}: ${failed.message}`);
  return result as Exclude<Result, { code: string; message: string }>;
}

/** Asks again, ten times a second after a first few, until the answer is there; throws with `what` after the deadline. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, deadlineMs = 60_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (let pauseMs = 10; Date.now() < end; pauseMs = Math.min(2 * pauseMs, 100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
}
