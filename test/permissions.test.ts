import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { productOfTest } from './testkit/product.js';
import { type LoggedCall, sandboxControl } from './testkit/sandbox-control.js';

/** docs/permissions.md, which administrators make policies of, against what the code can send and what it sends. */

const SOURCE = join(import.meta.dirname, '../src/aws');
const PAGE = readFileSync(join(import.meta.dirname, '../docs/permissions.md'), 'utf8');

/** IAM's prefix of the actions of each SDK client (Service Authorization Reference). */
const PREFIXES: Record<string, string> = {
  eventbridge: 'events',
  glue: 'glue',
  lakeformation: 'lakeformation',
  ram: 'ram',
  sqs: 'sqs',
  sts: 'sts',
};

/** GetCallerIdentity is allowed to everybody (STS API reference). */
const FREE = new Set(['sts:GetCallerIdentity']);

/** A batch needs the action of one (SQS API permissions). */
const actionOf = (operation: string): string =>
  operation.startsWith('sqs:') ? operation.replace(/Batch$/, '') : operation;

/** The actions that the page lists, and for which role. */
function listed(): Map<string, Set<string>> {
  const actions = new Map<string, Set<string>>();
  for (const line of PAGE.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, , names = '', governance, domain] = cells;
    if (cells.length !== 6 || !names.startsWith('`')) continue;
    const roles = new Set([...(governance === 'yes' ? ['governance'] : []), ...(domain === 'yes' ? ['domain'] : [])]);
    for (const [, name = ''] of names.matchAll(/`([^`]+)`/g)) {
      expect(actions.has(name), `${name} is listed twice`).toBe(false);
      actions.set(name, roles);
    }
  }
  return actions;
}

/** The actions of all commands that src/aws imports from the SDK: nothing else in the product calls AWS. */
function sendable(): string[] {
  const found = readdirSync(SOURCE).flatMap((file) => {
    const text = readFileSync(join(SOURCE, file), 'utf8');
    return [...text.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-([a-z-]+)'/g)].flatMap(
      ([, names = '', client = '']) =>
        [...names.matchAll(/\b(\w+)Command\b/g)].map(([, operation]) =>
          actionOf(`${PREFIXES[client] ?? client}:${operation}`),
        ),
    );
  });
  return [...new Set(found)].filter((action) => !FREE.has(action)).sort();
}

test('the page lists every operation that the code can send, and no other', () => {
  expect([...listed().keys()].sort()).toEqual(sendable());
});

test('each action is for a role', () => {
  expect([...listed()].filter(([, roles]) => roles.size === 0)).toEqual([]);
});

const product = productOfTest();
let calls: LoggedCall[];
beforeAll(async () => {
  calls = await sandboxControl((await product).sandbox).calls();
}, 180_000);

test('what a mesh of several domains calls in each account is listed for the role there', () => {
  const actions = listed();
  // A rule calls its target as the role that the target names: that is EventBridge at work, not Meshgate.
  const own = calls.filter(({ operation }) => operation !== 'InvokeTarget');
  const called = new Set(
    own.map(
      ({ account, service, operation }) =>
        `${account === GOVERNANCE_ACCOUNT ? 'governance' : 'domain'} ${actionOf(`${service}:${operation}`)}`,
    ),
  );
  const missing = [...called].filter((one) => {
    const [role = '', action = ''] = one.split(' ');
    return !FREE.has(action) && !actions.get(action)?.has(role);
  });
  expect(missing).toEqual([]);
  expect(called.size).toBeGreaterThan(40);
});
