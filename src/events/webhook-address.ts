import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

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
  if (plain && address.range() !== 'loopback') return 'is not of this machine, and without TLS nothing else is reached';
  if (named) return null;
  const range = address.range();
  if (range !== 'unicast') return `is not public (${range})`;
  return address.kind() === 'ipv6' && !address.match(...GLOBAL) ? 'is not public (reserved)' : null;
}

/** Why events may not be sent to a URL; null where they may, as far as that can be said without resolving its name. */
export function urlProblem(text: string, allowed: AllowedNetworks): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//.test(text)) return 'must be an https URL';
  if (text.length > 2_048) return 'must not be longer than 2,048 characters';
  if (url.username || url.password) return 'must not hold a user name or password: what is sent is signed';
  if (url.hash) return 'must not have a fragment';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const plain = url.protocol === 'http:';
  if (isIP(host) !== 0) {
    const problem = addressProblem(host, allowed, { plain });
    if (problem) return `names an address that ${problem}`;
  } else if (plain) {
    return 'must be an https URL';
  }
  const port = Number(url.port || (plain ? 80 : 443));
  return port === 443 || port >= 1_024 ? null : 'must have the port 443, or one from 1024 on';
}
