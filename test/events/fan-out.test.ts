import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor } from '../../src/events/cursor.js';
import { ReadFailed, ResyncRequired, SlowSubscriber, StreamInterrupted } from '../../src/events/errors.js';
import { type FanOut, openFanOut } from '../../src/events/fan-out.js';
import { type Reach, reachOf } from '../../src/events/filter.js';
import { openHistory } from '../../src/events/history.js';
import type { Rendered, Subscription } from '../../src/events/subscription.js';
import type { LogEvent } from '../../src/events/types.js';
import { numbers } from './log.js';

/** A log in memory, and the subscriptions of one process over it. */
interface Stage {
  fanOut: FanOut;
  log: LogEvent[];
  /** How often the past was read. */
  reads: number;
  /** The past cannot be read. */
  down: boolean;
  append(audience?: Partial<LogEvent['audience']>, of?: Partial<LogEvent>): LogEvent;
}

function openStage(before = 0, options: { retriedForMs?: number } = {}): Stage {
  const log: LogEvent[] = [];
  const eventOf = (
    audience: Partial<LogEvent['audience']> = { public: true },
    of: Partial<LogEvent> = {},
  ): LogEvent => {
    const seq = BigInt(log.length + 1);
    const full = { public: false, domains: [], subjects: [], ...audience };
    const subject = { type: 'DataProduct', id: 'product', name: null, domain: null };
    const event = {
      seq,
      id: `event-${seq}`,
      subject,
      domainId: null,
      audience: full,
      ...of,
    } as Partial<LogEvent> as LogEvent;
    log.push(event);
    return event;
  };
  for (let n = 0; n < before; n += 1) eventOf();
  const stage: Stage = {
    log,
    reads: 0,
    down: false,
    fanOut: openFanOut(
      openHistory({
        head: BigInt(before),
        read: async ({ after, upTo, limit }) => {
          stage.reads += 1;
          if (stage.down) throw new Error('terminating connection due to administrator command');
          return log.filter(({ seq }) => seq > after && seq <= (upTo ?? seq)).slice(0, limit);
        },
      }),
      options,
    ),
    append: (audience, of) => {
      const event = eventOf(audience, of);
      stage.fanOut.offer(event);
      return event;
    },
  };
  return stage;
}

/** A viewer with a connection that can be held. */
class Viewer {
  readonly heard: Rendered[] = [];
  readonly heardAs: string[] = [];
  domains: string[];
  open = true;
  gone = false;
  failure: unknown;
  private resume: (() => void) | undefined;

  constructor(
    readonly stage: Stage,
    { domains = [], ...given }: Partial<Subscription> & { domains?: string[] } = {},
  ) {
    this.domains = domains;
    const events = stage.fanOut.open({
      key: 'all',
      subject: randomUUID(),
      personal: false,
      viewerClass: () => (this.gone ? undefined : this.viewerClass),
      reach: (event) => this.reach(event),
      render: async ({ id }) => Buffer.from(id),
      ...given,
      outlet: {
        send: (results) => {
          this.heard.push(...results);
          for (const _ of results) this.heardAs.push(this.viewerClass);
          return this.open;
        },
        whenReady: (resume) => {
          this.resume = resume;
        },
      },
    });
    events.next().catch((error: unknown) => {
      this.failure = error;
    });
  }

  get viewerClass(): string {
    return this.domains.join();
  }

  reach(event: LogEvent): Reach {
    return reachOf({ admin: false, memberships: new Map(this.domains.map((domain) => [domain, 1])) }, event);
  }

  get seqs(): bigint[] {
    return this.heard.map(({ seq }) => seq);
  }

