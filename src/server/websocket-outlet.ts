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
    send: (results) => {
      if (socket.readyState !== socket.OPEN) return false;
      return stream.write(framesOf(head, results));
    },
    whenReady: (resume) => waiting.add(resume),
  };
}

const TEXT = 0x81;

/** One final, unmasked text frame for each result (RFC 6455, section 5.2). */
export function framesOf(head: Buffer, results: readonly Rendered[]): Buffer {
  let size = 0;
  for (const { json } of results) {
    const payload = head.length + json.length + 1;
    size += headerLength(payload) + payload;
  }
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { json } of results) {
    at = writeHeader(frames, at, head.length + json.length + 1);
    frames.set(head, at);
    frames.set(json, at + head.length);
    at += head.length + json.length;
    frames[at] = 0x7d; // }
    at += 1;
  }
  return frames;
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
