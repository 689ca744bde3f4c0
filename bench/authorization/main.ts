import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figure, percentile, table } from '../figures.js';
import { type Stack, serveSandbox, startStack } from '../provisioning/stack.js';
import { fillCatalogue } from './catalogue.js';

/**
 * What authorization costs of a page of the catalogue: the same page for a member, whose rows are asked about one by one, and for an
 * admin, for whom nothing is asked. CPU time of the API's process and of its connections' processes in Postgres, as Linux counts it.
 */
const SIZES = {
  full: { products: 200, domains: 50, rounds: 40, requests: 200 },
  quick: { products: 50, domains: 5, rounds: 4, requests: 40 },
};
/** Each may send a hundred requests a second. */
const PEOPLE = 12;
const members = Array.from({ length: PEOPLE }, (_, n) => `member-${n}`);
const admins = Array.from({ length: PEOPLE }, (_, n) => `admin-${n}`);

const Q1 = `query ($first: Int!) { domain(by: { name: "domain-1" }) { name dataProducts(first: $first, filter: { status: [PUBLISHED] }) {
  nodes { id name displayName owner tags classification status domain { name displayName } contract { version status } }
  pageInfo { hasNextPage endCursor } } } }`;

/** CPU milliseconds since their start. */
interface Cpu {
  server: number;
  postgres: number;
}

type Side = 'member' | 'admin';

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: '.bench/authorization.json' },
    },
  });
  const sizes = options.quick ? SIZES.quick : SIZES.full;
  const stack = await startStack();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stack.close().finally(() => process.exit(130)));
  try {
    await fillCatalogue(stack, sizes, members);
    const bench = await prepare(stack);
    const rounds = await measure(bench, sizes);
    const lookup = await measureLookups(bench, sizes.requests * 5);
    const machine = `Node ${process.versions.node}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, load ${loadavg()[0]?.toFixed(1)}`;
    process.stdout.write(`${table(figuresOf(rounds, lookup))}\n\n${machine}\n`);
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, at: new Date().toISOString(), sizes, rounds, lookup }, null, 2)}\n`,
    );
  } finally {
    await stack.close();
  }
}

interface Bench {
  stack: Stack;
  send(side: Side, requests: number): Promise<string>;
  cpu(): Promise<Cpu>;
}

async function prepare(stack: Stack): Promise<Bench> {
  const tokens: Record<Side, string[]> = {
    member: await Promise.all(members.map((subject) => stack.tokenOf(subject))),
    admin: await Promise.all(admins.map((subject) => stack.tokenOf(subject, ['admins']))),
  };
  const page = async (token: string): Promise<string> => {
    const response = await fetch(stack.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: Q1, variables: { first: 50 } }),
    });
    const text = await response.text();
    if (response.status !== 200 || text.includes('"errors"'))
      throw new Error(`${response.status}: ${text.slice(0, 300)}`);
    return text;
  };
  const send = async (side: Side, requests: number): Promise<string> => {
    const people = tokens[side];
    let sent = 0;
    let last = '';
    const one = async (): Promise<void> => {
      while (sent < requests) last = await page(people[sent++ % PEOPLE] as string);
    };
    await Promise.all([one(), one()]);
    return last;
  };
  const [asMember, asAdmin] = [await send('member', 200), await send('admin', 200)];
  if (asMember !== asAdmin) throw new Error('Both sides must be answered the same.');
  return { stack, send, cpu: async () => ({ server: cpuOf(stack.apiPid), postgres: await cpuOfConnections(stack) }) };
}

/** Interleaved, and the first in turn, so that what the machine does besides meets both. */
async function measure({ send, cpu }: Bench, { rounds, requests }: typeof SIZES.full): Promise<Record<Side, Cpu>[]> {
  const measured: Record<Side, Cpu>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const order: Side[] = round % 2 === 0 ? ['member', 'admin'] : ['admin', 'member'];
    const found: Partial<Record<Side, Cpu>> = {};
    for (const side of order) {
      const before = await cpu();
      await send(side, requests);
      const after = await cpu();
      found[side] = {
        server: (after.server - before.server) / requests,
        postgres: (after.postgres - before.postgres) / requests,
      };
    }
    measured.push(found as Record<Side, Cpu>);
  }
  return measured;
}

/** What reading a viewer's memberships costs, which a request of who was not seen for a second does besides: CPU milliseconds. */
async function measureLookups({ stack, cpu }: Bench, requests: number): Promise<Cpu> {
  const ask = async (count: number, tokens: string[]): Promise<Cpu> => {
    const before = await cpu();
    for (let n = 0; n < count; n += 1) {
      await fetch(stack.graphql, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens[n % tokens.length]}` },
        body: '{"query":"{ __typename }"}',
      }).then((response) => response.text());
    }
    const after = await cpu();
    return { server: (after.server - before.server) / count, postgres: (after.postgres - before.postgres) / count };
  };
  const strangers = await Promise.all(Array.from({ length: requests }, (_, n) => stack.tokenOf(`stranger-${n}`)));
  const known = strangers.slice(0, PEOPLE);
  await ask(requests, known);
  const [seen, unseen] = [await ask(requests, known), await ask(requests, strangers)];
  return { server: unseen.server - seen.server, postgres: unseen.postgres - seen.postgres };
}