  release(): void {
    this.open = true;
    const { resume } = this;
    this.resume = undefined;
    resume?.();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

/** Keeps the process busy. */
function burn(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** Somebody who gets all of it by an outlet of his own. */
function follow({ fanOut }: Stage, key: string, take: (seqs: bigint[]) => void): void {
  const outlet = {
    send: (results: readonly Rendered[]) => {
      take(results.map(({ seq }) => seq));
      return true;
    },
    whenReady: () => undefined,
  };
  const reader = { key, subject: randomUUID(), personal: false, viewerClass: () => '' };
  const made = { reach: (): Reach => 'ALL', render: async ({ id }: LogEvent) => Buffer.from(id) };
  void fanOut.open({ ...reader, ...made, outlet }).next();
}

describe('a round of deliveries', () => {
  it('lets the process turn to other things, and who comes late in it gets at once what happened meanwhile', async () => {
    const stage = openStage();
    const order: string[] = [];
    const got = Array.from({ length: 20 }, (): bigint[][] => []);
    for (const mine of got) {
      follow(stage, 'all', (seqs) => {
        if (order.length === 0) setImmediate(() => order.push(`something else, ${stage.append().seq}`));
        order.push('a delivery');
        mine.push(seqs);
        burn(2);
      });
    }
    stage.append();
    await expect.poll(() => got.every((mine) => mine.flat().length === 2)).toBe(true);
    expect(order.indexOf('something else, 2')).toBeLessThan(10);
    expect(got[0]).toEqual([[1n], [2n]]);
    expect(got.at(-1)).toEqual([[1n, 2n]]);
  });

  it('is shared: a channel of many does not hold up that of one', async () => {
    const stage = openStage();
    const order: string[] = [];
    for (const key of [...Array.from({ length: 50 }, () => 'many'), 'one']) {
      follow(stage, key, () => {
        order.push(key);
        burn(1);
      });
    }
    stage.append();
    await expect.poll(() => order.length).toBe(51);
    expect(order.indexOf('one')).toBeLessThan(20);
  });

  it('makes so many personal results at a time', async () => {
    const stage = openStage();
    let most = 0;
    let atOnce = 0;
    const render = async ({ id }: LogEvent): Promise<Buffer> => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 2));
      atOnce -= 1;
      return Buffer.from(id);
    };
    const viewers = Array.from({ length: 100 }, (_, n) => new Viewer(stage, { key: `${n}`, personal: true, render }));
    for (let n = 0; n < 3; n += 1) stage.append();
    await expect.poll(() => viewers.every(({ seqs }) => seqs.length === 3)).toBe(true);
    expect(most).toBe(8);
  });
});

describe('results', () => {
  const kilobyte = async ({ seq }: LogEvent): Promise<Buffer> => Buffer.alloc(1_024, String(seq));

  it('that are more than one delivery takes arrive all the same, each once, in order', async () => {
    const stage = openStage();
    const viewers = Array.from({ length: 3 }, () => new Viewer(stage, { render: kilobyte }));
    for (let n = 0; n < 500; n += 1) stage.append();
    await expect.poll(() => viewers.map(({ seqs }) => seqs.length)).toEqual([500, 500, 500]);
    for (const { seqs, heard } of viewers) {
      expect(seqs).toEqual(numbers(1, 500));
      expect(heard.every(({ seq, json }) => json.toString().startsWith(String(seq)))).toBe(true);
    }
  });

  it('are made only a little before they are delivered', async () => {
    const stage = openStage();
    let made = 0;
    let delivered = 0;
    let ahead = 0;
    const render = async (event: LogEvent): Promise<Buffer> => {
      made += 1;
      ahead = Math.max(ahead, made - delivered);
      return kilobyte(event);
    };
    const viewer = new Viewer(stage, { render });
    const watching = setInterval(() => (delivered = viewer.heard.length), 0);
    for (let n = 0; n < 800; n += 1) stage.append();
    await expect.poll(() => viewer.heard.length).toBe(800);
    clearInterval(watching);
    expect(ahead).toBeLessThan(400);
  });

  it('that come too late for those who waited are for nobody else', async () => {
    const stage = openStage();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const render = async ({ id, seq }: LogEvent): Promise<Buffer> => {
      if (seq === 1n) await held;
      return Buffer.from(id);
    };
    const early = new Viewer(stage, { render });
    stage.append();
    const late = new Viewer(stage, { render });
    await settled();
    for (let n = 0; n < 1_000; n += 1) stage.append();
    await settled();
    release();
    await expect.poll(() => [early, late].map(({ seqs }) => seqs.length)).toEqual([1_001, 1_000]);
    expect(early.seqs).toEqual(numbers(1, 1_001));
    expect(late.seqs).toEqual(numbers(2, 1_001));
  });
});

