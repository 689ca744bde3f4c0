/** What a stream tells. */
interface Told {
  data?: Record<string, unknown> | null;
  errors?: { extensions: { code: string } }[];
}

/** Whom to stream what: the stream is left once so many results have come; with none, as soon as it is open. */
interface Streaming {
  text: string;
  variables: object;
  token: string;
  count: number;
}

/** The first results of a subscription over server-sent events; its refusal as the only one. */
export async function firstOf(graphql: string, { text: query, variables, token, count }: Streaming): Promise<Told[]> {
  const response = await fetch(`${graphql}/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return [(await response.json()) as Told];
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const whole = text.split('\n\n').slice(0, -1);
    const told = whole
      .flatMap((block) => /^data: (\{.*)$/m.exec(block)?.[1] ?? [])
      .map((line) => JSON.parse(line) as Told);
    if (told.length >= count) return told;
  }
  return [];
}
