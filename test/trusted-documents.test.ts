import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { readTrustedDocuments } from '../src/server/trusted-documents.js';
import { startFront } from './testkit/front.js';

const folder = mkdtempSync(join(tmpdir(), 'meshgate-documents-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const idOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const whoami = '{ whoami }';
const echo = 'query Echo($text: String) { echo(text: $text) }';
const secret = '{ secret }';
const change = 'mutation { change }';
const count = 'subscription ($to: Int) { count(to: $to) }';
const documents = new Map([whoami, echo, secret, change, count].map((text) => [idOf(text), text]));
const open = await startFront({ trusted: { documents, only: false } });
const strict = await startFront({ trusted: { documents, only: true } });

interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const post = async (body: object, url = strict.url, headers: Record<string, string> = {}): Promise<Answer> => {
  const sent = { 'content-type': 'application/json', authorization: 'Bearer alice', ...headers };
  return answerOf(await fetch(url, { method: 'POST', headers: sent, body: JSON.stringify(body) }));
};
const get = async (fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> =>
  answerOf(
    await fetch(`${strict.url}?${new URLSearchParams(fields)}`, {
      headers: { authorization: 'Bearer alice', ...headers },
    }),
  );
const codeIn = ({ text }: Answer): string => JSON.parse(text).errors?.[0]?.extensions?.code;

describe('trusted documents', () => {
  it('are run by their id, by POST and by GET, with variables', async () => {
    const body = { documentId: idOf(echo), variables: { text: 'Grüße' } };
    expect(JSON.parse((await post(body)).text)).toEqual({ data: { echo: 'Grüße' } });
    const { status, text } = await get({ documentId: idOf(echo), variables: '{"text":"Grüße"}' });
    expect([status, JSON.parse(text)]).toEqual([200, { data: { echo: 'Grüße' } }]);
  });

  it('are looked up for nobody who has not signed in', async () => {
    expect(codeIn(await get({ documentId: 'sha256:00' }, { authorization: '' }))).toBe('UNAUTHENTICATED');
    expect(codeIn(await post({ documentId: 'sha256:00' }, strict.url, { authorization: '' }))).toBe('UNAUTHENTICATED');
  });

  it.each<[string, object, string]>([
    ['an id that is not known', { documentId: idOf('{ __typename }') }, 'DOCUMENT_NOT_FOUND'],
    ['an id that is no text', { documentId: 7 }, 'BAD_REQUEST'],
    ['an id and a document', { documentId: idOf(whoami), query: whoami }, 'BAD_REQUEST'],
  ])('refuse %s', async (_, body, code) => {
    const answer = await post(body, open.url);
    expect([answer.status, codeIn(answer)]).toEqual([400, code]);
  });

  it('stand beside others, or alone, as the operator has it', async () => {
    expect((await post({ query: whoami }, open.url)).status).toBe(200);
    for (const query of [whoami, '{ __schema { types { name } } }']) {
      const answer = await post({ query });
      expect([answer.status, codeIn(answer)]).toEqual([400, 'TRUSTED_DOCUMENT_REQUIRED']);
    }
    expect((await get({ query: whoami }, { 'apollo-require-preflight': '1' })).status).toBe(400);
    expect((await post([{ query: whoami }] as never)).status).toBe(400);
    expect((await post({ query: count }, `${strict.url}/stream`, { accept: 'text/event-stream' })).status).toBe(400);
  });

  it('change nothing on GET', async () => {
    expect((await get({ documentId: idOf(change) })).status).toBe(405);
    expect(JSON.parse((await post({ documentId: idOf(change) })).text)).toEqual({ data: { change: 'changed' } });
  });

  it('keep to the limits of any other', async () => {
    const answer = await post({ documentId: idOf(echo), variables: { text: 'a\u0000b' } });
    expect([answer.status, codeIn(answer)]).toEqual([400, 'BAD_USER_INPUT']);
  });

  it('are subscribed to over server-sent events', async () => {
    const accept = { accept: 'text/event-stream' };
    const body = { documentId: idOf(count), variables: { to: 1 } };
    expect((await post(body, `${strict.url}/stream`, accept)).text).toContain('{"data":{"count":1}}');
    const search = new URLSearchParams({ documentId: idOf(count), variables: '{"to":1}' });
    const headers = { authorization: 'Bearer alice', ...accept };
    expect(await (await fetch(`${strict.url}/stream?${search}`, { headers })).text()).toContain('{"data":{"count":1}}');
  });

  it('are subscribed to over WebSocket, and nothing else is', async () => {
    const client = createClient({
      url: strict.url.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: { authorization: 'Bearer alice' },
    });
    const first = (payload: object) =>
      new Promise<unknown>((done) => {
        client.subscribe(payload as never, { next: done, error: done, complete: () => done(undefined) });
      });
    expect(await first({ query: '', documentId: idOf(count), variables: { to: 1 } })).toEqual({ data: { count: 1 } });
    expect(await first({ query: count, variables: { to: 1 } })).toMatchObject([
      { extensions: { code: 'TRUSTED_DOCUMENT_REQUIRED' } },
    ]);
    await client.dispose();
  });
});

describe('an answer by GET', () => {
  it('may be kept by the viewer alone, and is not sent again while it holds', async () => {
    const fields = { documentId: idOf(echo), variables: '{"text":"one"}' };
    const { headers } = await get(fields);
    const etag = headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(headers.get('vary')).toMatch(/authorization/i);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const again = await get(fields, { 'if-none-match': known });
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    }
    const other = await get({ ...fields, variables: '{"text":"two"}' }, { 'if-none-match': etag });
    expect([other.status, JSON.parse(other.text)]).toEqual([200, { data: { echo: 'two' } }]);
    expect((await get(fields, { 'if-none-match': etag, authorization: '' })).status).toBe(401);
  });

  it('is not to be kept where it has errors', async () => {
    const { headers, status } = await get({ documentId: idOf(secret) });
    expect([status, headers.get('etag'), headers.get('cache-control')]).toEqual([200, null, 'no-store']);
  });
});

describe('the manifest', () => {
  const rules = { schema: buildSchema('type Query { product: String }'), introspection: true };
  const read = (content: string) => {
    const path = join(folder, 'manifest.json');
    writeFileSync(path, content);
    return readTrustedDocuments({ path, only: true }, rules);
  };

  it('is read where every hash is right and every document can be run', () => {
    const text = '{ product }';
    expect(read(JSON.stringify({ [idOf(text)]: text })).documents.get(idOf(text))).toBe(text);
  });

  it('is refused with every mistake at once', () => {
    const misspelt = '{ produkt }';
    const manifest = { [idOf('{ x }')]: '{ product }', [idOf(misspelt)]: misspelt, [idOf('{')]: '{', 'sha256:7': 7 };
    const large = `{ ${Array.from({ length: 16 }, (_, n) => `a${n}: product`).join(' ')} }`;
    let message = '';
    try {
      read(JSON.stringify({ ...manifest, [idOf(large)]: large }));
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain('have 5 mistake(s)');
    expect(message).toContain(`the hash of the document is ${idOf('{ product }')}`);
    expect(message).toContain('Did you mean "product"?');
    expect(message).toContain('Syntax Error');
    expect(message).toContain('is not the text of a document');
    expect(message).toContain('16 aliases are more than 15');
  });

  it.each(['no JSON', '[]', '"text"'])('is refused where it is %s', (content) => {
    expect(() => read(content)).toThrow(/MESHGATE_TRUSTED_DOCUMENTS/);
  });

  it('is refused where there is none', () => {
    expect(() => readTrustedDocuments({ path: join(folder, 'missing.json'), only: false }, rules)).toThrow(
      /cannot be read/,
    );
  });
});
