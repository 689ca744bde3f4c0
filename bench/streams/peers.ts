import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { buildSchema, execute, subscribe } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';

/** What the main process tells a peer to do: to send this event so often to each of its connections, each as soon as it can. */
export interface ToPeer {
  kind: 'send';
  /** The event as our own clients get it. */
  event: Record<string, unknown>;
  count: number;
}

/** A peer's way to send: resolves once everything was handed to the connections. */
type SendAll = (event: Record<string, unknown>, count: number) => Promise<void>;

/** Bytes that may wait on one connection before a peer that pushes waits too. */
const FULL = 262_144;

/** `raw`: one frame that is ready, written to each connection. The limit of what a process can do without writing several at once. */
function openRaw(): { sockets: WebSocketServer; sendAll: SendAll } {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  return {
    sockets,
    sendAll: async (event, count) => {
      const frame = frameOf(resultOf(event));
      for (let sent = 0; sent < count; sent += 1) {
        for (const socket of sockets.clients) streamOf(socket).write(frame);
        await drained(sockets);
      }
    },
  };
}

/** `send`: the same through `ws` itself, which puts a header before the bytes for each connection. */
function openSend(): { sockets: WebSocketServer; sendAll: SendAll } {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  return {
    sockets,
    sendAll: async (event, count) => {
      const bytes = resultOf(event);
      for (let sent = 0; sent < count; sent += 1) {
        for (const socket of sockets.clients) socket.send(bytes, { binary: false });
        await drained(sockets);
      }
    },
  };
}

/** `plain`: graphql-ws as its documentation has it; every subscription executes each event for itself. */
function openPlain(): { sockets: WebSocketServer; sendAll: SendAll } {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const source = new EventEmitter().setMaxListeners(0);
  const schema = buildSchema(`
    scalar JSON
    type Actor { kind: String! subject: String! name: String }
    type MeshEvent { sequence: String! id: ID! cursor: String! type: String! occurredAt: String! correlationId: ID! actor: Actor! data: JSON! }
    type Query { nothing: String }
    scalar EventCursor
    type Subscription { meshEvents(after: EventCursor): MeshEvent! }`);
  async function* meshEvents(): AsyncGenerator<{ meshEvents: unknown }> {
    const waiting: unknown[] = [];
    let wake: (() => void) | undefined;
    const take = (event: unknown): void => {
      waiting.push(event);
      wake?.();
    };
    source.on('event', take);
    try {
      for (;;) {
        while (waiting.length > 0) yield { meshEvents: waiting.shift() };
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      source.off('event', take);
    }
  }
  useServer({ schema, execute, subscribe, roots: { subscription: { meshEvents } } }, sockets);
  return {
    sockets,
    sendAll: async (event, count) => {
      for (let sent = 0; sent < count; sent += 1) {
        source.emit('event', event);
        await drained(sockets);
      }
    },
  };
}

const KINDS = { raw: openRaw, send: openSend, plain: openPlain };
export type PeerKind = keyof typeof KINDS;

const resultOf = (event: Record<string, unknown>): Buffer =>
  Buffer.from(JSON.stringify({ id: crypto.randomUUID(), type: 'next', payload: { data: { meshEvents: event } } }));

/** One unmasked text frame of 126 to 65,535 bytes (RFC 6455, section 5.2). */
function frameOf(payload: Buffer): Buffer {
  const head = Buffer.from([0x81, 126, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

const streams = new WeakMap<WebSocket, Duplex>();
const streamOf = (socket: WebSocket): Duplex => streams.get(socket)!;

/** Lets the connections take what was written before more is. */
async function drained({ clients }: WebSocketServer): Promise<void> {
  await turn();
  for (const socket of clients) while (socket.bufferedAmount > FULL) await turn();
}

/** What a peer's process does. */
export async function servePeer(kind: PeerKind): Promise<void> {
  const { sockets, sendAll } = KINDS[kind]();
  const server = createServer();
  server.on('upgrade', (request, stream, head) =>
    sockets.handleUpgrade(request, stream, head, (socket) => {
      streams.set(socket, stream);
      sockets.emit('connection', socket, request);
    }),
  );
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  process.on('disconnect', () => process.exit());
  process.on('message', ({ event, count }: ToPeer) => {
    void sendAll(event, count).then(() => process.send?.({ kind: 'sent' }));
  });
  process.send?.({ kind: 'ready', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql` });
}
