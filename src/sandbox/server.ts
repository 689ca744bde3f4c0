import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { answerControlRequest, type Control } from './control.js';
import { crawlers } from './crawlers.js';
import { dataQuality } from './data-quality.js';
import { eventBridge } from './events.js';
import { type ActiveFault, Faults } from './faults.js';
import { answerAwsRequest, findOperation, type Observed } from './front.js';
import { glue } from './glue.js';
import { type Issuer, openIssuer } from './issuer.js';
import { lakeformation } from './lakeformation.js';
import { openLineLog } from './line-log.js';
import { isLoopback, listen, readBody, sendJson, sendText, stop } from './loopback.js';
import { ram } from './ram.js';
import { settleHomeRegion } from './regional.js';
import { schemaRegistry } from './schema-registry.js';
import type { Service, World } from './service.js';
import { simpleQueueService } from './sqs.js';
import { openState, type State } from './state.js';
import { openStorage } from './storage.js';
import { sts } from './sts.js';

/** How to start a sandbox. Accounts given here join those that were added before; settings not given stay as they were. */
export interface SandboxOptions {
  dataDir: string;
  /** 0 or absent: any free port. */
  port?: number;
  governanceAccount: string;
  accounts: string[];
  /** RAM sharing within the organization: on = shares are accepted by themselves, off (at first) = invitations. */
  ramSharing?: boolean;
  /** Region of out-of-band calls that name none; default us-east-1. */
  region?: string;
  log?: (message: string, detail: Record<string, unknown>) => void;
  /** Hears of every call and its answer as they went over the wire; for checks from outside. */
  observe?: (call: Observed) => void;
}

/** A running sandbox on 127.0.0.1. */
export interface Sandbox {
  url: string;
  port: number;
  issuer: Issuer;
  organization: World['organization'];
  addAccounts(accounts: string[]): void;
  close(): Promise<void>;
}

const KEPT_CALLS = 20_000;
const KEPT_DELIVERIES = 10_000;

/** Starts the embedded AWS over the state in `dataDir`; rejects where the port is taken or the folder cannot be read. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const state = openState(options.dataDir);
  const calls = openLineLog(join(options.dataDir, 'calls'), KEPT_CALLS);
  const deliveries = openLineLog(join(options.dataDir, 'deliveries'), KEPT_DELIVERIES);
  const accounts = accountsOf(state);
  accounts.add([options.governanceAccount, ...options.accounts]);
  let url = '';
  const storage = openStorage(join(options.dataDir, 's3'));
  const sqs = simpleQueueService(() => url);
  const services: Record<string, Service> = {
    sts,
    glue: { ...glue, ...crawlers(storage), ...schemaRegistry, ...dataQuality },
    lakeformation,
    ram,
    sqs: sqs.service,
    events: eventBridge(deliveries, calls),
  };
  const world = worldOf(state, services);
  if (options.ramSharing !== undefined) world.organization.ramSharing = options.ramSharing;
  settleHomeRegion(world, options.region ?? 'us-east-1');
  const issuer = openIssuer(options.dataDir);
  const control: Control = {
    world,
    state,
    services,
    calls,
    deliveries,
    issuer,
    accounts,
    storage,
    faults: new Faults(state.table<ActiveFault>('sandbox/faults')),
    region: options.region ?? 'us-east-1',
    baseUrl: () => url,
    log: options.log ?? (() => undefined),
    ...(options.observe && { observe: options.observe }),
  };
  state.flush();
  const server = createServer((request, response) => void serve(control, request, response));
  // Longer than any client keeps an idle connection, so that no request meets a closing socket.
  server.keepAliveTimeout = 120_000;
  const port = await listen(server, options.port ?? 0).catch((error: unknown) => {
    for (const open of [state, calls, deliveries]) open.close();
    throw error;
  });
  url = `http://127.0.0.1:${port}`;
  let closing: Promise<void> | undefined;
  return {
    url,
    port,
    issuer,
    organization: world.organization,
    addAccounts(added) {
      accounts.add(added);
      state.flush();
    },
    close() {
      // Waiting receivers are answered at once.
      sqs.close();
      closing ??= stop(server).then(() => [state, calls, deliveries].forEach((open) => void open.close()));
      return closing;
    },
  };
}

function accountsOf(state: State): Control['accounts'] {
  const table = state.table<{ account: string }>('organization/accounts');
  return {
    list: () => [...table.values()].map(({ account }) => account).sort(),
    add(accounts) {
      for (const account of accounts) {
        if (!/^\d{12}$/.test(account)) throw new Error(`not an AWS account id: ${account}`);
        if (!table.get(account)) table.put(account, { account });
      }
    },
  };
}

function worldOf(state: State, services: Record<string, Service>): World {
  const accounts = state.table<object>('organization/accounts');
  const settings = state.table<{ ramSharing: boolean }>('organization/settings');
  const world: World = {
    table: (name) => state.table(name),
    now: () => new Date(),
    id: randomUUID,
    knowsAccount: (account) => accounts.get(account) !== undefined,
    organization: {
      get ramSharing() {
        return settings.get('settings')?.ramSharing ?? false;
      },
      set ramSharing(ramSharing: boolean) {
        settings.put('settings', { ramSharing });
        state.flush();
      },
    },
    async invoke(call) {
      return findOperation(services, call).run(call, world);
    },
  };
  return world;
}

async function serve(control: Control, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    if (!isLoopback(request)) return sendJson(response, 403, { error: 'the sandbox answers on loopback only' });
    const body = await readBody(request);
    if (body === undefined) return sendJson(response, 413, { error: 'the body is too large' });
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (!pathname.startsWith('/_sandbox')) {
      const isGone = (): boolean => request.socket.destroyed;
      const outcome = await answerAwsRequest(control, {
        path: pathname,
        query,
        headers: request.headers,
        body: body.toString(),
        isGone,
      });
      if ('cut' in outcome) request.socket.resetAndDestroy();
      else response.writeHead(outcome.answer.status, outcome.answer.headers).end(outcome.answer.body);
      return;
    }
    const path = pathname.slice('/_sandbox'.length);
    const answer = await answerControlRequest(control, { method: request.method ?? 'GET', path, query, body });
    if ('json' in answer) sendText(response, answer.status, answer.json);
    else sendJson(response, answer.status, answer.body);
  } catch (error) {
    control.log('sandbox request failed', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    if (response.headersSent) request.socket.destroy();
    else sendJson(response, 500, { error: 'internal error' });
  }
}
