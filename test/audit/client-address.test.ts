import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientAddress } from '../../src/server/client-address.js';
import { ConfigError, readConfig } from '../../src/server/config.js';

const from = (peer: string | undefined, forwardedFor?: string) => ({ peer: peer ?? null, forwardedFor });

test.each<[string, string[], string | undefined, string | undefined, string | null]>([
  ['of the connection, where no proxy is trusted', [], '198.51.100.7', '1.2.3.4', '198.51.100.7'],
  [
    'of the connection, where it is not from a trusted proxy',
    ['10.0.0.0/8'],
    '198.51.100.7',
    '1.2.3.4',
    '198.51.100.7',
  ],
  ['that the trusted proxy wrote', ['10.0.0.0/8'], '10.1.2.3', '198.51.100.7', '198.51.100.7'],
  [
    'that it wrote last, not what the client made up',
    ['10.0.0.0/8'],
    '10.1.2.3',
    '1.2.3.4, 198.51.100.7',
    '198.51.100.7',
  ],
  [
    'behind a row of trusted proxies',
    ['10.0.0.0/8', '192.0.2.1'],
    '192.0.2.1',
    '1.2.3.4, 198.51.100.7, 10.9.9.9',
    '198.51.100.7',
  ],
  ['of the proxy, where it wrote none', ['10.0.0.0/8'], '10.1.2.3', undefined, '10.1.2.3'],
  ['of the proxy, where it wrote nonsense', ['10.0.0.0/8'], '10.1.2.3', 'unknown', '10.1.2.3'],
  ['of IPv4 on a socket for both families', ['10.0.0.0/8'], '::ffff:10.1.2.3', '198.51.100.7', '198.51.100.7'],
  ['of IPv6', ['2001:db8::/32'], '2001:db8::1', '2001:db9::7', '2001:db9::7'],
  ['of nobody, where the connection is gone', ['10.0.0.0/8'], undefined, '198.51.100.7', null],
])('the address %s', (_which, trusted, remote, forwarded, expected) => {
  expect(clientAddress(trusted)(from(remote, forwarded))).toBe(expected);
});

test('whatever a client writes into the header, it does not change the address that a trusted proxy saw', () => {
  const addressOf = clientAddress(['10.0.0.0/8']);
  fc.assert(
    fc.property(fc.string(), (made) => {
      expect(addressOf(from('10.1.2.3', `${made}, 198.51.100.7`))).toBe('198.51.100.7');
    }),
  );
});

test.each(['10.0.0.0/33', '10.0.0', 'loopback', '10.0.0.0/8/8', '0.0.0.0/0'])(
  '%s is no network to be trusted',
  (proxy) => {
    expect(() => readConfig({ MESHGATE_TRUSTED_PROXIES: proxy })).toThrow(
      /MESHGATE_TRUSTED_PROXIES[^\n]*must be IP addresses/,
    );
    expect(() => readConfig({ MESHGATE_TRUSTED_PROXIES: proxy })).toThrow(ConfigError);
  },
);

test('classifications that there are not cannot be audited', () => {
  expect(() => readConfig({ MESHGATE_AUDIT_READS: 'SECRET' })).toThrow(/MESHGATE_AUDIT_READS[^\n]*RESTRICTED, or none/);
});
