import { setImmediate } from 'node:timers/promises';
import type { Answer, PolicyEngine, PolicySlice, Question } from './cedar/engine.js';

/** Questions in a row, each of about 1 ms of CPU. */
const AT_ONCE = 10;
/** Asked in this turn of the event loop, by whomever: the loop is everybody's. */
let asked = 0;

/** Asks one question after another, answers in their order; others' requests come in between. */
export async function askEach(
  { engine, slice }: { engine: PolicyEngine; slice: PolicySlice },
  questions: readonly Question[],
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const question of questions) {
    if (asked >= AT_ONCE) {
      await setImmediate();
      asked = 0;
    }
    asked += 1;
    answers.push(engine.ask(slice, question));
  }
  return answers;
}
