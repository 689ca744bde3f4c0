import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll } from 'vitest';

/** One request that a receiver got. */
export interface Received {
  headers: IncomingHttpHeaders & Record<string, string>;
  body: string;
  at: number;
  /** The body, read. */
  message: { type: string; timestamp: string; data: Record<string, unknown> & { id: string; sequence: string } };
}

/** What it answers, by what it got and how many it got before: a status, or whatever it does with the response. */
type Answer = (received: Received, before: number) => number | ((response: ServerResponse) => void);

/** A receiver of webhooks on loopback. */
export interface Receiver {
  url: string;
  received: Received[];
  answer(by: Answer): void;
}

/** Starts a receiver, which goes away after the file's tests. */
export async function receiverOfTest(): Promise<Receiver> {
  const received: Received[] = [];
  let answers: Answer = () => 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const one = { headers: request.headers as Received['headers'], body, at: Date.now(), message: JSON.parse(body) };
      const answer = answers(one, received.length);
      received.push(one);
      if (typeof answer === 'function') answer(response);
      else response.writeHead(answer).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    received,
    answer: (by) => {
      answers = by;
    },
  };
}

/** Whether the library that receivers use takes what was received as signed with this secret. */
export function isSigned({ body, headers }: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}
