import { expect, test } from 'vitest';
import { runTour, type TourStep } from '../src/demo/tour.js';
import { productOfTest } from './testkit/product.js';

const product = await productOfTest();

const STEPS = [
  'connect',
  'choose a product',
  'canRead before approval',
  'request access',
  'approve',
  'granted',
  'what AWS did',
  'canRead after approval',
  'EventBridge',
  'drop and resume',
  'revoke',
  'revoked',
  'canRead after revoke',
  'choose a product by tag',
  'canRead by tag before approval',
  'request and approve by tag',
  'granted by tag',
  'canRead by tag after approval',
  'revoke by tag',
  'revoked by tag',
  'canRead by tag after revoke',
  'domain events',
  'stream',
];

test.each(['first', 'second'])('the tour passes every step, the %s time', async () => {
  const steps: TourStep[] = [];
  const ok = await runTour(
    {
      graphql: product.graphql,
      sandbox: product.sandbox,
      adminToken: await product.tokenOf('ada.admin'),
      requesterToken: await product.tokenOf('oskar.lind'),
      deciderToken: await product.tokenOf('tomasz.nowak'),
    },
    (step) => void steps.push(step),
  );
  expect(steps.filter((step) => !step.ok)).toEqual([]);
  expect(ok).toBe(true);
  expect(steps.map(({ step }) => step)).toEqual(STEPS);
  const told = new Map(steps.map(({ step, detail }) => [step, detail]));
  expect(told.get('canRead before approval')).not.toContain('yes');
  expect(told.get('canRead after approval')).toMatch(/^reader \w+: yes.*, reader \w+: no, stranger \w+: no$/);
  expect(told.get('canRead after revoke')).not.toContain('yes');
  expect(told.get('canRead by tag before approval')).not.toContain('yes');
  expect(told.get('canRead by tag after approval')).toMatch(/^(reader \w+: yes, )+stranger \w+: no$/);
  expect(told.get('canRead by tag after revoke')).not.toContain('yes');
  expect(told.get('domain events')).toMatch(/^commerce tells of SaleRecorded: .*"S-1002"/);
});

test('the tour says which step failed where its decider may not decide', async () => {
  const steps: TourStep[] = [];
  const tokens = {
    adminToken: await product.tokenOf('ada.admin'),
    requesterToken: await product.tokenOf('oskar.lind'),
    deciderToken: await product.tokenOf('oskar.lind'),
  };
  const ok = await runTour({ graphql: product.graphql, sandbox: product.sandbox, ...tokens }, (step) => {
    steps.push(step);
  });
  expect(ok).toBe(false);
  expect(steps.at(-1)).toMatchObject({ step: 'choose a product', ok: false });
});
