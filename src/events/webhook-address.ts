import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { LookUp } from './webhook-lookup.js';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Networks that webhooks may reach although they are not public. */
export type AllowedNetworks = readonly Network[];

/** Reads addresses and networks in CIDR form. */
export function parseNetworks(texts: readonly string[]): AllowedNetworks {
  return texts.map((text) => {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  });
}

/** What the special ranges of ipaddr.js are called elsewhere; the rest is reserved. */
const CALLED: Record<string, string> = {
  unspecified: 'no address of a machine',
  broadcast: 'broadcast',
  multicast: 'multicast',
  linkLocal: 'link-local, where clouds keep their metadata',
  loopback: 'loopback, the machine itself',
  carrierGradeNat: "a carrier's NAT, 100.64.0.0/10",
  private: 'a private network',
  uniqueLocal: 'a private network, fc00::/7',
  deprecatedSiteLocal: 'a private network, fec0::/10',
  rfc6052: 'NAT64, 64:ff9b::/96: an IPv4 address inside an IPv6 one',
  rfc6145: 'an IPv4 address inside an IPv6 one, ::ffff:0:0:0/96',
  '6to4': '6to4, 2002::/16: an IPv4 address inside an IPv6 one',
  teredo: 'Teredo, 2001::/32: an IPv4 address inside an IPv6 one',
  benchmarking: 'kept for benchmarks',
  discard: 'what is sent there is dropped, 100::/64',
  as112: 'a sink for names of private networks, AS112',
  as112v6: 'a sink for names of private networks, AS112',
  amt: 'relays of multicast',
  segmentRouting: 'routers alone, 5f00::/16',
};

/** 2000::/3: all that is given out as global unicast (IANA, IPv6 Global Unicast Address Assignments). */
const GLOBAL: Network = ipaddr.parseCIDR('2000::/3');

/**
 * Why an address may not be connected to; null where it may. Only public unicast addresses may: not loopback, private, link-local, CGNAT,
 * multicast, reserved, nor what tunnels to such (IANA Special-Purpose Address Registries). IPv4-mapped IPv6 is judged as IPv4.
 * `plain`, without TLS: only loopback, and only where that is allowed.
 */
export function addressProblem(text: string, allowed: AllowedNetworks, { plain = false } = {}): string | null {
  if (isIP(text) === 0) return 'is not an IP address';
  const address = ipaddr.process(text);
  const named = allowed.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  const range: string = address.range();
  if (plain && range !== 'loopback') return 'is not of this machine, and without TLS nothing else is reached';
  if (named) return null;
  if (range !== 'unicast') return `is not public (${CALLED[range] ?? 'reserved'})`;
  return address.kind() === 'ipv6' && !address.match(...GLOBAL) ? 'is not public (reserved)' : null;
}

const PLAIN =
  'must be an https URL: without TLS nothing but this machine is reached, and that only where MESHGATE_WEBHOOK_NETWORKS allows its loopback address';

/** Why events may not be sent to a URL; null where they may, as far as that can be said without resolving its name. */
export function urlProblem(text: string, allowed: AllowedNetworks): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//.test(text)) return 'must be an https URL';
  if (text.length > 2_048) return 'must not be longer than 2,048 characters';
  if (url.username || url.password) return 'must not hold a user name or password: what is sent is signed';
  if (url.hash) return 'must not have a fragment';
  const host = hostOf(url);
  const plain = url.protocol === 'http:';
  if (isIP(host) !== 0) {
    const problem = addressProblem(host, allowed, { plain });
    if (problem) return `names an address that ${problem}`;
  } else if (plain && !allowed.some(([network]) => network.range() === 'loopback')) {
    return PLAIN;
  }
  const port = Number(url.port || (plain ? 80 : 443));
  return port === 443 || port >= 1_024 ? null : 'must have the port 443, or one from 1024 on';
}

/** Whether a URL is refused by where its name leads: one without TLS that names a host, and is not refused for anything else. */
export function isJudgedByName(text: string, allowed: AllowedNetworks): boolean {
  const url = URL.parse(text);
  return urlProblem(text, allowed) === null && url?.protocol === 'http:' && isIP(hostOf(url)) === 0;
}

/** Why nothing may be sent to the host of such a URL, by what its name leads to now; null where it may. At each delivery it is asked again. */
export async function nameProblem(text: string, { allowed, lookUp }: Reach): Promise<string | null> {
  const found = await lookUp(hostOf(new URL(text))).catch(() => []);
  return problemAmong(found, { allowed, plain: true }) === null ? null : PLAIN;
}

/** Where webhooks may go, and who finds addresses. */
interface Reach {
  allowed: AllowedNetworks;
  lookUp: LookUp;
}

/** One address that may not be reached is enough: which one of several is taken is not ours to say. */
export function problemAmong(
  addresses: readonly LookupAddress[],
  { allowed, plain }: { allowed: AllowedNetworks; plain: boolean },
): string | null {
  if (addresses.length === 0) return 'The name leads nowhere.';
  const problems = addresses.flatMap(({ address }) => addressProblem(address, allowed, { plain }) ?? []);
  return problems[0] === undefined ? null : `The name leads to an address that ${problems[0]}.`;
}

/** An IPv6 address stands in brackets in a URL (RFC 3986, 3.2.2). */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
