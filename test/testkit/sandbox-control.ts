import type { SandboxSettings } from '../../src/sandbox/settings.js';

/** One call as the sandbox logged it. */
export interface LoggedCall {
  n: number;
  account: string;
  principal: string;
  session: string | null;
  service: string;
  operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters of any operation
  parameters: Record<string, any>;
  status: number;
  error: string | null;
}

/** One event on a bus, as the sandbox logged it. */
export interface Delivery {
  n: number;
  kind: string;
  account: string;
  bus: string;
  event: { source: string; 'detail-type': string; detail: { audience: string[]; subject: { id: string } } };
}

/** The embedded AWS, asked and meddled with over its control endpoints. */
export interface SandboxControl {
  canRead(question: {
    principal: string;
    account: string;
    database: string;
    table: string;
    column: string;
  }): Promise<boolean>;
  /** The log of calls after the one of this number. */
  calls(after?: number): Promise<LoggedCall[]>;
  /** What is called while `work` runs; that the worker waits for messages of its inbox, whatever happens, is left out. */
  callsDuring(work: () => Promise<unknown>): Promise<LoggedCall[]>;
  deliveries(account: string): Promise<Delivery[]>;
  addFaults(...faults: Record<string, unknown>[]): Promise<void>;
  /** How often each fault in force has fired. */
  fired(): Promise<number[]>;
  clearFaults(): Promise<void>;
  addAccounts(...accounts: string[]): Promise<void>;
  changeSettings(settings: Partial<SandboxSettings>): Promise<void>;
  /** Whether RAM shares within the organization need nobody to accept them. */
  shareInOrganization(ramSharing: boolean): Promise<void>;
  /** What a service of AWS tells on the default bus of an account. */
  tellAsService(account: string, event: { source: string; detailType: string; detail: object }): Promise<void>;
  /** One call as an administrator of the account; answers its output. */
  asAdministrator<Output>(account: string, operation: `${string}:${string}`, parameters: object): Promise<Output>;
}

/** Speaks to the sandbox at this URL. */
export function sandboxControl(url: string): SandboxControl {
  async function ask<T>(path: string, { body, method }: { body?: unknown; method?: string } = {}): Promise<T> {
    const response = await fetch(`${url}/_sandbox${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`The sandbox answered ${response.status} to ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }
  const calls = (after = 0): Promise<LoggedCall[]> => ask(`/calls?after=${after}&limit=100000`);
  return {
    canRead: async (question) =>
      (await ask<{ allowed: boolean }>(`/can-read?${new URLSearchParams(question)}`)).allowed,
    calls,
    callsDuring: async (work) => {
      const before = (await calls()).at(-1)?.n;
      await work();
      return (await calls(before)).filter(({ operation }) => operation !== 'ReceiveMessage');
    },
    deliveries: (account) => ask(`/deliveries?account=${account}`),
    addFaults: async (...faults) => void (await ask('/faults', { body: faults })),
    fired: async () => (await ask<{ fired: number }[]>('/faults')).map(({ fired }) => fired),
    clearFaults: async () => void (await ask('/faults', { method: 'DELETE' })),
    addAccounts: async (...accounts) => void (await ask('/accounts', { body: accounts })),
    changeSettings: async (settings) => void (await ask('/settings', { body: settings })),
    shareInOrganization: async (ramSharing) => void (await ask('/organization', { body: { ramSharing } })),
    tellAsService: async (account, event) => void (await ask('/service-events', { body: [{ account, ...event }] })),
    asAdministrator: async <Output>(account: string, name: string, parameters: object) => {
      const [service, operation] = name.split(':');
      const calls = [{ service, operation, account, parameters }];
      const [result] = await ask<{ ok: boolean; output: Output; message?: string }[]>('/drift', { body: calls });
      if (!result?.ok) throw new Error(`${name} was refused: ${result?.message}`);
      return result.output;
    },
  };
}

/** The links of a product in a consumer's account, and what may be read through them. */
export interface Watched {
  account: string;
  path: string;
  columns: Map<string, string[]>;
  principals: string[];
}

/** All that these principals can read, as `principal table.column` by the role's name, sorted. */
export async function readable(sandbox: SandboxControl, watched: Watched): Promise<string[]> {
  const flat = watched.path.replaceAll('-', '_').replace('/', '__');
  const cells = watched.principals.flatMap((principal) =>
    [...watched.columns].flatMap(([table, columns]) => columns.map((column) => ({ principal, table, column }))),
  );
  const found = await Promise.all(
    cells.map(async ({ principal, table, column }) => {
      const link = { database: 'data_products', table: `${flat}__${table}` };
      const allowed = await sandbox.canRead({ principal, account: watched.account, ...link, column });
      return allowed ? [`${principal.split('/').at(-1)} ${table}.${column}`] : [];
    }),
  );
  return found.flat().sort();
}
