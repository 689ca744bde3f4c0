import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where a call to AWS is to be held: before AWS sees it, or once AWS has carried it out and its answer is on the way. */
export interface CallPoint {
  when: 'before' | 'after';
  /** For example BatchGrantPermissions; for RAM the last part of the path. */
  operation: string;
  /** The how manieth call of it, from 1. */
  nth?: number;
}

/** A call that is held: the caller waits for an answer that does not come. */
export interface HeldCall {
  cut(): void;
  /** Lets a call that was held before AWS go on. */
  release(): void;
}

/** A door to AWS that can be held at a call, or shut. */
export interface AwsProxy {
  url: string;
  hold(point: CallPoint): Promise<HeldCall>;
  disarm(): void;
  /** AWS cannot be reached until the door is opened again: connections are cut. */
  shut(): void;
  open(): void;
  close(): Promise<void>;
}

interface Armed extends CallPoint {
  left: number;
  reached: (held: HeldCall) => void;
}

/** Opens a door on a free port of 127.0.0.1 to the sandbox at this URL. */
export async function openAwsProxy(sandbox: string): Promise<AwsProxy> {
  const armed = new Set<Armed>();
  let isShut = false;

  function pointAt(operation: string): Armed | undefined {
    const point = [...armed].find((one) => one.operation === operation && --one.left <= 0);
    if (point) armed.delete(point);
    return point;
  }

  async function pass(call: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of call) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const point = pointAt(operationOf(call));
    const cut = (): void => void call.socket.destroy();
    if (point?.when === 'before') await new Promise<void>((release) => point.reached({ cut, release }));
    const answered = await forwarded(sandbox, call, body);
    if (point?.when === 'after') return point.reached({ cut, release: () => undefined });
    answer.writeHead(answered.status, answered.headers).end(answered.body);
  }

  const server = createServer((call, answer) => {
    if (isShut) return void call.socket.destroy();
    pass(call, answer).catch(() => call.socket.destroy());
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: (point) =>
      new Promise((reached) => {
        armed.add({ ...point, left: point.nth ?? 1, reached });
      }),
    disarm: () => armed.clear(),
    shut: () => {
      isShut = true;
      server.closeAllConnections();
    },
    open: () => {
      isShut = false;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** JSON services name the operation in a header, RAM in its path. */
function operationOf({ headers, url = '' }: IncomingMessage): string {
  const target = headers['x-amz-target'];
  return (
    String(target ?? new URL(url, 'http://localhost').pathname)
      .split(/[./]/)
      .at(-1) ?? ''
  );
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

function forwarded(sandbox: string, { method, url = '/', headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  const { hostname, port, host } = new URL(sandbox);
  return new Promise((resolve, reject) => {
    const onward = request({ hostname, port, path: url, method, headers: { ...headers, host } }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(chunks) });
    });
    onward.on('error', reject);
    onward.end(body);
  });
}
