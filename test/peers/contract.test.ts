import * as eventBridge from '@aws-sdk/client-eventbridge';
import * as glue from '@aws-sdk/client-glue';
import * as lakeFormation from '@aws-sdk/client-lakeformation';
import * as sqs from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Meddling, testContract } from '../aws/contract.js';
import { awsOver, C, G, laneTo } from '../aws/testkit.js';
import { startWireRecorder } from '../testkit/wire-recorder.js';
import { LACKS } from './lacks.js';

const moto = await startWireRecorder(inject('motoUrl'));
afterAll(() => moto.close());
const aws = awsOver(moto, { roleArn: `arn:aws:iam::${G}:role/meshgate` });

type AnyClient = { send(command: object): Promise<unknown> };
type AnyCommand = new (input: object) => object;

async function meddle(account: string, calls: Meddling[]): Promise<void> {
  const session = await aws.open(laneTo(account));
  const services: Record<string, { client: object; commands: object }> = {
    glue: { client: session.glue, commands: glue },
    lakeformation: { client: session.lakeFormation, commands: lakeFormation },
    events: { client: session.eventBridge, commands: eventBridge },
    sqs: { client: session.sqs, commands: sqs },
  };
  for (const [service, operation, parameters] of calls) {
    const { client, commands } = services[service]!;
    const Command = (commands as Record<string, AnyCommand>)[`${operation}Command`]!;
    await (client as AnyClient).send(new Command(parameters));
  }
}

// Of a database that was never tagged moto cannot say that it has no tags; of one that is tagged no more it can.
beforeAll(async () => {
  const tagging = {
    Resource: { Database: { CatalogId: G, Name: 'base' } },
    LFTags: [{ TagKey: 'confidentiality', TagValues: ['sensitive'] }],
  };
  await meddle(G, [
    ['lakeformation', 'CreateLFTag', { TagKey: 'confidentiality', TagValues: ['sensitive', 'non-sensitive'] }],
    ['lakeformation', 'AddLFTagsToResource', tagging],
    ['lakeformation', 'RemoveLFTagsFromResource', tagging],
  ]);
});

testContract({
  aws,
  callsOf: async (work) => {
    const from = moto.exchanges.length;
    await work();
    return moto.exchanges.slice(from);
  },
  meddle,
  fails: (kind, step) => LACKS.some(({ fails }) => fails[kind]?.includes(step)),
});

describe('what moto lacks', () => {
  test.each(LACKS)('$lack', async ({ shows }) => {
    const [governance, consumer] = [await aws.open(laneTo(G)), await aws.open(laneTo(C))];
    expect(await shows({ governance, consumer }), 'moto has it now: take it off the list').toBe(true);
  });

  afterAll(() => {
    const lines = LACKS.map(({ lack, why, fails }) => {
      const steps = Object.entries(fails).map(([kind, names]) => `${kind} (${names.join(', ')})`);
      return `  - ${lack}. ${why}${steps.length > 0 ? ` Fails: ${steps.join('; ')}.` : ''}`;
    });
    process.stdout.write(`\nWhat moto lacks, each shown by a call:\n${lines.join('\n')}\n\n`);
  });
});
