import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Outlet } from '../src/events/subscription.js';
import { type Connection, openConnection, webSocketOutlet } from '../src/server/websocket-outlet.js';

const server = createServer();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
let client: WebSocket;
let served: WebSocket;
let connection: Connection;
const heard: string[] = [];

/** A client that is connected, and the server's side of it. */
async function connect() {
  const joined = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [[socket, its]] = await Promise.all([once(sockets, 'joined'), once(joined, 'open')]);
  return { client: joined, served: socket as WebSocket, connection: its as Connection };
}

beforeAll(async () => {
  server.on('upgrade', (request, stream, head) =>
    sockets.handleUpgrade(request, stream, head, (socket) => {
      sockets.emit('joined', socket, openConnection(socket, stream));
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ client, served, connection } = await connect());
  client.on('message', (data) => heard.push(String(data)));
});
afterAll(() => {
  for (const socket of sockets.clients) socket.terminate();
  server.close();
});

let seq = 0n;
function send(outlet: Outlet, ...payloads: unknown[]): boolean {
  return outlet.send(payloads.map((payload) => ({ seq: ++seq, json: Buffer.from(JSON.stringify(payload)) })));
}

test('messages of every length arrive whole, each with the id of its subscription, between those of ws itself', async () => {
  const one = webSocketOutlet(connection, '1');
  const other = webSocketOutlet(connection, 'a "quoted" id, é');
  // Around the lengths at which a frame's header grows: 125 and 65,535 bytes.
  const lengths = [0, 1, 70, 71, 72, 73, 74, 75, 76, 300, 65_470, 65_480, 65_482, 65_484, 65_486, 65_490, 200_000];
  const payloads = lengths.map((length) => ({ data: 'ü'.repeat(length % 2) + 'x'.repeat(length) }));
  const expected: unknown[] = [];
  for (const payload of payloads) {
    send(one, payload);
    served.send('{"type":"pong"}');
    served.ping();
    send(other, payload, payload);
    const as = (id: string) => ({ id, type: 'next', payload });
    expected.push(as('1'), { type: 'pong' }, as('a "quoted" id, é'), as('a "quoted" id, é'));
  }
  await expect.poll(() => heard.length).toBe(expected.length);
  expect(heard.map((text) => JSON.parse(text))).toEqual(expected);
});

test('whoever reads nothing is full before long, and says once when he reads again', async () => {
  const outlet = webSocketOutlet(connection, 'slow');
  const payloadOf = (n: number): string => `${n}`.padEnd(50_000, 'x');
  const before = heard.length;
  client.pause();
  let sent = 0;
  let ready = 0;
  // What the sockets of both sides hold goes on for a while after the first time that it is full.
  for (;;) {
    do sent += 1;
    while (send(outlet, payloadOf(sent)) && sent < 2_000);
    outlet.whenReady(() => {
      ready += 1;
    });
    const were = ready;
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (ready === were) break;
  }
  expect(sent).toBeLessThan(2_000);
  const other = await connect();
  for (let n = 0; n < 10; n += 1) send(webSocketOutlet(other.connection, 'other'), 'y'.repeat(50_000));
  const were = ready;
  client.resume();
  await expect.poll(() => heard.length, { timeout: 10_000 }).toBe(before + sent);
  const payloads = heard.slice(before).map((text) => JSON.parse(text).payload as string);
  expect(payloads).toEqual(Array.from({ length: sent }, (_, n) => payloadOf(n + 1)));
  expect(ready).toBe(were + 1);
});

test('nothing is sent behind the end of a socket', async () => {
  const outlet = webSocketOutlet(connection, 'late');
  const before = heard.length;
  served.close(4410, 'SLOW_SUBSCRIBER');
  expect(send(outlet, 'late')).toBe(false);
  const [code] = await once(client, 'close');
  expect(code).toBe(4410);
  expect(heard).toHaveLength(before);
});
