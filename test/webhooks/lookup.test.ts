import { createSocket } from 'node:dgram';
import { lookup as lookUpBySystem } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseNetworks } from '../../src/events/webhook-address.js';
import { createLookUp } from '../../src/events/webhook-lookup.js';
import { post } from '../../src/events/webhook-post.js';

const DEADLINE_MS = 2_000;
const ADDRESS = 1;

/** What a name server was asked, with how it answers: of `silent` nothing, `four` and `both` have addresses, others none. */
const questions: string[] = [];
const nameServer = createSocket('udp4').on('message', (query, from) => {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join('.').toLowerCase();
  const type = query.readUInt16BE(at + 1);
  questions.push(name);
  if (name.startsWith('silent')) return;
  const addresses: Record<string, Buffer> = {
    'four.example': Buffer.from([127, 0, 0, 1]),
    'both.example': type === ADDRESS ? Buffer.from([127, 0, 0, 1]) : Buffer.from([...Array<number>(15).fill(0), 1]),
  };
  const address = name === 'four.example' && type !== ADDRESS ? undefined : addresses[name];
  const known = name in addresses;
  const head = Buffer.from([0, 0, 0x81, known ? 0x80 : 0x83, 0, 1, 0, address ? 1 : 0, 0, 0, 0, 0]);
  query.copy(head, 0, 0, 2);
  const record = address ? [Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length]), address] : [];
  nameServer.send(Buffer.concat([head, query.subarray(12, at + 5), ...record]), from.port, from.address);
});
beforeAll(() => new Promise<void>((done) => nameServer.bind(0, '127.0.0.1', done)));
afterAll(() => nameServer.close());

const lookUpHere = () =>
  createLookUp({ servers: [`127.0.0.1:${(nameServer.address() as AddressInfo).port}`], deadlineMs: DEADLINE_MS });

test('a name leads to all of its addresses, of both families or of one', async () => {
  const lookUp = lookUpHere();
  expect(await lookUp('both.example')).toEqual([
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]);
  expect(await lookUp('four.example')).toEqual([{ address: '127.0.0.1', family: 4 }]);
  await expect(lookUp('none.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

test('what the machine itself says of a name holds, and nobody is asked', async () => {
  const before = questions.length;
  expect(await lookUpHere()('localhost')).toContainEqual({ address: '127.0.0.1', family: 4 });
  expect(questions).toHaveLength(before);
});

test('names whose servers are silent hold up no other, neither of webhooks nor of the process', async () => {
  const lookUp = lookUpHere();
  const began = Date.now();
  const silent = Array.from({ length: 100 }, (_, n) => lookUp(`silent-${n}.example`).catch((error) => error.code));
  await lookUp('four.example');
  await lookUpBySystem('localhost');
  expect(Date.now() - began).toBeLessThan(DEADLINE_MS);
  expect(new Set(await Promise.all(silent))).toEqual(new Set(['ETIMEOUT']));
  expect(Date.now() - began).toBeLessThan(3 * DEADLINE_MS);
});

test('a name is asked for once at a time', async () => {
  const lookUp = lookUpHere();
  const before = questions.length;
  await Promise.all(Array.from({ length: 20 }, () => lookUp('both.example')));
  expect(questions.length - before).toBe(2);
  await lookUp('both.example');
  expect(questions.length - before).toBe(4);
});

test('a message to such a name ends, and is told why', async () => {
  const message = { url: 'https://silent.example/', headers: {}, body: '{}' };
  const limits = { allowed: parseNetworks([]), timeoutMs: 2 * DEADLINE_MS, lookUp: lookUpHere() };
  expect(await post(message, limits)).toEqual({
    statusCode: null,
    error: 'No name server answered in time.',
    retryAfterMs: null,
  });
  expect(await post(message, { ...limits, timeoutMs: 200 })).toMatchObject({ error: 'No answer in time.' });
});