/** User and system time of a process (proc(5), stat, fields 14 and 15), a hundred ticks a second. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Of the processes behind the API's connections. One that ended takes its time away with it: connections idle for a minute do. */
async function cpuOfConnections(stack: Stack): Promise<number> {
  const rows = await stack.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'meshgate'`,
  );
  return rows.reduce((sum, { pid }) => sum + cpuOf(pid), 0);
}

function figuresOf(rounds: Record<Side, Cpu>[], lookup: Cpu): Figure[] {
  const of = (side: Side, part: keyof Cpu): number[] => rounds.map((round) => round[side][part]);
  const both = ({ server, postgres }: Cpu): number => server + postgres;
  const share = (cpu: (one: Cpu) => number): number[] =>
    rounds.map(({ member, admin }) => (cpu(member) - cpu(admin)) / cpu(member));
  const spread = (values: number[]): string =>
    `${percent(percentile(values, 0.5))} (quartiles ${percent(percentile(values, 0.25))}, ${percent(percentile(values, 0.75))})`;
  const server = share((cpu) => cpu.server);
  const together = share(both);
  const median = (side: Side, part: keyof Cpu): string => `${percentile(of(side, part), 0.5).toFixed(2)} ms`;
  const perPage = percentile(
    rounds.map(({ member }) => both(member)),
    0.5,
  );
  return [
    {
      what: "page of 50 products with domain, owner, tags and contract: share of the server's CPU that authorization takes, median of the rounds",
      measured: spread(server),
      target: '<= 10 %',
      reached: percentile(server, 0.5) <= 0.1,
    },
    {
      what: "- of the server's and of Postgres' together",
      measured: spread(together),
      target: '<= 10 %',
      reached: percentile(together, 0.5) <= 0.1,
    },
    {
      what: '- CPU of one page, server / Postgres: with authorization',
      measured: `${median('member', 'server')} / ${median('member', 'postgres')}`,
      target: '',
      reached: null,
    },
    {
      what: '- without',
      measured: `${median('admin', 'server')} / ${median('admin', 'postgres')}`,
      target: '',
      reached: null,
    },
    {
      what: '- reading memberships, once a second and viewer: CPU, server / Postgres; share of a page where each comes from somebody new',
      measured: `${lookup.server.toFixed(2)} ms / ${lookup.postgres.toFixed(2)} ms; ${percent(both(lookup) / (perPage + both(lookup)))}`,
      target: '',
      reached: null,
    },
  ];
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

if (process.argv[2] === 'sandbox') await serveSandbox(process.argv[3] ?? '');
else await main();
