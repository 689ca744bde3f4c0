import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { G } from './testkit.js';

/** What an AWS without a mind of its own answers to a call: JSON, an error by its name, a text, or nothing. */
export type Reply =
  | { json: object }
  | { error: string; message?: string; status?: number }
  | { text: string; status: number }
  | 'CUT'
  | 'HANG';

/** An AWS that answers by a script, at one endpoint for all services. */
export interface Answerer {
  url: string;
  /** The answers to an operation, in turn; the last one stays. */
  script(operation: string, ...replies: Reply[]): void;
  /** The operations asked for so far, with the access key that each was signed with. */
  asked: { operation: string; accessKey: string }[];
  close(): Promise<void>;
}

/** Starts one on a free port of 127.0.0.1. STS is answered as if every role could be assumed, with other keys each time. */
export async function startAnswerer(): Promise<Answerer> {
  const scripts = new Map<string, Reply[]>();
  const asked: Answerer['asked'] = [];
  let assumed = 0;
  const server = createServer(async (request, response) => {
    const body = await textOf(request);
    const operation = operationOf(request, body);
    const accessKey = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    asked.push({ operation, accessKey });
    const left = scripts.get(operation) ?? [];
    const reply = left.length > 1 ? left.shift() : left[0];
    if (reply === 'CUT') return void request.socket.destroy();
    if (reply === 'HANG') return;
    if (reply && 'error' in reply) return void sendError(request, response, reply);
    if (reply && 'text' in reply) return void response.writeHead(reply.status).end(reply.text);
    if (operation === 'GetCallerIdentity' || operation === 'AssumeRole') {
      if (operation === 'AssumeRole') assumed += 1;
      const account = new URLSearchParams(body).get('RoleArn')?.split(':')[4] ?? /(\d{12})/.exec(accessKey)?.[1] ?? G;
      return void response.writeHead(200, { 'content-type': 'text/xml' }).end(stsAnswer(operation, account, assumed));
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply?.json ?? {}));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    script: (operation, ...replies) => void scripts.set(operation, replies),
    asked,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** JSON protocols name the operation in a header, STS in its form; Lake Formation's and RAM's is the path. */
function operationOf({ headers, url }: IncomingMessage, body: string): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.split('.').at(-1) ?? '';
  return new URLSearchParams(body).get('Action') ?? url?.split('/').at(-1) ?? '';
}

function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  { error, message = `${error} happened`, status = 400 }: { error: string; message?: string; status?: number },
): void {
  if (/x-www-form-urlencoded/.test(request.headers['content-type'] ?? '')) {
    const xml = `<ErrorResponse><Error><Code>${error}</Code><Message>${message}</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`;
    response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
    return;
  }
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': error, 'x-amzn-requestid': 'req-1' };
  response.writeHead(status, headers).end(JSON.stringify({ __type: error, message }));
}

function stsAnswer(operation: string, account: string, n: number): string {
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  const key = `<AccessKeyId>ASIA${account}N${n}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>`;
  const result =
    operation === 'AssumeRole'
      ? `<Credentials>${key}<SessionToken>token-${n}</SessionToken><Expiration>${expiration}</Expiration></Credentials>`
      : `<Account>${account}</Account>`;
  return `<${operation}Response><${operation}Result>${result}</${operation}Result></${operation}Response>`;
}
