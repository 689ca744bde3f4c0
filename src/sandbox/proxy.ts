/** The sandbox's faults in front of any AWS-shaped endpoint: another emulator, or AWS itself. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  Agent as UnencryptedAgent,
  request as unencryptedRequest,
} from 'node:http';
import { Agent as EncryptedAgent, request as encryptedRequest } from 'node:https';
import { join } from 'node:path';
import { logCall } from './call-log.js';
import { answerBy, FAULT_ENDPOINTS, type Faulty } from './control-endpoints.js';
import { type ActiveFault, Faults, underVerdict, type Verdict } from './faults.js';
import { openLineLog } from './line-log.js';
import { isLoopback, listen, readBody, sendJson, sendText, stop } from './loopback.js';
import { splitBatch } from './partial.js';
import { AwsError, type Table } from './service.js';
import { openState } from './state.js';
import { decodeRequest, encodeError, protocolOfAny, type WireCall } from './wire.js';

/** How to start a fault proxy. */
export interface FaultProxyOptions {
  /** The endpoint behind it, for example http://127.0.0.1:5000; a path is not taken. */
  target: string;
  /** Where faults and the call log are kept. */
  dataDir: string;
  /** 0 or absent: any free port. */
  port?: number;
  /** The account of callers whose key was not issued through the proxy. */
  account?: string;
}

/** A running fault proxy on 127.0.0.1. */
export interface FaultProxy {
  url: string;
  close(): Promise<void>;
}

interface Caller {
  account: string;
  principal: string;
}

interface Proxy extends Faulty {
  target: URL;
  agent: UnencryptedAgent;
  account: string;
  /** Who the keys belong to that AssumeRole answered. */
  callers: Table<Caller>;
  url: () => string;
}

interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  body: Buffer;
}

interface Incoming {
  request: IncomingMessage;
  response: ServerResponse;
  body: Buffer;
}

const KEPT_CALLS = 20_000;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'expect']);

/** Starts a proxy that sends everything on to `target` as faults let it; they are set at its own /_sandbox/faults. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const target = new URL(options.target);
  const state = openState(options.dataDir);
  const calls = openLineLog(join(options.dataDir, 'calls'), KEPT_CALLS);
  let url = '';
  const proxy: Proxy = {
    target,
    agent: new (target.protocol === 'https:' ? EncryptedAgent : UnencryptedAgent)({ keepAlive: true }),
    account: options.account ?? '',
    state,
    calls,
    callers: state.table<Caller>('proxy/callers'),
    faults: new Faults(state.table<ActiveFault>('sandbox/faults')),
    url: () => url,
  };
  const server = createServer((request, response) => void serve(proxy, request, response));
  server.keepAliveTimeout = 120_000;
  const close = async (): Promise<void> => {
    if (server.listening) await stop(server);
    proxy.agent.destroy();
    for (const open of [state, calls]) open.close();
  };
  try {
    url = `http://127.0.0.1:${await listen(server, options.port ?? 0)}`;
  } catch (error) {
    await close();
    throw error;
  }
  return { url, close };
}

async function serve(proxy: Proxy, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://127.0.0.1');
  const isControl = pathname.startsWith('/_sandbox');
  if (isControl && !isLoopback(request)) return sendJson(response, 403, { error: 'answered on loopback only' });
  const body = await readBody(request).catch(() => undefined);
  if (body === undefined) return sendJson(response, 413, { error: 'the body is too large' });
  if (isControl) {
    const path = pathname.slice('/_sandbox'.length);
    const answer = await answerBy(FAULT_ENDPOINTS, proxy, { method: request.method ?? 'GET', path, query, body });
    if ('json' in answer) sendText(response, answer.status, answer.json);
    else sendJson(response, answer.status, answer.body);
    return;
  }
  const incoming = { request, response, body };
  const call = callOf(incoming, pathname, query);
  const answer = await (call ? passUnderFaults(proxy, incoming, call) : pass(proxy, incoming, body)).catch(() => null);
  if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
  else request.socket.resetAndDestroy();
}

/** What is asked; undefined where it is not signed as AWS calls are, so that no fault can mean it. */
function callOf({ request, body }: Incoming, path: string, query: URLSearchParams): WireCall | undefined {
  try {
    const wire = { path, query, headers: request.headers, body: body.toString(), isGone: () => false };
    return decodeRequest(wire, protocolOfAny);
  } catch (error) {
    if (error instanceof AwsError) return undefined;
    throw error;
  }
}

