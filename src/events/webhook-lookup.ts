import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';

/** Every address that a name leads to; rejects with a code such as ENOTFOUND or ETIMEOUT. */
export type LookUp = (name: string) => Promise<LookupAddress[]>;

export interface LookUpOptions {
  /** Name servers as `address:port`; else those of the system (/etc/resolv.conf). */
  servers?: string[];
  /** How long one name may take in all, in milliseconds. */
  deadlineMs?: number;
}

const HOSTS = '/etc/hosts';
const DEADLINE_MS = 5_000;
const TRY_MS = 1_500;
const TRIES = 2;

/**
 * Makes a look-up that asks the name servers itself. The system's getaddrinfo has few threads for the whole process and can neither be
 * bounded nor called off: a receiver whose name server is silent would stop every other name from being found, those of AWS too.
 * One name is asked for once at a time, so there are no more questions under way than webhooks that are served.
 */
export function createLookUp({ servers, deadlineMs = DEADLINE_MS }: LookUpOptions = {}): LookUp {
  const asked = new Map<string, Promise<LookupAddress[]>>();
  const ask = async (name: string) => {
    const own = await readHosts(name);
    return own.length > 0 ? own : askServers(name, { servers, deadlineMs });
  };
  return (name) => {
    const underWay = asked.get(name);
    if (underWay) return underWay;
    const answer = ask(name).finally(() => asked.delete(name));
    asked.set(name, answer);
    return answer;
  };
}

/** Each with a resolver of its own: what one name's server does is held against no other name. */
async function askServers(
  name: string,
  { servers, deadlineMs }: { servers: string[] | undefined; deadlineMs: number },
): Promise<LookupAddress[]> {
  const resolver = new Resolver({ timeout: Math.min(TRY_MS, deadlineMs), tries: TRIES });
  if (servers) resolver.setServers(servers);
  const deadline = setTimeout(() => resolver.cancel(), deadlineMs);
  const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  clearTimeout(deadline);
  const of = (answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] =>
    answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : [];
  const found = [...of(four, 4), ...of(six, 6)];
  if (found.length > 0) return found;
  throw whyNone([four, six]);
}

/** A name without addresses of one family is found all the same; so what the other said counts. */
function whyNone(answers: PromiseSettledResult<string[]>[]): Error {
  const codes = answers.map((answer) =>
    answer.status === 'rejected' ? (answer.reason as { code?: string }).code : '',
  );
  const telling = codes.find((code) => code && code !== 'ENODATA' && code !== 'ENOTFOUND') ?? 'ENOTFOUND';
  const code = telling === 'ECANCELLED' ? 'ETIMEOUT' : telling;
  return Object.assign(new Error(`The name was not found: ${code}`), { code });
}

/** What this machine itself says of a name (hosts(5)); name servers are not asked then. */
async function readHosts(name: string): Promise<LookupAddress[]> {
  const text = await readFile(HOSTS, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line): LookupAddress[] => {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!address || !names.some((one) => one.toLowerCase() === name.toLowerCase())) return [];
    return [{ address, family: address.includes(':') ? 6 : 4 }];
  });
}
