import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';

import { issuerOfTest } from './testkit/issuer.js';
import { serverOfTest } from './testkit/server.js';

/** A server with three connections, all of which wait for a lock while something is asked of it. */
const issuer = await issuerOfTest('https://id.test');
const { graphql, ownerUrl } = await serverOfTest({
  issuers: [
    { issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'meshgate', typ: 'at+jwt', adminGroups: ['admins'] },
  ],
  environment: { DATABASE_POOL_SIZE: '3' },
});
const owner = new pg.Client({ connectionString: ownerUrl });

async function post(body: object, { path = '', accept = 'application/json', as = 'ada' } = {}) {
  const response = await fetch(`${graphql}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, authorization: await bearer(as) },
    body: JSON.stringify(body),
  });
  const { status, headers } = response;
  const { errors } = (await response.json()) as { errors?: { message: string; extensions: { code: string } }[] };
  return {
    status,
    retryAfter: headers.get('retry-after'),
    code: errors?.[0]?.extensions.code,
    text: JSON.stringify(errors),
  };
}
const bearer = async (sub: string) => `Bearer ${await issuer.token({ sub, groups: ['admins'] })}`;

const READ = { query: '{ domains(first: 1) { nodes { name } } }' };
const WRITE = {
  query: `mutation { registerDomain(input: { name: "one", displayName: "One", awsAccountId: "222233334444", awsRegion: "eu-west-1",
    roleArn: "arn:aws:iam::222233334444:role/meshgate", dataLocation: "s3://one/data", owners: ["ada"] }) { __typename } }`,
};
const PRODUCT = Buffer.from('DataProduct:00000000-0000-4000-8000-000000000000').toString('base64url');
const SUBSCRIBE = { query: `subscription { dataProductChanged(id: "${PRODUCT}") { type } }` };
const busy = { status: 503, retryAfter: '1', code: 'SERVICE_UNAVAILABLE' };

/** What comes first over a WebSocket: the answer to the subscription, or the code that the socket closes with. */
async function overSocket(as: string): Promise<unknown> {
  const authorization = await bearer(as);
  return new Promise((done) => {
    const socket = new WebSocket(graphql.replace('http', 'ws'), 'graphql-transport-ws');
    const send = (message: object) => socket.send(JSON.stringify(message));
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization } }));
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(data.toString());
      if (type === 'connection_ack') return send({ id: '1', type: 'subscribe', payload: SUBSCRIBE });
      done((payload?.errors ?? payload)?.[0]?.extensions?.code ?? type);
      return socket.close();
    });
    socket.on('close', (code) => done(code));
  });
}

beforeAll(() => owner.connect());
afterAll(() => owner.end());

describe('while every connection to the database is taken', () => {
  test('reads, mutations and subscriptions are told so, and when to come again; afterwards they go through', async () => {
    expect((await post(READ)).status).toBe(200);
    await owner.query('BEGIN; LOCK TABLE "Domain" IN ACCESS EXCLUSIVE MODE');
    // Those who ask first, and the loops of the server itself, take the connections and wait in them.
    const held = Array.from({ length: 6 }, () => post(READ).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Who was just seen gets as far as what he asks for; of others nobody can say who they are.
    for (const as of ['ada', 'bea']) {
      const stream = { path: '/stream', accept: 'text/event-stream', as };
      const [read, ...others] = await Promise.all([post(READ, { as }), post(WRITE, { as }), post(SUBSCRIBE, stream)]);
      expect([read, ...others]).toMatchObject([busy, busy, busy]);
      expect(read.text).toContain('no free connection');
    }
    expect(await overSocket('cem')).toBe(1013);
    await owner.query('ROLLBACK');
    await Promise.all(held);
    expect(await post(WRITE)).toMatchObject({ status: 200, retryAfter: null });
    expect(await overSocket('cem')).toBe('NOT_FOUND');
  }, 60_000);
});