/** The answer, or undefined where a fault or the target cuts the connection. */
async function passUnderFaults(proxy: Proxy, incoming: Incoming, call: WireCall): Promise<Answer | undefined> {
  const caller = proxy.callers.get(call.accessKeyId) ?? { account: proxy.account, principal: '' };
  const verdict = proxy.faults.judge({ ...call, account: caller.account });
  const log = (status: number, error: string | null): void => {
    const { service, operation, parameters } = call;
    const at = new Date().toISOString();
    logCall(proxy.calls, { at, ...caller, session: null, service, operation, parameters, status, error });
    proxy.state.flush();
  };
  try {
    const answer = await underVerdict(verdict, {
      act: () => (verdict.error ? errorAnswer(call, verdict.error) : passInPart(proxy, incoming, { call, verdict })),
      onCut: () => log(0, 'ConnectionCut'),
    });
    if (!answer) return undefined;
    learnCaller(proxy, call, answer);
    log(answer.status, answer.status < 400 ? null : errorCodeOf(answer));
    return answer;
  } catch (error) {
    log(0, (error as NodeJS.ErrnoException).code ?? 'TargetUnreachable');
    throw error;
  }
}

async function errorAnswer({ protocol }: WireCall, error: AwsError): Promise<Answer> {
  const { status, headers, body } = encodeError(protocol, error);
  return { status, headers, body: Buffer.from(body) };
}

/** Sends the request on, without the entries of a batch that are to fail. A changed body no longer fits its signature. */
async function passInPart(
  proxy: Proxy,
  incoming: Incoming,
  { call, verdict }: { call: WireCall; verdict: Verdict },
): Promise<Answer> {
  const split = splitBatch(call, verdict.failsEntry);
  if (!split) return pass(proxy, incoming, incoming.body);
  const { parameters, complete } = split;
  const type = String(incoming.request.headers['content-type'] ?? 'application/json');
  const sent = parameters
    ? await pass(proxy, incoming, Buffer.from(JSON.stringify(parameters)))
    : { status: 200, headers: { 'content-type': type }, body: Buffer.from('{}') };
  if (sent.status >= 300) return sent;
  return { ...sent, body: Buffer.from(JSON.stringify(complete(JSON.parse(sent.body.toString())))) };
}

/** Sends a request on as it came, its Host with it, since the signature covers that. */
function pass({ target, agent, url }: Proxy, { request, response }: Incoming, body: Buffer): Promise<Answer> {
  const send = target.protocol === 'https:' ? encryptedRequest : unencryptedRequest;
  return new Promise((resolve, reject) => {
    const onward = send(
      {
        agent,
        protocol: target.protocol,
        hostname: target.hostname,
        port: target.port,
        servername: target.hostname,
        method: request.method,
        path: request.url,
        headers: { ...withoutHopByHop(request.headers), 'content-length': body.length },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const { statusCode: status = 502, headers } = answer;
          // Queue URLs are addresses that clients call: they have to lead back here.
          const text = chunks.length > 0 ? Buffer.concat(chunks) : Buffer.alloc(0);
          resolve({ status, headers: withoutHopByHop(headers), body: replaced(text, target.origin, url()) });
        });
      },
    );
    onward.on('error', reject);
    response.on('close', () => onward.destroy());
    onward.end(body);
  });
}

function replaced(body: Buffer, from: string, to: string): Buffer {
  return body.includes(from) ? Buffer.from(body.toString().replaceAll(from, to)) : body;
}

function withoutHopByHop(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

/** Remembers whose key an AssumeRole answered, so that faults can go by account. */
function learnCaller({ callers }: Proxy, call: WireCall, { status, body }: Answer): void {
  if (call.service !== 'sts' || call.operation !== 'AssumeRole' || status !== 200) return;
  const key = /<AccessKeyId>([^<]+)</.exec(body.toString())?.[1];
  const principal = String(call.parameters.RoleArn);
  const account = principal.split(':')[4] ?? '';
  if (key) callers.put(key, { account, principal });
}

/** The error's name, as the SDK finds it: header, then `__type`, then XML. */
function errorCodeOf({ headers, body }: Answer): string {
  const text = body.toString();
  const [, inText] = /"__type"\s*:\s*"(?:[^"]*#)?([^"]+)"|<Code>([^<]+)</.exec(text)?.filter(Boolean) ?? [];
  return String(headers['x-amzn-errortype'] ?? inText ?? 'Unknown').split(':')[0] ?? '';
}
