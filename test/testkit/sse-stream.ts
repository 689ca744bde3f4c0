import { until } from '../../src/demo/client.js';

/** A reader of `meshEvents` over server-sent events that keeps all it hears and never connects again by itself. */
export interface SseStream {
  heard: { sequence: string; type: string }[];
  /** What came last instead of an event, such as that the token expired. */
  errors: string[];
  heardUpTo(sequence: number): Promise<void>;
  /** Cuts the connection without a word and goes on by `Last-Event-ID`. */
  dropAndResume(): void;
  drop(): void;
  /** Resolves once the server ended the stream. */
  ended(): Promise<void>;
}

/** Opens it after this cursor; null: with the next event. */
export function openSseStream(options: { graphql: string; token: string; after: string | null }): SseStream {
  const heard: SseStream['heard'] = [];
  const errors: string[] = [];
  let lastId: string | undefined;
  let over = false;
  let current = connect();

  function connect(): AbortController {
    const aborted = new AbortController();
    const query = 'subscription ($after: EventCursor) { meshEvents(after: $after) { sequence type } }';
    const headers = {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${options.token}`,
      ...(lastId ? { 'last-event-id': lastId } : {}),
    };
    const body = JSON.stringify({ query, variables: { after: options.after } });
    const read = async (): Promise<void> => {
      const response = await fetch(`${options.graphql}/stream`, {
        method: 'POST',
        headers,
        body,
        signal: aborted.signal,
      });
      let text = '';
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        if (aborted.signal.aborted) return;
        const blocks = `${text}${chunk}`.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) take(block);
      }
      over = true;
    };
    read().catch((error: unknown) => {
      if (!aborted.signal.aborted) errors.push(String(error));
    });
    return aborted;
  }

  function take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]));
    if (fields.get('event') !== 'next') return;
    lastId = fields.get('id') ?? lastId;
    const { data, errors: told } = JSON.parse(fields.get('data') ?? '');
    if (data) heard.push(data.meshEvents);
    for (const { message } of told ?? []) errors.push(message);
  }

  const drop = (): void => current.abort();
  const waitFor = (what: string, passes: () => boolean) =>
    until(what, async () => (passes() ? true : undefined), 15_000).then(() => undefined);
  return {
    heard,
    errors,
    heardUpTo: (sequence) => waitFor(`event ${sequence}`, () => Number(heard.at(-1)?.sequence ?? 0) >= sequence),
    dropAndResume: () => {
      drop();
      current = connect();
    },
    drop,
    ended: () => waitFor('the end of the stream', () => over),
  };
}
