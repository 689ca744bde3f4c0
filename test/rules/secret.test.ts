import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newSecret, parseSecret, type SecretKind, sameHash } from '../../src/governance/secret.js';

const kinds = fc.constantFrom<SecretKind>('PERSONAL_ACCESS_TOKEN', 'SERVICE_ACCOUNT_SECRET');

test('a secret names its row and matches its own hash alone', () => {
  fc.assert(
    fc.property(kinds, fc.uuid(), fc.uuid(), (kind, id, other) => {
      const { text, hash } = newSecret(kind, id);
      const parsed = parseSecret(text);
      expect(parsed).toMatchObject({ kind, id });
      expect(sameHash(parsed?.hash ?? new Uint8Array(), hash)).toBe(true);
      expect(sameHash(newSecret(kind, other).hash, hash)).toBe(false);
    }),
  );
});

test('what is mistyped, cut or made up is refused by its checksum', () => {
  const { text } = newSecret('PERSONAL_ACCESS_TOKEN', randomUUID());
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.constantFrom(...'0aZ_-. é\n'), (at, character) => {
      const changed = text.slice(0, at) + character + text.slice(at + 1);
      expect(parseSecret(changed) === null).toBe(changed !== text);
    }),
  );
  for (const other of [text.slice(0, -1), `${text}0`, ` ${text}`, text.replace('mgpat', 'mgsa'), '', 'mgpat_']) {
    expect(parseSecret(other)).toBeNull();
  }
});

test('scanners find it by prefix, alphabet and length, and the text holds neither the hash nor a second secret', () => {
  const { text, hash } = newSecret('SERVICE_ACCOUNT_SECRET', randomUUID());
  expect(text).toMatch(/^mgsa_[0-9A-Za-z]{71}$/);
  expect(text).not.toContain(Buffer.from(hash).toString('hex'));
  expect(newSecret('SERVICE_ACCOUNT_SECRET', randomUUID()).text.slice(27, 70)).not.toBe(text.slice(27, 70));
});
