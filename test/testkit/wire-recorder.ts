import { createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeRequest } from '../../src/sandbox/wire.js';

/** One AWS call as it crossed the wire: what was asked, decoded, and the answer as it was sent. */
export interface Exchange {
  /** 12 digits of the access key's owner are not on the wire: the access key itself. */
  accessKeyId: string;
  service: string;
  operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters of any operation
  parameters: Record<string, any>;
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A wire recorder that runs. */
export interface WireRecorder {
  url: string;
  exchanges: Exchange[];
  close(): Promise<void>;
}

/** A proxy on loopback that passes everything on to `target` as it came, and keeps what was said about AWS. */
export async function startWireRecorder(target: string): Promise<WireRecorder> {
  const exchanges: Exchange[] = [];
  const server = createServer((incoming, outgoing) => {
    passOn(target, incoming)
      .then(({ asked, answer, body }) => {
        const { status, headers } = answer;
        if (incoming.headers.authorization?.startsWith('AWS4-')) {
          exchanges.push({ ...decoded(incoming, asked), status, headers, body: body.toString('utf8') });
        }
        outgoing.writeHead(status, headers).end(body);
      })
      // What the target cut is cut here too.
      .catch(() => incoming.socket.destroy());
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    exchanges,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

interface Passed {
  asked: string;
  answer: { status: number; headers: IncomingHttpHeaders };
  body: Buffer;
}

async function passOn(target: string, incoming: IncomingMessage): Promise<Passed> {
  const asked = await read(incoming);
  const { method, url = '/', headers } = incoming;
  const answer = await new Promise<IncomingMessage>((done, fail) => {
    const outgoing = httpRequest(new URL(url, target), { method, headers }, done);
    outgoing.on('error', fail);
    outgoing.end(asked);
  });
  const body = await read(answer);
  return { asked: asked.toString('utf8'), answer: { status: answer.statusCode ?? 0, headers: answer.headers }, body };
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function decoded({ url = '/', headers }: IncomingMessage, body: string) {
  const { pathname: path, searchParams: query } = new URL(url, 'http://127.0.0.1');
  const { accessKeyId, service, operation, parameters } = decodeRequest({
    path,
    query,
    headers,
    body,
    isGone: () => false,
  });
  return { accessKeyId, service, operation, parameters };
}
