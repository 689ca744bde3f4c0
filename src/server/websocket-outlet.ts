import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Outlet, Rendered } from '../events/subscription.js';

/** The connection that a WebSocket runs over. */
export interface Connection {
  socket: Pick<WebSocket, 'readyState' | 'OPEN'>;
  stream: Duplex;
  /** Who waits for the connection to take more. */
  waiting: Set<() => void>;
}

/** Watches for the moments when the connection takes more. */
export function openConnection(socket: WebSocket, stream: Duplex): Connection {
  const waiting = new Set<() => void>();
  stream.on('drain', () => {
    const resumes = [...waiting];
    waiting.clear();
    for (const resume of resumes) resume();
  });
  return { socket, stream, waiting };
}

/**
 * The way to one subscription on a WebSocket: `next` messages with its id (graphql-transport-ws), put together from bytes that all
 * subscribers share and written past `ws`, which would frame each anew. Nothing is compressed, so whole frames may come between its own.
 */
export function webSocketOutlet({ socket, stream, waiting }: Connection, id: string): Outlet {
  const head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  return {
    send: (results) => socket.readyState === socket.OPEN && writeFrames(stream, head, results),
    whenReady: (resume) => waiting.add(resume),
  };
}

const TEXT = 0x81;
/** Bytes in which frames are put together. */
const DESK = 65_536;
let desk = Buffer.allocUnsafeSlow(DESK);

/**
 * Writes one final, unmasked text frame for each result (RFC 6455, section 5.2). A connection mostly takes them at once, so the next ones are
 * put together in the same memory: memory of its own for each delivery keeps the garbage collector as busy as the deliveries do the rest.
 */
function writeFrames(stream: Duplex, head: Buffer, results: readonly Rendered[]): boolean {
  let size = 0;
  for (const { json } of results) {
    const payload = head.length + json.length + 1;
    size += headerLength(payload) + payload;
  }
  const atDesk = size <= DESK && stream.writableLength === 0;
  const frames = atDesk ? desk.subarray(0, size) : Buffer.allocUnsafe(size);
  putFrames(frames, head, results);
  const takesMore = stream.write(frames);
  // What was not taken at once is the connection's from now on.
  if (atDesk && stream.writableLength > 0) desk = Buffer.allocUnsafeSlow(DESK);
  return takesMore;
}

function putFrames(frames: Buffer, head: Buffer, results: readonly Rendered[]): void {
  let at = 0;
  for (const { json } of results) {
    at = writeHeader(frames, at, head.length + json.length + 1);
    frames.set(head, at);
    frames.set(json, at + head.length);
    at += head.length + json.length;
    frames[at] = 0x7d; // }
    at += 1;
  }
}

const headerLength = (payload: number): number => (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);

function writeHeader(frames: Buffer, at: number, payload: number): number {
  frames[at] = TEXT;
  if (payload < 126) frames[at + 1] = payload;
  else if (payload < 65_536) {
    frames[at + 1] = 126;
    frames.writeUInt16BE(payload, at + 2);
  } else {
    frames[at + 1] = 127;
    frames.writeBigUInt64BE(BigInt(payload), at + 2);
  }
  return at + headerLength(payload);
}