describe('who is about one thing', () => {
  it('is asked only when that happens, whatever else does', async () => {
    const stage = openStage();
    let looks = 0;
    const of = (product: string): Partial<Subscription> => ({
      key: product,
      about: [product],
      reach: (event) => {
        looks += 1;
        return event.productId === product ? 'ALL' : 'NOBODY';
      },
    });
    const viewers = Array.from({ length: 300 }, (_, n) => new Viewer(stage, of(`product-${n}`)));
    const everything = new Viewer(stage);
    for (let n = 0; n < 10; n += 1) stage.append({ public: true }, { productId: 'product-7' });
    stage.append({ public: true }, { productId: 'another' });
    await settled();
    expect(looks).toBe(20);
    expect(viewers[7]!.seqs).toEqual(numbers(1, 10));
    expect(viewers.filter(({ seqs }) => seqs.length > 0)).toHaveLength(1);
    expect(everything.seqs).toEqual(numbers(1, 11));
  });
});

describe('subscribers of one document, the same variables and one class', () => {
  it('cost one look at the filter, one execution and one text an event, and get the same bytes', async () => {
    const stage = openStage();
    let looks = 0;
    let executions = 0;
    const counting = {
      reach: (): Reach => {
        looks += 1;
        return 'ALL';
      },
      render: async ({ id }: LogEvent): Promise<Buffer> => {
        executions += 1;
        return Buffer.from(id);
      },
    };
    const viewers = Array.from({ length: 500 }, () => new Viewer(stage, counting));
    for (let n = 0; n < 10; n += 1) stage.append();
    await settled();
    expect(executions).toBe(10);
    // When it comes, and again at delivery.
    expect(looks).toBe(20);
    for (const { heard } of viewers) {
      expect(heard).toHaveLength(10);
      for (const [n, { json }] of heard.entries()) expect(json).toBe(viewers[0]!.heard[n]!.json);
    }
  });

  it('share what is replayed to them too, wherever each begins, and read the past once', async () => {
    const stage = openStage(900);
    let executions = 0;
    const render = async ({ id }: LogEvent): Promise<Buffer> => {
      executions += 1;
      return Buffer.from(id);
    };
    const viewers = Array.from({ length: 300 }, (_, n) => new Viewer(stage, { after: BigInt(n), render }));
    stage.append();
    await expect.poll(() => viewers.every(({ seqs }) => seqs.at(-1) === 901n)).toBe(true);
    for (const [n, { seqs }] of viewers.entries()) expect(seqs).toEqual(numbers(n + 1, 901));
    expect(executions).toBe(901);
    expect(stage.reads).toBeLessThan(12);
  });

  it.each<[string, Partial<Subscription>, number]>([
    ['another document or other variables', { key: 'others' }, 2],
    ['another class', { viewerClass: () => 'another class' }, 2],
    ['results that are of one subject alone', { personal: true }, 2],
    ['nothing but the subject', { subject: 'somebody else' }, 1],
  ])('differ by %s', async (_, different, executions) => {
    const stage = openStage();
    let executed = 0;
    const render = async ({ id }: LogEvent): Promise<Buffer> => {
      executed += 1;
      return Buffer.from(id);
    };
    const viewers = [new Viewer(stage, { render }), new Viewer(stage, { render, ...different })];
    stage.append();
    await settled();
    expect(executed).toBe(executions);
    expect(viewers.map(({ seqs }) => seqs)).toEqual([[1n], [1n]]);
  });

  it('hear what is addressed to a subject only where they are this subject', async () => {
    const stage = openStage();
    const [addressed, other] = [new Viewer(stage, { subject: 'ada' }), new Viewer(stage, { subject: 'bob' })];
    stage.append({ subjects: ['ada'] });
    stage.append();
    await settled();
    expect([addressed.seqs, other.seqs]).toEqual([[1n, 2n], [2n]]);
  });
});

