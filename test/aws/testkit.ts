import { createAws } from '../../src/aws/clients.js';
import type { AwsSession } from '../../src/aws/session.js';
import { desire, type Kind, type SpecOf } from '../../src/provisioning/kinds.js';
import type { Aws, Change, Item, Observation, OpenLane, Outcome, Provider } from '../../src/provisioning/provider.js';
import { resourceId } from '../../src/provisioning/resource.js';
import type { Sandbox } from '../../src/sandbox/server.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { C, control, G, P, REGION } from '../sandbox/testkit.js';

export { C, control, G, P, REGION };

/** A line of the call log of the tests' AWS. */
export interface LogLine {
  level: 'debug' | 'info' | 'warn';
  message: string;
  fields: Record<string, unknown>;
}

/** The product's AWS over the sandbox, with its log. */
export function awsOver(
  sandbox: Pick<Sandbox, 'url'>,
  options: { requestTimeoutMs?: number; roleArn?: string } = {},
): Aws<AwsSession> & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as Record<string, unknown> });
  const aws = createAws({
    governanceAccount: G,
    region: REGION,
    endpoint: sandbox.url,
    baseCredentials: governanceCredentials(G),
    ...(options.roleArn ? { roleArn: options.roleArn } : {}),
    requestTimeoutMs: options.requestTimeoutMs ?? 5_000,
    log: { debug: write('debug'), info: write('info'), warn: write('warn') },
  });
  return { ...aws, lines };
}

/** The role that a domain registered in its account. */
export const roleIn = (account: string) => ({
  arn: `arn:aws:iam::${account}:role/mesh/meshgate-domain`,
  externalId: 'ext-1',
});

/** A lane into an account; the governance account under the base credentials. */
export function laneTo(account: string, extra: Partial<OpenLane> = {}): OpenLane {
  const role = account === G ? null : roleIn(account);
  return { account, region: REGION, role, sessionName: `run-${account}`, beforeCall: async () => {}, ...extra };
}

/** One resource as the reconciler hands it to a provider. */
export function itemOf<K extends Kind>(kind: K, account: string, spec: SpecOf<K>): Item<K> {
  const resource = desire(kind, { account, region: REGION }, spec);
  return { id: resourceId(resource), key: resource.key, spec };
}

/** A kind in an account, driven as the reconciler drives it: what agrees is not applied. */
export function driver<K extends Kind>(aws: Aws<AwsSession>, kind: K, account: string) {
  const provider = aws.providers[kind] as unknown as Provider<AwsSession, K>;
  const session = aws.open(laneTo(account));
  const items = (specs: SpecOf<K>[]) => specs.map((spec) => itemOf(kind, account, spec));
  const observe = async (...specs: SpecOf<K>[]): Promise<Observation[]> =>
    provider.observe(await session, items(specs));
  return {
    observe,
    async apply(...specs: SpecOf<K>[]): Promise<Outcome[]> {
      const all = items(specs);
      const seen = await provider.observe(await session, all);
      const changes = all.flatMap((item, index): Change<K>[] => {
        const observation = seen[index]!;
        return observation.state === 'AGREES' || observation.state === 'FAILED' ? [] : [{ item, observation }];
      });
      return changes.length === 0 ? [] : provider.apply(await session, changes);
    },
    remove: async (...specs: SpecOf<K>[]): Promise<Outcome[]> => provider.remove(await session, items(specs)),
    calls: (action: 'CREATE' | 'UPDATE' | 'DELETE', spec: SpecOf<K>, before?: SpecOf<K>) =>
      provider.calls(account, { ...itemOf(kind, account, spec), ...(before ? { before } : {}) }, action),
  };
}

/** One call as the sandbox logged it. */
export interface LoggedCall {
  n: number;
  account: string;
  principal: string;
  session?: string;
  service: string;
  operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters of any operation
  parameters: Record<string, any>;
  error?: unknown;
}

/** What is called while `work` runs. */
export async function callsOf(sandbox: Sandbox, work: () => Promise<unknown>): Promise<LoggedCall[]> {
  const before: LoggedCall[] = await control(sandbox, '/calls');
  await work();
  return control(sandbox, `/calls?after=${before.at(-1)?.n ?? 0}`);
}

/** The calls that change something. */
export const changing = (calls: Pick<LoggedCall, 'operation'>[]): string[] =>
  calls.map(({ operation }) => operation).filter((name) => !/^(Get|List|Describe|Assume)/.test(name));

/** Changes AWS behind the product's back, as an administrator of the account; throws where the sandbox refused one. */
export async function drift(
  sandbox: Sandbox,
  account: string,
  ...calls: [service: string, operation: string, parameters: object][]
) {
  const results = await control(
    sandbox,
    '/drift',
    calls.map(([service, operation, parameters]) => ({ service, operation, account, parameters })),
  );
  const failed = (results as { ok: boolean }[]).filter(({ ok }) => !ok);
  if (failed.length > 0) throw new Error(`drift was refused: ${JSON.stringify(failed)}`);
}

/** The oracle's answer. */
export async function canRead(sandbox: Sandbox, query: Record<string, string>): Promise<boolean> {
  return (await control(sandbox, `/can-read?${new URLSearchParams(query)}`)).allowed;
}
