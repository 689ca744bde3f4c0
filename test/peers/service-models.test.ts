import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { testContract } from '../aws/contract.js';
import { awsOver, callsOf, drift } from '../aws/testkit.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import { mainJob, reader } from '../testkit/access.js';
import { productOfTest } from '../testkit/product.js';
import { type Exchange, startWireRecorder, type WireRecorder } from '../testkit/wire-recorder.js';
import { PYTHON } from './moto.js';

/** What the service models say of calls. */
interface Verdict {
  operations: Record<string, { ok: number; error: number }>;
  violations: string[];
}

function judge(exchanges: Exchange[]): Verdict {
  const script = fileURLToPath(new URL('service_models.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(PYTHON, [script], {
    input: JSON.stringify(exchanges),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Verdict;
}

const recorders: WireRecorder[] = [];
async function recorded(target: string): Promise<WireRecorder> {
  const recorder = await startWireRecorder(target);
  recorders.push(recorder);
  return recorder;
}
afterAll(async () => {
  for (const { close } of recorders) await close();
});

const sandbox = await sandboxOfTest({ ramSharing: true });
const wire = await recorded(sandbox.url);
testContract({
  aws: awsOver(wire),
  callsOf: (work) => callsOf(sandbox, work),
  meddle: (account, calls) => drift(sandbox, account, ...calls),
});

test('what the providers ask and the sandbox answers is what the service models say', () => {
  const { operations, violations } = judge(wire.exchanges);
  expect(violations).toEqual([]);
  expect(Object.keys(operations).length).toBeGreaterThan(35);
});

test('what the demo, a request, its approval and its revoke ask and are answered is what the service models say', async () => {
  let recorder: WireRecorder | undefined;
  const product = await productOfTest({
    awsThrough: async (url) => {
      recorder = await recorded(url);
      return recorder.url;
    },
  });
  const job = mainJob({ requester: await product.as('oskar.lind'), decider: await product.as('tomasz.nowak') });
  const whole = await job.grant({ principals: [reader('whole')] });
  const columns = await job.grant({ principals: [reader('columns')], tables: ['shipments'], columns: ['order_id'] });
  for (const grant of [whole, columns]) {
    await job.revoke(grant);
    await job.reached(grant, 'REVOKED');
  }
  const { operations, violations } = judge(recorder?.exchanges ?? []);
  expect(violations).toEqual([]);
  expect(operations).toMatchObject({
    'lakeformation:BatchGrantPermissions': {},
    'lakeformation:BatchRevokePermissions': {},
    'ram:AcceptResourceShareInvitation': {},
    'events:PutEvents': {},
    'sts:AssumeRole': {},
  });
});

test('a request or an answer that the service models do not know is told', () => {
  const call = { accessKeyId: '', service: 'glue', operation: 'GetDatabase', status: 200, headers: {} };
  const judged = (parameters: object, body: object, more: Partial<Exchange> = {}) =>
    judge([{ ...call, parameters, body: JSON.stringify(body), ...more }]).violations;
  expect(judged({ Name: 'a' }, { Database: { Name: 'a', CreateTime: 1 } })).toEqual([]);
  expect(judged({ Naem: 'a' }, {})).toContain('glue:GetDatabase: request.Naem is unknown to the model');
  expect(judged({ Name: 'a' }, { Database: { Name: 7 } })).toContain(
    'glue:GetDatabase: answer.Database.Name is 7, the model says string',
  );
  expect(judged({ Name: 'a' }, { Database: { Name: 'a', Owner: 'me' } })).toContain(
    'glue:GetDatabase: answer.Database.Owner is unknown to the model',
  );
  expect(judged({ Name: 'a' }, { __type: 'NeverHeard' }, { status: 400 })[0]).toMatch(/error NeverHeard is none of/);
  expect(judged({}, {}, { operation: 'GetDatabaze' })).toEqual(['glue:GetDatabaze is unknown to the model']);
});
