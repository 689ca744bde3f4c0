import { createHash } from 'node:crypto';
import cedar from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  createPolicyEngine,
  type Evaluate,
  type PolicySlice,
  type StoredVersion,
} from '../../src/governance/cedar/engine.js';
import { CEDAR_SCHEMA } from '../../src/governance/cedar/schema.js';
import { readSource } from '../../src/governance/cedar/source.js';
import { type Cedar, loadCedar } from '../../src/governance/cedar/wasm.js';
import type { GovernanceError } from '../../src/governance/error.js';
import { decideAccess } from '../../src/governance/policy-decision.js';
import { type AccessFacts, askApproval, askColumn, askRequest } from '../../src/governance/policy-facts.js';
import { groupBy } from '../../src/provisioning/group.js';

const problem = (source: string): string => {
  try {
    readSource(source, null);
  } catch (error) {
    expect((error as GovernanceError).details).toMatchObject({ path: 'source' });
    return (error as Error).message;
  }
  return 'taken';
};

const engine = createPolicyEngine();
let count = 0;
function version(source: string, domain: string | null = null): StoredVersion {
  count += 1;
  const digest = createHash('sha256').update(source).digest('hex');
  return {
    policyId: `policy-${count}`,
    name: `policy-${count}`,
    number: 1,
    domain,
    source,
    digest,
    authors: ['author'],
  };
}
const sliceOf = (...sources: string[]): PolicySlice => engine.slice(sources.map((source) => version(source)));

const person = (subject: string, roles: AccessFacts['requester']['roles'] = {}) => ({ subject, admin: false, roles });
function facts(more: Partial<AccessFacts> = {}): AccessFacts {
  return {
    requester: person('asker', { finance: 'MEMBER' }),
    product: {
      ...{ domain: 'sales', name: 'orders', classification: 'INTERNAL', tags: ['core'], accessMode: 'NRAC' },
      contract: '1.0.0',
    },
    ...{ consumer: 'finance', purpose: 'Report', namedPurpose: null, days: 30, principals: ['arn:a'], accounts: ['1'] },
    ...{ permissions: ['SELECT'], grantTo: 'PRINCIPALS', tables: ['t'], rowFilter: false, extension: false },
    columns: [{ table: 't', names: ['id'], pii: false, classification: 'INTERNAL' }],
    ...more,
  };
}

const anyFacts: fc.Arbitrary<AccessFacts> = fc
  .record({
    classification: fc.constantFrom(
      'PUBLIC' as const,
      'INTERNAL' as const,
      'CONFIDENTIAL' as const,
      'RESTRICTED' as const,
    ),
    domain: fc.constantFrom('sales', 'sales-east', 'finance'),
    consumer: fc.constantFrom('sales', 'finance'),
    tags: fc.subarray(['core', 'x']),
    days: fc.option(fc.integer({ min: 1, max: 4_000 })),
    namedPurpose: fc.option(fc.constantFrom('fraud', 'billing')),
    pii: fc.boolean(),
    purpose: fc.string(),
    contract: fc.option(fc.string()),
  })
  .map(({ classification, domain, tags, pii, contract, ...more }) =>
    facts({
      ...more,
      product: { ...facts().product, domain, classification, tags, contract },
      columns: [{ table: 't', names: ['id'], pii, classification }],
    }),
  );

const CONDITIONS = [
  '',
  ' when { resource.domain == Domain::"sales" }',
  ' when { context.consumer == Domain::"finance" }',
  ' when { context has days && context.days <= 90 }',
  ' unless { context.personalData }',
  ' when { context.requester.belongsTo.contains(context.consumer) }',
  ' when { ["fraud"].contains(if context has namedPurpose then context.namedPurpose else "") }',
];
const SCOPES = ['resource', 'resource in Domain::"sales"', 'resource == DataProduct::"sales/orders"'];
const ACTIONS = ['submit', 'withoutExpiry', 'autoApprove', 'approve'];
const statement = (effect: 'permit' | 'forbid', scopes: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.constantFrom(...ACTIONS), scopes, fc.constantFrom(...CONDITIONS))
    .map(([action, scope, condition]) => `${effect} (principal, action == Action::"${action}", ${scope})${condition};`);
const anyStatement = fc.oneof(
  statement('permit', fc.constantFrom(...SCOPES)),
  statement('forbid', fc.constantFrom(...SCOPES)),
);

