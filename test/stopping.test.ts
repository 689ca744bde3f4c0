import { EventEmitter, once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Front, startFront } from './testkit/front.js';

/** A front whose one field is answered with `text` once `answer` was called. */
async function startSlowFront(text: string): Promise<Front & { asked: Promise<void>; answer: () => void }> {
  const gate = new EventEmitter();
  const asked = once(gate, 'asked').then(() => undefined);
  const answered = once(gate, 'answer');
  const slow = {
    type: GraphQLString,
    resolve: async () => {
      gate.emit('asked');
      await answered;
      return text;
    },
  };
  const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { slow } }) });
  return { ...(await startFront({ schema })), asked, answer: () => void gate.emit('answer') };
}

/** Asks as clients do that keep their connection for the next request. */
function ask(url: string): Promise<IncomingMessage> {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const headers = { 'content-type': 'application/json', authorization: 'Bearer alice' };
  return new Promise((done, failed) => {
    const request = httpRequest(url, { method: 'POST', agent, headers }, done);
    request.on('error', failed).end(JSON.stringify({ query: '{ slow }' }));
  });
}

const textOf = async (answer: IncomingMessage): Promise<unknown> =>
  JSON.parse(Buffer.concat(await answer.toArray()).toString());

const within = <T>(ms: number, promise: Promise<T>): Promise<T | 'too late'> =>
  Promise.race([promise, sleep(ms, 'too late' as const, { ref: false })]);

describe('a server that stops', () => {
  it('answers what is under way, and does not wait for the next request on its connection', async () => {
    const front = await startSlowFront('in time');
    const answer = ask(front.url);
    await front.asked;
    const stopped = front.stop().then(() => 'stopped');
    expect(await within(300, stopped)).toBe('too late');
    expect((await ask(front.url)).statusCode).toBe(503);
    front.answer();
    expect((await answer).headers.connection).toBe('close');
    expect(await textOf(await answer)).toEqual({ data: { slow: 'in time' } });
    expect(await within(5_000, stopped)).toBe('stopped');
  });

  it('lets a client read to its end what it had begun to read, and then hangs up', async () => {
    const text = 'x'.repeat(30_000_000);
    const front = await startSlowFront(text);
    front.answer();
    const answer = await ask(front.url);
    expect(answer.headers.connection).toBe('keep-alive');
    const stopped = front.stop().then(() => 'stopped');
    expect(await within(300, stopped)).toBe('too late');
    expect(await textOf(answer)).toEqual({ data: { slow: text } });
    expect(await within(5_000, stopped)).toBe('stopped');
  });

  it('cuts off whoever does not come to the end of his question', async () => {
    const front = await startFront({ closingMs: 500 });
    const { hostname, port } = new URL(front.url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    socket.write('POST /graphql HTTP/1.1\r\nHost: ');
    await sleep(100);
    expect(
      await within(
        5_000,
        front.stop().then(() => 'stopped'),
      ),
    ).toBe('stopped');
  });

  it('ends a stream that was being opened, and leaves no session', async () => {
    const front = await startFront({ signInMs: 300 });
    const opened = fetch(`${front.url}/stream?query=${encodeURIComponent('subscription { count(to: 0) }')}`, {
      headers: { accept: 'text/event-stream', authorization: 'Bearer alice' },
    });
    await sleep(100);
    const stopped = front.stop().then(() => 'stopped');
    expect(await (await opened).text()).not.toContain('event: complete');
    expect(await within(5_000, stopped)).toBe('stopped');
    expect(front.sessions).toBe(0);
  });
});