describe('a subscriber who does not read', () => {
  it('is dropped after a thousand events with the place to go on from; the others of his class do not notice', async () => {
    const stage = openStage();
    const [slow, quick] = [new Viewer(stage), new Viewer(stage)];
    slow.open = false;
    for (let n = 0; n < 1_200; n += 1) {
      stage.append();
      if (n % 100 === 0) await settled();
    }
    await settled();
    expect(slow.failure).toBeInstanceOf(SlowSubscriber);
    expect(slow.seqs).toEqual([1n]);
    expect(quick.seqs).toEqual(numbers(1, 1_200));
  });

  it('gets what waited once he reads again, as long as that is no more than a thousand', async () => {
    const stage = openStage();
    const slow = new Viewer(stage);
    slow.open = false;
    stage.append();
    await settled();
    for (let n = 0; n < 900; n += 1) stage.append();
    await settled();
    slow.release();
    await settled();
    stage.append();
    await settled();
    expect(slow.seqs).toEqual(numbers(1, 902));
  });

  it('is not taken for one where it is the results that take their time', async () => {
    const stage = openStage();
    const patient = new Viewer(stage, {
      render: async ({ id }) => {
        await new Promise((resolve) => setImmediate(resolve));
        return Buffer.from(id);
      },
    });
    for (let n = 0; n < 5_000; n += 1) stage.append();
    await expect.poll(() => patient.seqs.length, { timeout: 10_000 }).toBe(5_000);
    expect(patient.seqs).toEqual(numbers(1, 5_000));
    expect(patient.failure).toBeUndefined();
  });
});

describe('what cannot be read', () => {
  it('of the past is tried again for the one who resumes, and those who are live beside him do not notice', async () => {
    const stage = openStage(500);
    const live = [new Viewer(stage), new Viewer(stage)];
    stage.append();
    await settled();
    stage.down = true;
    const resuming = new Viewer(stage, { after: 10n });
    await settled();
    stage.append();
    await settled();
    for (const { seqs, failure } of live) expect([seqs, failure]).toEqual([[501n, 502n], undefined]);
    stage.down = false;
    await expect.poll(() => resuming.seqs.at(-1)).toBe(502n);
    expect(resuming.seqs).toEqual(numbers(11, 502));
    expect(resuming.failure).toBeUndefined();
  });

  it('for too long sends the one who waits for it to subscribe again behind what he has, and nobody else', async () => {
    const stage = openStage(500, { retriedForMs: 100 });
    const live = new Viewer(stage);
    stage.down = true;
    const waiting = new Viewer(stage, { after: 10n });
    await expect.poll(() => waiting.failure, { timeout: 5_000 }).toBeInstanceOf(StreamInterrupted);
    expect(decodeCursor((waiting.failure as StreamInterrupted).cursor)).toBe(10n);
    stage.append();
    await settled();
    expect([live.seqs, live.failure]).toEqual([[501n], undefined]);
  });

  it('for too long together with the log never sends errors in place of an event', async () => {
    const stage = openStage(10, { retriedForMs: 100 });
    stage.down = true;
    const instead = Buffer.from('errors');
    const viewer = new Viewer(stage, {
      ...{ personal: true, subject: 'ada' },
      render: async ({ seq, id }) => {
        if (seq === 12n) throw new ReadFailed(new Error('terminating connection'), instead);
        return Buffer.from(id);
      },
    });
    for (let n = 0; n < 3; n += 1) stage.append();
    await expect.poll(() => viewer.failure, { timeout: 5_000 }).toBeInstanceOf(StreamInterrupted);
    expect(decodeCursor((viewer.failure as StreamInterrupted).cursor)).toBe(11n);
    expect(viewer.seqs).toEqual([11n]);
  });

  it('while a result is made for its viewer costs him nothing: he gets each event once, in order, as soon as it can be', async () => {
    const stage = openStage(40);
    let asked = 0;
    // Every third fails, at another event each time.
    const render = async ({ id }: LogEvent): Promise<Buffer> => {
      asked += 1;
      const fails = asked % 3 === 0;
      await new Promise((resolve) => setImmediate(resolve));
      if (fails) throw new ReadFailed(new Error('terminating connection'));
      return Buffer.from(id);
    };
    const of = { personal: true, subject: 'ada', render };
    const viewers = [new Viewer(stage, of), new Viewer(stage, { ...of, after: 0n }), new Viewer(stage, of)];
    viewers[2]!.open = false;
    for (let n = 0; n < 60; n += 1) {
      stage.append();
      if (n % 5 === 0) await settled();
      if (n % 20 === 19) viewers[2]!.release();
    }
    viewers[2]!.release();
    await expect.poll(() => viewers.map(({ seqs }) => seqs.at(-1)), { timeout: 20_000 }).toEqual([100n, 100n, 100n]);
    expect(viewers.map(({ seqs }) => seqs)).toEqual([numbers(41, 100), numbers(1, 100), numbers(41, 100)]);
    expect(viewers.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined]);
  });
});