const questions = (of: AccessFacts) => [
  ...(['submit', 'withoutExpiry', 'autoApprove'] as const).map((action) => askRequest(of, action)),
  askApproval(of, person('boss', { [of.product.domain]: 'OWNER' }), { owners: 1, stewards: 0 }),
  askColumn(of, { table: 't', name: 'id', pii: of.columns[0]?.pii ?? false, classification: 'INTERNAL' }),
];

describe('questions', () => {
  test('every question fits the schema that policies are checked against', () => {
    expect(cedar.checkParseSchema(CEDAR_SCHEMA)).toEqual({ type: 'success' });
    fc.assert(
      fc.property(anyFacts, (of) => {
        for (const { action, entities, ...question } of questions(of)) {
          expect(
            cedar.isAuthorized({
              ...question,
              action: { type: 'Action', id: action },
              entities,
              schema: CEDAR_SCHEMA,
              validateRequest: true,
              policies: { staticPolicies: 'permit (principal, action, resource);' },
            }),
          ).toMatchObject({ type: 'success', response: { decision: 'allow' } });
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the wrapper', () => {
  test('a forbid of the whole mesh always wins, whatever else is permitted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStatement, { maxLength: 8 }), anyFacts, async (sources, of) => {
        const slice = sliceOf(
          'permit (principal, action, resource);',
          ...sources,
          'forbid (principal, action, resource);',
        );
        for (const question of questions(of)) expect(engine.ask(slice, question).allowed).toBe(false);
        expect((await decideAccess({ engine, slice, facts: of }, [])).outcome).toBe('DENIED');
      }),
      { numRuns: 40 },
    );
  });

  test('it says what Cedar itself says of the same statements, and nothing more is allowed', () => {
    fc.assert(
      fc.property(fc.array(anyStatement, { minLength: 1, maxLength: 8 }), anyFacts, (sources, of) => {
        const slice = sliceOf(...sources);
        for (const { action, ...question } of questions(of)) {
          const answer = cedar.isAuthorized({
            ...question,
            action: { type: 'Action', id: action },
            policies: { staticPolicies: sources.join('\n') },
          });
          const allowed = answer.type === 'success' && answer.response.decision === 'allow';
          expect(engine.ask(slice, { action, ...question }).allowed).toBe(allowed);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('where any statement cannot be evaluated it is denied, forbid or permit', async () => {
    const overflow = 'when { context has days && context.days + 9223372036854775807 > 0 }';
    for (const effect of ['forbid', 'permit']) {
      const slice = sliceOf(
        'permit (principal, action, resource);',
        `${effect} (principal, action == Action::"submit", resource) ${overflow};`,
      );
      const answer = engine.ask(slice, askRequest(facts(), 'submit'));
      expect(answer).toMatchObject({ allowed: false, errors: [expect.stringContaining('overflow')] });
      expect(await decideAccess({ engine, slice, facts: facts() }, [])).toMatchObject({
        outcome: 'DENIED',
        reasons: expect.arrayContaining(['A policy could not be evaluated, which denies.']),
      });
      // Without an end there is nothing to overflow.
      expect(engine.ask(slice, askRequest(facts({ days: null }), 'submit')).allowed).toBe(true);
    }
  });

  const broken: [string, Partial<Evaluate>][] = [
    [
      'throws',
      {
        statefulIsAuthorized: () => {
          throw new Error('unreachable');
        },
      },
    ],
    ['fails', { statefulIsAuthorized: () => ({ type: 'failure', errors: [], warnings: [] }) }],
    [
      'allows with an error',
      {
        statefulIsAuthorized: () => ({
          type: 'success',
          warnings: [],
          response: {
            decision: 'allow',
            diagnostics: {
              reason: [],
              errors: [
                { policyId: 'x', error: { message: 'wrong', help: null, code: null, url: null, severity: null } },
              ],
            },
          },
        }),
      },
    ],
    ['answers something else', { statefulIsAuthorized: () => ({ type: 'success' }) as never }],
    ['cannot read the policies', { preparsePolicySet: () => ({ type: 'failure', errors: [] }) }],
    [
      'throws on the policies',
      {
        preparsePolicySet: () => {
          throw new Error('unreachable');
        },
      },
    ],
  ];
  test.each(broken)('denies where Cedar %s', (_, fault) => {
    const wrapped = createPolicyEngine(() => ({ ...cedar, ...fault }));
    const slice = wrapped.slice([version('permit (principal, action, resource);')]);
    expect(wrapped.ask(slice, askRequest(facts(), 'submit')).allowed).toBe(false);
  });

  test('answers again after a call that broke Cedar, in an instance that knows nothing of it', () => {
    const open = version('permit (principal, action, resource);');
    const deep = `permit (principal, action, resource) when { ${'('.repeat(2_000)}true${')'.repeat(2_000)} };`;
    const loaded: Cedar[] = [];
    const engineOf = createPolicyEngine(() => {
      const fresh = loadCedar();
      loaded.push(fresh);
      const breaking: Evaluate['statefulIsAuthorized'] = (call) => {
        if ((call.principal as { id: string }).id === 'breaker') fresh.policyToJson(deep);
        return fresh.statefulIsAuthorized(call);
      };
      return { ...fresh, statefulIsAuthorized: breaking };
    });
    const slice = engineOf.slice([open]);
    const ask = (subject: string) => engineOf.ask(slice, askRequest(facts({ requester: person(subject) }), 'submit'));
    for (let round = 0; round < 12; round += 1) {
      expect(ask('breaker')).toMatchObject({ allowed: false, errors: [expect.stringContaining('Error')] });
      expect(ask(`asker ${round}`)).toMatchObject({ allowed: true, errors: [] });
    }
    expect(loaded.length).toBeGreaterThan(1);
  });

  test('asks again what could not be answered', () => {
    let isBroken = true;
    const wrapped = createPolicyEngine(() => ({
      ...cedar,
      statefulIsAuthorized: (call) => {
        if (isBroken) throw new Error('unreachable');
        return cedar.statefulIsAuthorized(call);
      },
    }));
    const slice = wrapped.slice([version('permit (principal, action, resource);')]);
    expect(wrapped.ask(slice, askRequest(facts(), 'submit')).allowed).toBe(false);
    isBroken = false;
    expect(wrapped.ask(slice, askRequest(facts(), 'submit')).allowed).toBe(true);
  });

  test('denies everything where a stored policy cannot be read any more', () => {
    const slice = sliceOf(
      'permit (principal, action, resource);',
      'permit (principal, action == Action::"fly", resource);',
    );
    expect(engine.ask(slice, askRequest(facts(), 'submit'))).toMatchObject({
      allowed: false,
      errors: [expect.stringContaining('fly')],
    });
  });

  test('denies where there is no policy at all', () => {
    expect(engine.ask(sliceOf(), askRequest(facts(), 'submit')).allowed).toBe(false);
  });

  test('keeps slices apart when there are more than it holds parsed', () => {
    const slices = Array.from({ length: 150 }, (_, index) => ({
      index,
      slice: sliceOf(
        `permit (principal, action == Action::"submit", resource) when { context has days && context.days == ${index} };`,
      ),
    }));
    for (const round of [0, 1]) {
      for (const { index, slice } of slices) {
        // Another purpose each round, so that no answer is remembered.
        const ask = (days: number) =>
          engine.ask(slice, askRequest(facts({ days, purpose: `${round}` }), 'submit')).allowed;
        expect([ask(index), ask(index + 1)]).toEqual([true, false]);
      }
    }
  });
});

describe('policies of a domain', () => {
  test('cannot touch products of another domain, whatever they say', () => {
    const own = fc.constantFrom(...SCOPES.slice(1), 'resource is DataProduct in Domain::"sales"');
    const ofDomain = fc.oneof(statement('permit', own), statement('forbid', own));
    fc.assert(
      fc.property(fc.array(ofDomain, { minLength: 1, maxLength: 6 }), anyFacts, (sources, of) => {
        const source = sources.join('\n');
        expect(readSource(source, 'sales')).toHaveLength(sources.length);
        if (of.product.domain === 'sales') return;
        const without = sliceOf('permit (principal, action == Action::"submit", resource);');
        const [global] = [...without.statements.values()].map(({ policy }) => policy);
        const withIt = engine.slice([
          {
            ...(global as Omit<StoredVersion, 'source'>),
            source: 'permit (principal, action == Action::"submit", resource);',
          },
          version(source, 'sales'),
        ]);
        for (const question of questions(of)) {
          expect(engine.ask(withIt, question).allowed).toBe(engine.ask(without, question).allowed);
        }
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['no scope', 'forbid (principal, action, resource);'],
    ['a condition in place of a scope', 'forbid (principal, action, resource) when { resource in Domain::"sales" };'],
    ['another domain', 'forbid (principal, action, resource in Domain::"finance");'],
    ['a domain that only begins alike', 'forbid (principal, action, resource in Domain::"sales-east");'],
    ["another domain's product", 'permit (principal, action, resource == DataProduct::"finance/ledger");'],
    [
      'a product whose domain only begins alike',
      'permit (principal, action, resource == DataProduct::"sales-east/x");',
    ],
    ['a kind alone', 'permit (principal, action == Action::"submit", resource is DataProduct);'],
    [
      'a second statement without',
      'permit (principal, action, resource in Domain::"sales");\npermit (principal, action, resource);',
    ],
  ])('are refused with %s', (_, source) => {
    expect(() => readSource(source, 'sales')).toThrow(/is not kept to products of sales/);
  });
});

describe('a source', () => {
  test.each([
    ['', /at least one Cedar statement/],
    ['permit(principal, action resource);', /line 1, column 26: unexpected token `resource`.*expected/],
    [
      'permit(principal, action, resource);\n// é\npermit(principal, action == Action::"subit", resource);',
      /line 3, column \d+: unrecognized action.*did you mean/i,
    ],
    [
      'permit(principal, action == Action::"submit", resource) when { resource.colour == "red" };',
      /attribute `colour`.*not found/,
    ],
    [
      'permit(principal, action == Action::"submit", resource) when { resource.classification == Classification::"SECRET" };',
      /not declared.*PUBLIC/,
    ],
    [
      'forbid(principal, action == Action::"submit", resource) when { context.days > 3 };',
      /optional attribute `days`.*Try testing/,
    ],
    ['forbid(principal, action == Action::"submit", resource) when { false };', /impossible/],
    ['permit(principal == ?principal, action, resource);', /Templates/],
    [`${'permit(principal, action, resource);'.repeat(51)}`, /at most 50/],
    [`// ${'x'.repeat(20_000)}\npermit(principal, action, resource);`, /longer than/],
  ])('%#: is refused with what is wrong and where', (source, message) => {
    expect(problem(source)).toMatch(message);
  });
});

describe('a source that is more than Cedar can hold', () => {
  const nest = (open: string, close: string) => (n: number) => `${open.repeat(n)}true${close.repeat(n)}`;
  const wide = (before: string, after: string) => (n: number) => `${before}${after.repeat(n)} == 1`;
  const shapes: [string, (n: number) => string, number][] = [
    ['parentheses', nest('(', ')'), 9_000],
    ['sets', (n) => `${nest('[', ']')(n)} == []`, 9_000],
    ['records', (n) => `${nest('{a:', '}')(n)} == 1`, 4_000],
    ['ifs', nest('if true then ', ' else true'), 800],
    ['else ifs', nest('if true then true else ', ''), 800],
    ['calls', nest('[1].contains(', ')'), 1_200],
    ['parentheses past texts and comments', nest('(")" == ")" && // )\n', ')'), 900],
    ['attributes', wide('context', '.a'), 9_000],
    ['keys', wide('context', '["a"]'), 3_500],
    ['sums', wide('1', '+1'), 9_000],
    ['ands', (n) => `${'true && '.repeat(n)}true`, 2_400],
    ['ors', (n) => `${'principal == User::"a" || '.repeat(n)}true`, 700],
  ];

  test.each(shapes)('of %s is refused, and the next is read and decided as before', (_, shape, most) => {
    const good = `permit (principal, action, resource);`;
    for (const n of [60, 110, 450, most]) {
      expect(problem(`permit (principal, action, resource) when { ${shape(n)} };`), `${n}`).toMatch(
        /at most (40 deep|50 operators)|longer than/,
      );
    }
    expect(readSource(good, null)).toHaveLength(1);
    expect(engine.ask(sliceOf(good), askRequest(facts({ purpose: shape(3) }), 'submit')).allowed).toBe(true);
  });

  test('is refused beyond what every engine can evaluate: what is taken at its deepest is decided', () => {
    const nested = `${'('.repeat(30)}context.rowFilter${')'.repeat(30)}`;
    const long = Array.from({ length: 45 }, (_, n) => `context.purpose == "p${n}"`).join(' || ');
    const texts = `"${'('.repeat(200)}" != "\\"((" // ${'('.repeat(200)}`;
    for (const body of [`!${nested}`, `${long} || true`, `${texts}\n`]) {
      const slice = sliceOf(`permit (principal, action == Action::"submit", resource) when { ${body} };`);
      expect(engine.ask(slice, askRequest(facts(), 'submit'))).toMatchObject({ allowed: true, errors: [] });
    }
  });
});

/** An engine that counts what it asks of Cedar. */
const counting = () => {
  const calls: string[] = [];
  /** Of the event loop, in which each was asked. */
  const turns: number[] = [];
  let turn = 0;
  const next = () => {
    turn += 1;
    ticking = setImmediate(next);
  };
  let ticking = setImmediate(next);
  onTestFinished(() => clearImmediate(ticking));
  const evaluate: Evaluate = {
    preparsePolicySet: cedar.preparsePolicySet,
    statefulIsAuthorized: (call) => {
      calls.push((call.action as { id: string }).id);
      turns.push(turn);
      return cedar.statefulIsAuthorized(call);
    },
  };
  return { calls, turns, engine: createPolicyEngine(() => evaluate) };
};

describe('columns', () => {
  const OPEN = 'permit (principal, action, resource);';
  const wide = (tables: number, columns: number) =>
    facts({
      columns: Array.from({ length: tables }, (_, table) =>
        [false, true].map((pii) => ({
          ...{ table: `t${table}`, pii, classification: 'INTERNAL' as const },
          names: Array.from({ length: columns / 2 }, (__, column) => `c${column}${pii ? 'p' : ''}`),
        })),
      ).flat(),
    });

  test('that no policy can tell apart are asked about once for all tables', async () => {
    const { engine: counted, calls } = counting();
    const slice = counted.slice([
      version(OPEN),
      version('forbid (principal, action, resource is Column) when { resource.pii };'),
    ]);
    const decided = await decideAccess({ engine: counted, slice, facts: wide(200, 10) }, []);
    expect(calls.filter((action) => action === 'readColumn')).toHaveLength(2);
    expect(decided.outcome).toBe('DENIED');
    expect(decided.reasons).toEqual([
      expect.stringMatching(/^Not to be read by this request: t0\.c0p, .* and 990 more\.$/),
      expect.stringMatching(/^The policy policy-\d+\/1 forbids it\.$/),
    ]);
  });

  test('that a policy names are asked about one by one, ten at a time, and at most 500', async () => {
    const named = 'forbid (principal, action == Action::"readColumn", resource) when { resource.name == "c3" };';
    const { engine: counted, calls, turns } = counting();
    const slice = counted.slice([version(OPEN), version(named)]);
    const decided = await decideAccess({ engine: counted, slice, facts: wide(5, 100) }, []);
    expect(calls.filter((action) => action === 'readColumn')).toHaveLength(500);
    expect(mostTogether(turns)).toBeLessThanOrEqual(14);
    expect(decided.reasons[0]).toBe('Not to be read by this request: t0.c3, t1.c3, t2.c3, t3.c3, t4.c3.');
    const many = counting();
    const refused = await decideAccess({ engine: many.engine, slice, facts: wide(200, 10) }, []);
    expect(refused).toMatchObject({
      outcome: 'DENIED',
      policies: [{ id: slice.statements.get(lastOf(slice))?.policy.policyId }],
    });
    expect(refused.reasons[0]).toMatch(/2000 columns.*at most 500.*fewer tables or columns/);
    expect(many.calls).not.toContain('readColumn');
  });
});

describe('people', () => {
  test('who could approve are asked about ten at a time, where policies tell people apart', async () => {
    const { engine: counted, calls, turns } = counting();
    const slice = counted.slice([
      version('permit (principal, action, resource) unless { action == Action::"autoApprove" };'),
      version('forbid (principal, action == Action::"approve", resource) unless { principal.subject == "nobody" };'),
    ]);
    const deciders = Array.from({ length: 60 }, (_, n) => {
      const role = n % 2 === 0 ? ('OWNER' as const) : ('STEWARD' as const);
      return { ...person(`decider-${n}`, { sales: role }), role };
    });
    expect((await decideAccess({ engine: counted, slice, facts: facts(), deciders }, [])).outcome).toBe('DENIED');
    expect(calls.filter((action) => action === 'approve').length).toBeGreaterThan(200);
    expect(mostTogether(turns)).toBeLessThanOrEqual(14);
  });
});

/** Of what was asked in one turn. */
const mostTogether = (turns: readonly number[]): number =>
  Math.max(...[...groupBy(turns, (turn) => turn).values()].map(({ length }) => length));

const lastOf = ({ statements }: PolicySlice): string => [...statements.keys()].at(-1) as string;
