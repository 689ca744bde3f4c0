import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { productOfTest } from './testkit/product.js';

const product = await productOfTest({ demo: false });

const ask = (authorization?: string) =>
  fetch(product.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
    body: '{"query":"{ viewer { subject } }"}',
  });

/** How many get which status, so many at a time. */
async function statuses(requests: number): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (let sent = 0; sent < requests; sent += 100) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('Bearer not.a.token')));
    for (const answer of answers) {
      await answer.arrayBuffer();
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    }
  }
  return counts;
}

it('who fails to sign in over and over is told to wait, and keeps nobody out who was in and shares his address', async () => {
  const authorization = `Bearer ${await product.tokenOf('ada.admin')}`;
  expect((await ask(authorization)).status).toBe(200);
  let counts = new Map<number, number>();
  // A hundred a second are admitted for ever: only a flood is refused.
  for (let round = 0; round < 5 && !counts.has(429); round += 1) counts = await statuses(1_500);
  expect([...counts.keys()].sort()).toEqual([401, 429]);
  const refused = await Promise.all(Array.from({ length: 200 }, () => ask('Bearer not.a.token')));
  const answer = refused.find(({ status }) => status === 429);
  expect(answer?.headers.get('retry-after')).toBe('1');
  expect(await answer?.json()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
  expect((await ask(authorization)).status).toBe(200);

  const opened = await new Promise((done) => {
    const socket = new WebSocket(product.graphql.replace('http', 'ws'), 'graphql-transport-ws');
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } })));
    socket.on('message', (data) => {
      done(JSON.parse(data.toString()).type);
      socket.close();
    });
    socket.on('close', done);
  });
  expect(opened).toBe('connection_ack');
});