describe('whoever loses a right', () => {
  it('gets nothing that comes later, in a thousand races between the loss and the events', async () => {
    for (let round = 0; round < 1_000; round += 1) {
      const stage = openStage(round % 7);
      const viewer = new Viewer(stage, { domains: ['d'], after: 0n });
      const stays = new Viewer(stage, { domains: ['d'], after: 0n });
      const steps = 6 + (round % 5);
      const loss = (round * 5) % steps;
      let lost = Number.POSITIVE_INFINITY;
      for (let step = 0; step < steps; step += 1) {
        if (step === loss) {
          viewer.domains = [];
          lost = stage.log.length;
          if (round % 2) stage.fanOut.reclassify();
        }
        stage.append(step % 3 ? { domains: ['d'] } : { public: true });
        for (let ticks = (round * 3 + step) % 9; ticks > 0; ticks -= 1) await undefined;
        if (round % 11 === step) await new Promise((resolve) => setImmediate(resolve));
      }
      const last = BigInt(stage.log.length);
      const everybodys = stage.log.filter(({ audience }) => audience.public).map(({ seq }) => seq);
      const arrived = (): boolean => stays.seqs.at(-1) === last && viewer.seqs.includes(everybodys.at(-1)!);
      for (let turn = 0; turn < 1_000 && !arrived(); turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(stays.seqs).toEqual(numbers(1, Number(last)));
      const leaked = viewer.seqs.filter((seq) => seq > lost && !stage.log[Number(seq) - 1]!.audience.public);
      expect(leaked).toEqual([]);
      // What everybody may see reaches him all the same.
      expect(viewer.seqs).toEqual(expect.arrayContaining(everybodys));
    }
  });

  it('gets nothing at all once his token has ended', async () => {
    const stage = openStage();
    const [ended, other] = [new Viewer(stage), new Viewer(stage)];
    stage.append();
    await settled();
    ended.gone = true;
    stage.append();
    stage.fanOut.reclassify();
    stage.append();
    await settled();
    expect([ended.seqs, other.seqs]).toEqual([[1n], [1n, 2n, 3n]]);
  });
});

describe('whoever gains a right', () => {
  it('gets what comes from then on, and those beside him do not', async () => {
    const stage = openStage();
    const [gains, other] = [new Viewer(stage), new Viewer(stage)];
    stage.append({ domains: ['d'] });
    gains.domains = ['d'];
    stage.fanOut.reclassify();
    stage.append({ domains: ['d'] });
    await settled();
    expect([gains.seqs, other.seqs]).toEqual([[2n], []]);
  });

  it('misses nothing that is for everybody, though nobody announced it and he is alone', async () => {
    const stage = openStage();
    const gains = new Viewer(stage);
    stage.append();
    await settled();
    gains.domains = ['d'];
    stage.append();
    await settled();
    expect(gains.seqs).toEqual([1n, 2n]);
  });
});

it('what the filter of one throws ends those who share it, and nobody else', async () => {
  const stage = openStage();
  const broken = new Viewer(stage, {
    key: 'broken',
    reach: () => {
      throw new Error('no such domain');
    },
  });
  const sound = new Viewer(stage);
  stage.append();
  await settled();
  expect(String(broken.failure)).toContain('no such domain');
  expect(sound.seqs).toEqual([1n]);
});

it('a hole in what is stored ends a replay, and is not passed over', async () => {
  const stage = openStage(500);
  stage.log.splice(250, 1);
  const viewer = new Viewer(stage, { after: 10n });
  await settled();
  expect(viewer.failure).toBeInstanceOf(ResyncRequired);
  expect(viewer.seqs).toEqual(numbers(11, 200));
});

/** What may happen, in any order. */
type Step =
  | { kind: 'append'; audience: Partial<LogEvent['audience']>; count: number }
  | { kind: 'join'; domains: string[]; back: number }
  | { kind: 'hold' | 'release' | 'change'; who: number; domains: string[] }
  | { kind: 'wait' };

const domainList = fc.uniqueArray(fc.constantFrom('a', 'b', 'c')).map((all) => all.sort());
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    audience: fc.record({ public: fc.boolean(), domains: domainList }),
    count: fc.integer({ min: 1, max: 120 }),
  }),
  fc.record({ kind: fc.constant('join' as const), domains: domainList, back: fc.integer({ min: 0, max: 400 }) }),
  fc.record({
    kind: fc.constantFrom('hold' as const, 'release' as const, 'change' as const),
    who: fc.nat(7),
    domains: domainList,
  }),
  fc.record({ kind: fc.constant('wait' as const) }),
);

