import { randomBytes, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  bucketMs,
  buckets,
  type Connecting,
  type Counted,
  type Counting,
  DOCUMENT,
  now,
  type ToLoad,
} from './protocol.js';

/** One connection, read by its frames' headers alone. */
interface Connection {
  socket: Socket;
  /** Bytes of the present frame that are still to come. */
  skip: number;
  /** A header, or all that a message is read of, when a chunk ended within it. */
  held: Buffer;
  open: boolean;
  received: number;
  /** Number of the event that came last, where it is read. */
  seq: number;
  onText: ((text: string) => void) | undefined;
}

const CONNECTING = 400;
const connections: Connection[] = [];
let counting: Counting | undefined;
let closed = 0;
let complete = 0;
let messages = 0;
let firstAt = 0;
let lastAt = 0;
let outOfOrder = 0;
let cpuBefore = process.cpuUsage();
let arrivals = new Float64Array(0);
let indexes = new Uint32Array(0);

/** A client's frames are masked; with the mask 0 they stay as they are (RFC 6455, section 5.3). */
function frame(opcode: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
const PONG = frame(10, '');

/** Goes through what came. Messages are counted by their headers; only those before the subscription, and checked ones, are read. */
function take(connection: Connection, chunk: Buffer): void {
  const data = connection.held.length > 0 ? Buffer.concat([connection.held, chunk]) : chunk;
  connection.held = none;
  let at = 0;
  if (!connection.open) {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) {
      connection.held = Buffer.from(data);
      return;
    }
    connection.open = true;
    connection.onText?.('');
    at = end + 4;
  }
  const reads = connection.onText !== undefined || counting?.check === true;
  while (at < data.length) {
    if (connection.skip > 0) {
      const passed = Math.min(connection.skip, data.length - at);
      connection.skip -= passed;
      at += passed;
      continue;
    }
    const left = data.length - at;
    const short = left < 2 ? 0 : data[at + 1]!;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (left < 2 || left < head) break;
    const length =
      short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
    if (reads && left < head + length) break;
    const opcode = data[at]! & 15;
    if (opcode === 1) takeText(connection, reads ? data.subarray(at + head, at + head + length) : none);
    else if (opcode === 9) connection.socket.write(PONG);
    at += head;
    connection.skip = length;
  }
  if (at < data.length) connection.held = Buffer.from(data.subarray(at));
}

const none = Buffer.alloc(0);

function takeText(connection: Connection, payload: Buffer): void {
  const { onText } = connection;
  if (onText) onText(payload.toString());
  if (onText || !counting) return;
  const at = now();
  if (messages === 0) firstAt = at;
  lastAt = at;
  if (counting.timed && messages < arrivals.length) {
    arrivals[messages] = at;
    indexes[messages] = connection.received;
  }
  messages += 1;
  connection.received += 1;
  if (counting.check) check(connection, payload);
  if ((counting.check ? connection.seq : connection.received) === counting.expected) {
    complete += 1;
    if (complete === counting.connections) process.send?.({ kind: 'complete' });
  }
}

const SEQUENCE = '"sequence":"';

function check(connection: Connection, payload: Buffer): void {
  const start = payload.indexOf(SEQUENCE) + SEQUENCE.length;
  const seq = Number(payload.toString('latin1', start, payload.indexOf('"', start)));
  if (seq !== connection.seq + 1) outOfOrder += 1;
  connection.seq = seq;
}

/** Resolves once the server has taken the subscription. */
function openOne({ url, tokens, speaks, after }: Connecting, n: number): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const from = after?.[n % after.length];
  return new Promise((resolve, reject) => {
    const buffer = shared;
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback: (size) => {
          take(connection, buffer.subarray(0, size));
          return true;
        },
      },
    });
    const subscribed = (): void => {
      connection.onText = undefined;
      resolve();
    };
    const connection: Connection = {
      socket,
      skip: 0,
      held: none,
      open: false,
      received: 0,
      seq: from?.seq ?? 0,
      onText: (text) => {
        if (text === '' && speaks === 'nothing') return subscribed();
        if (text === '') {
          const authorization = `Bearer ${tokens[n % tokens.length]}`;
          socket.write(frame(1, JSON.stringify({ type: 'connection_init', payload: { authorization } })));
        } else {
          const payload = { query: DOCUMENT, variables: { after: from?.cursor ?? null } };
          socket.write(frame(1, JSON.stringify({ id: randomUUID(), type: 'subscribe', payload })));
          subscribed();
        }
      },
    };
    connections.push(connection);
    socket.on('error', reject);
    socket.on('close', () => {
      closed += 1;
      reject(new Error('The server closed the connection.'));
    });
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
    );
  });
}

/** One buffer for all: what it holds is gone through before the next chunk is read. */
const shared = Buffer.alloc(65_536);

async function openAll(connecting: Connecting): Promise<void> {
  let next = 0;
  const inTurn = async (): Promise<void> => {
    while (next < connecting.count) await openOne(connecting, next++);
  };
  await Promise.all(Array.from({ length: CONNECTING }, inTurn));
}

function startCounting(asked: Counting): void {
  counting = asked;
  complete = messages = firstAt = lastAt = outOfOrder = 0;
  for (const connection of connections) connection.received = 0;
  if (asked.timed) {
    arrivals = new Float64Array(asked.expected * asked.connections);
    indexes = new Uint32Array(asked.expected * asked.connections);
  }
  cpuBefore = process.cpuUsage();
}

function result(sentAt: number[]): Counted {
  const { user, system } = process.cpuUsage(cpuBefore);
  const histogram: number[] = [];
  for (let n = 0; n < messages && n < arrivals.length; n += 1) {
    const took = arrivals[n]! - (sentAt[indexes[n]!] ?? Number.NaN);
    const bucket = Math.min(buckets - 1, Math.max(0, Math.round(took / bucketMs)));
    histogram[bucket] = (histogram[bucket] ?? 0) + 1;
  }
  arrivals = new Float64Array(0);
  indexes = new Uint32Array(0);
  const counts = Array.from({ length: histogram.length }, (_, bucket) => histogram[bucket] ?? 0);
  return { messages, firstAt, lastAt, outOfOrder, closed, histogram: counts, cpu: user + system };
}

/** What a load process does: it opens connections and counts what comes, as the main process says. */
export function serveLoad(): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (message: ToLoad) => {
    if (message.kind === 'connect') {
      // Counted already, so that what a resumed subscription gets at once is not missed.
      openAll(message)
        .then(() => process.send?.({ kind: 'connected' }))
        .catch((error: Error) => {
          process.stderr.write(`${error.message}\n`);
          process.exit(1);
        });
    } else if (message.kind === 'count') {
      startCounting(message);
      process.send?.({ kind: 'counting' });
    } else process.send?.({ kind: 'result', result: result(message.sentAt) });
  });
}
