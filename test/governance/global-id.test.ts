import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { globalId, type NodeType, parseGlobalId, resourceSubjectId } from '../../src/governance/global-id.js';

const types: NodeType[] = ['Domain', 'DataProduct', 'DataContract', 'AccessRequest', 'AccessGrant', 'MeshEvent'];
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uuid(), (type, id) => {
      expect(parseGlobalId(globalId(type, id))).toEqual({ type, id });
    }),
  );
  fc.assert(
    fc.property(hash, (id) => {
      expect(parseGlobalId(globalId('Resource', id))).toEqual({ type: 'Resource', id });
    }),
  );
});

test('any other text names nothing', () => {
  fc.assert(fc.property(fc.string(), (text) => parseGlobalId(text) === null));
  const id = globalId('Domain', randomUUID());
  expect(parseGlobalId(`${id}=`)).toBeNull();
  expect(parseGlobalId(` ${id}`)).toBeNull();
  for (const text of [
    'Domain:x',
    `domain:${randomUUID()}`,
    `constructor:${randomUUID()}`,
    `Resource:${randomUUID()}`,
    'Domain',
  ]) {
    expect(parseGlobalId(Buffer.from(text).toString('base64url'))).toBeNull();
  }
});

test("a resource's event subject is a uuid made of its identity", () => {
  fc.assert(
    fc.property(hash, (id) => {
      const uuid = resourceSubjectId(id);
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
      const plain = uuid.replaceAll('-', '');
      expect(plain).toBe(`${id.slice(0, 12)}8${id.slice(13, 16)}8${id.slice(17, 32)}`);
    }),
  );
});
