import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the sink has seen since it was last asked to begin anew. */
export interface Seen {
  requests: number;
  /** Entries in all, failed ones included. */
  entries: number;
  taken: number;
  /** Different events among those that were taken. */
  distinct: number;
  failed: number;
  /** Failed entries that never came again. */
  lost: number;
  /** Entries that came again although they had been taken. */
  resentThoughTaken: number;
}

interface State {
  failingOf100: number;
  seen: Omit<Seen, 'distinct' | 'lost'>;
  taken: Set<string>;
  waiting: Set<string>;
}

/** An endpoint for PutEvents in a process of its own; prints its URL. `POST /begin` with a number starts anew, with so many of 100 entries failing once. */
export async function serveSink(): Promise<void> {
  let state = begin(0);
  const server = createServer(async (call, answer) => {
    const body = await bodyOf(call);
    const send = (value: unknown) =>
      answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(value));
    if (call.url === '/begin') state = begin(Number(body));
    else if (call.url !== '/seen') return void send(take(state, body));
    send({ ...state.seen, distinct: state.taken.size, lost: state.waiting.size } satisfies Seen);
  });
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
  });
}

function begin(failingOf100: number): State {
  const seen = { requests: 0, entries: 0, taken: 0, failed: 0, resentThoughTaken: 0 };
  return { failingOf100, seen, taken: new Set(), waiting: new Set() };
}

function take(state: State, body: string): object {
  const { seen, taken, waiting, failingOf100 } = state;
  const { Entries } = JSON.parse(body) as { Entries: { Detail: string }[] };
  seen.requests += 1;
  seen.entries += Entries.length;
  const results = Entries.map(({ Detail }) => {
    const sequence = /"sequence":"(\d+)"/.exec(Detail)?.[1] ?? '';
    if (taken.has(sequence)) seen.resentThoughTaken += 1;
    if (!waiting.has(sequence) && !taken.has(sequence) && (Number(sequence) * 37) % 100 < failingOf100) {
      seen.failed += 1;
      waiting.add(sequence);
      return { ErrorCode: 'ThrottlingException', ErrorMessage: 'Rate exceeded' };
    }
    seen.taken += 1;
    waiting.delete(sequence);
    taken.add(sequence);
    return { EventId: sequence };
  });
  return { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results };
}

async function bodyOf(call: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of call) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