it('whatever happens in whatever order: each gets every event that he may see once, in order, and no other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 40 }), async (steps) => {
      const stage = openStage(300);
      const viewers: { viewer: Viewer; after: number; classes: { domains: string[]; since: number }[] }[] = [];
      for (const step of steps) {
        if (step.kind === 'append') for (let n = 0; n < step.count; n += 1) stage.append(step.audience);
        else if (step.kind === 'join') {
          const after = Math.max(0, stage.log.length - step.back);
          const viewer = new Viewer(stage, { domains: step.domains, after: BigInt(after) });
          viewers.push({ viewer, after, classes: [{ domains: step.domains, since: 0 }] });
        } else if (step.kind === 'wait') await new Promise((resolve) => setImmediate(resolve));
        else {
          const one = viewers[step.who % (viewers.length || 1)];
          if (!one) continue;
          if (step.kind === 'hold') one.viewer.open = false;
          else if (step.kind === 'release') one.viewer.release();
          else {
            one.viewer.domains = step.domains;
            one.classes.push({ domains: step.domains, since: stage.log.length });
            stage.fanOut.reclassify();
          }
        }
      }
      stage.append({ public: true });
      for (const { viewer } of viewers) viewer.release();
      const last = BigInt(stage.log.length);
      for (let turn = 0; turn < 400; turn += 1) {
        for (const { viewer } of viewers) viewer.release();
        if (viewers.every(({ viewer }) => viewer.failure !== undefined || viewer.seqs.at(-1) === last)) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const { viewer, after, classes } of viewers) {
        const { seqs, heardAs, failure } = viewer;
        expect(seqs.every((seq, n) => seq > BigInt(after) && (n === 0 || seq > seqs[n - 1]!))).toBe(true);
        const may = (seq: bigint, domains: string[]): boolean => {
          const { audience } = stage.log[Number(seq) - 1]!;
          return audience.public || audience.domains.some((domain) => domains.includes(domain));
        };
        expect(seqs.every((seq, n) => may(seq, heardAs[n]!.split(',')))).toBe(true);
        if (failure !== undefined) continue;
        // What came since his rights changed last, and he may see: all of it. Where they never changed, that is everything.
        const { domains, since } = classes.at(-1)!;
        const due = stage.log
          .map(({ seq }) => seq)
          .filter((seq) => seq > BigInt(Math.max(after, since)) && may(seq, domains));
        expect(seqs.filter((seq) => seq > BigInt(Math.max(after, since)))).toEqual(due);
      }
    }),
    { numRuns: 150 },
  );
});
