import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { startHeartbeat } from '../src/server/heartbeat.js';

const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
const heartbeat = startHeartbeat(200);
beforeAll(() => {
  sockets.on('connection', heartbeat.watch);
});
afterAll(() => {
  heartbeat.stop();
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
});

async function connect(options: ClientOptions = {}) {
  const client = new WebSocket(`ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`, options);
  const heard = { pings: 0, closed: false };
  client.on('ping', () => (heard.pings += 1));
  client.on('close', () => (heard.closed = true));
  await once(client, 'open');
  return heard;
}

test('who answers is pinged again and again, and who does not is cut off', async () => {
  const [alive, dead, ...others] = await Promise.all([
    connect(),
    connect({ autoPong: false }),
    ...Array.from({ length: 100 }, () => connect()),
  ]);
  await expect.poll(() => dead.closed, { timeout: 5_000 }).toBe(true);
  expect(dead.pings).toBe(1);
  await delay(1_000);
  expect(alive.pings).toBeGreaterThan(2);
  expect([alive, ...others].some(({ closed, pings }) => closed || pings < 2)).toBe(false);
});
