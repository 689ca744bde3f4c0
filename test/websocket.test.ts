import { createClient } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startFront } from './testkit/front.js';

const front = await startFront();
const url = front.url.replace('http', 'ws');
const init = JSON.stringify({ type: 'connection_init', payload: { authorization: 'Bearer alice' } });
const subscribe = (id: string, query = 'subscription { count(to: 0) }'): string =>
  JSON.stringify({ id, type: 'subscribe', payload: { query } });

/** Sends the frames one after the other and answers how the server closes. */
function closing(frames: (string | Buffer)[], protocols: string[] = ['graphql-transport-ws']): Promise<number> {
  return new Promise((done) => {
    const socket = new WebSocket(url, protocols);
    const waiting = [...frames];
    const sendNext = (): void => {
      const frame = waiting.shift();
      if (frame === undefined) return;
      socket.send(frame);
      // What follows the sign-in waits for its answer.
      if (frame !== init) sendNext();
    };
    socket.on('open', sendNext);
    socket.on('message', sendNext);
    socket.on('error', () => undefined);
    socket.on('close', done);
  });
}

describe('a WebSocket', () => {
  it.each<[string, (string | Buffer)[], number]>([
    ['text that is no JSON', ['garbage'], 4400],
    ['JSON that is no message', ['{"hello":"world"}'], 4400],
    ['a message of another protocol', ['{"type":"start","id":"1","payload":{"query":"{ a }"}}'], 4400],
    ['a subscription before it has signed in', [subscribe('1')], 4401],
    ['a subscription without a document', [init, '{"type":"subscribe","id":"1","payload":{}}'], 4400],
    [
      'variables that are no object',
      [init, '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":7}}'],
      4400,
    ],
    ['a second sign-in', [init, init], 4429],
    ['an id that is taken', [init, subscribe('1'), subscribe('1')], 4409],
    ['binary frames', [Buffer.from(init)], 1003],
    [
      'a message of more than 64 KB',
      [JSON.stringify({ type: 'ping', payload: { padding: 'x'.repeat(70_000) } })],
      1009,
    ],
    ['no token', ['{"type":"connection_init"}'], 4401],
  ])('closes on %s', async (_, frames, code) => {
    expect(await closing(frames)).toBe(code);
  });

  it('closes with the place to go on from where events cannot be read', async () => {
    const closed = new Promise<string>((done) => {
      const socket = new WebSocket(url, 'graphql-transport-ws');
      socket.on('open', () => socket.send(init));
      socket.once('message', () => socket.send(subscribe('1', 'subscription { interrupted }')));
      socket.on('close', (code, reason) => done(`${code} ${reason}`));
    });
    expect(await closed).toBe('4410 STREAM_INTERRUPTED c1');
  });

  it('closes on text that is no UTF-8', async () => {
    const code = await new Promise((done) => {
      const socket = new WebSocket(url, 'graphql-transport-ws');
      socket.on('open', () => socket.send(Buffer.from([0x7b, 0xff, 0x7d]), { binary: false }));
      socket.on('close', done);
    });
    expect(code).toBe(1007);
  });

  it('closes where no protocol is spoken that it knows', async () => {
    expect(await closing([], [])).toBe(4406);
  });

  it('closes on who does not sign in', { timeout: 15_000 }, async () => {
    const started = Date.now();
    expect(await closing([])).toBe(4408);
    expect(Date.now() - started).toBeLessThan(8_000);
  });

  it('closes when the viewer is removed, and those of others stay', async () => {
    const openFor = (token: string) => {
      const closed = new Promise<{ code: number; reason: string }>((done) => {
        const client = createClient({
          url,
          webSocketImpl: WebSocket,
          retryAttempts: 0,
          connectionParams: { authorization: `Bearer ${token}` },
          on: { closed: (event) => done(event as { code: number; reason: string }) },
        });
        const ignore = () => undefined;
        client.subscribe({ query: 'subscription { count(to: 0) }' }, { next: ignore, error: ignore, complete: ignore });
      });
      return closed;
    };
    const removed = openFor('mallory');
    let stays = true;
    const other = openFor('bob 1500').finally(() => {
      stays = false;
    });
    await expect.poll(() => front.sockets.size).toBe(2);
    await new Promise((done) => setTimeout(done, 200));
    const started = Date.now();
    front.remove('mallory');
    expect(await removed).toMatchObject({ code: 4403, reason: 'Removed from a domain' });
    expect(Date.now() - started).toBeLessThan(5_000);
    expect(stays).toBe(true);
    await other;
  });

  it('cuts off who asks without reading what he is answered', { timeout: 30_000 }, async () => {
    await expect.poll(() => front.sockets.size, { timeout: 5_000 }).toBe(0);
    const socket = new WebSocket(url, 'graphql-transport-ws');
    socket.on('error', () => undefined);
    await new Promise((done) => socket.on('open', done));
    socket.send(init);
    await new Promise((done) => socket.once('message', done));
    socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { padding: 'x'.repeat(60_000) } });
    for (let sent = 0; sent < 1_000 && front.sockets.size > 0; sent += 1) {
      socket.send(ping);
      if (sent % 50 === 0) await new Promise((done) => setTimeout(done, 20));
    }
    // Sooner than a ping that stays without an answer would end it.
    await expect.poll(() => front.sockets.size, { timeout: 5_000 }).toBe(0);
    socket.terminate();
  });
});
