import { BlockList, isIP, isIPv6 } from 'node:net';
import type { IncomingRequest } from './incoming.js';

/** The address that a request came from; null where its connection is gone already. */
export type ClientAddress = (request: Pick<IncomingRequest, 'peer' | 'forwardedFor'>) => string | null;

/**
 * Finds out where requests come from. X-Forwarded-For is believed as far as trusted proxies wrote it: from its end on, up to the first
 * address that is none of theirs. What stands before that, anybody may have made up.
 */
export function clientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList();
  for (const network of trustedProxies) {
    const [address = '', bits] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string): boolean => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  return ({ peer, forwardedFor = '' }) => {
    let address = plainAddress(peer ?? '');
    const forwarded = forwardedFor.split(',');
    while (address !== null && isTrusted(address)) {
      const before = plainAddress((forwarded.pop() ?? '').trim());
      if (before === null) break;
      address = before;
    }
    return address;
  };
}

/** An IPv4 address also where a socket for both families shows it as an IPv6 one; null for what is no address. */
function plainAddress(text: string): string | null {
  const address = text.replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? null : address;
}
