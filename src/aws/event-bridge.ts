import { type EventBridgeClient, EventBridgeServiceException, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { FailureKind, PutEvents, PutEventsEntry, PutEventsOutcome } from '../events/put-events.js';

/** Error codes that sending again does not cure (AWS: API_PutEventsResultEntry, Non-retryable errors). */
const REFUSALS = new Set([
  'InvalidAccountIdException',
  'InvalidArgument',
  'MalformedDetail',
  'RedactionFailure',
  'NotAuthorizedForSourceException',
  'NotAuthorizedForDetailTypeException',
]);

/** Of these too, but it may say of each entry what holds for whoever sends: that he may put no events at all. */
const DENIED = 'AccessDeniedException';

/** Error codes that sending again cures (AWS: API_PutEventsResultEntry, Retryable errors; Common Errors). */
const PASSING = /^(Throttling|Internal|ServiceUnavailable)\w*$/;

/** Why a whole request is refused for the sake of one of its entries (AWS: Common Errors). */
const OF_AN_ENTRY = new Set(['ValidationException', 'SerializationException', 'RequestEntityTooLargeException']);

/** For the client: the SDK's middleware is put together once for an operation, not for each request, which was a fifth of what a request cost. */
export const MADE_ONCE = { cacheMiddleware: true };

/** Requests that are made and have not left, by their input. */
const turns = new WeakMap<object, Promise<void>>();

/**
 * Makes requests with the client of the governance account: what the SDK does to a request is done at once, and it goes to the network
 * when it is sent. Results are matched by index, as AWS gives them. A request that is not valid as a whole says nothing about each of
 * its entries: they are sent one by one, and what is wrong is refused alone. Every other error of a whole call (no permission, no bus,
 * credentials that ended) says nothing of any entry, and is thrown.
 */
export function createPutEvents(client: EventBridgeClient): PutEvents {
  waitForTheirTurn(client);
  // It puts into form what it would log of each entry, and the client has no logger: what is called and what comes of it, call-watch.ts says.
  client.middlewareStack.remove('loggerMiddleware');
  return function putEvents(entries) {
    let leave = (): void => undefined;
    const command = commandOf(entries);
    const turn = new Promise<void>((resolve) => (leave = resolve));
    turns.set(command.input, turn);
    const answer = client.send(command);
    // Who sends it hears of it.
    answer.catch(() => undefined);
    return {
      async send() {
        leave();
        try {
          const { Entries: results = [] } = await answer;
          return results.map(({ ErrorCode, ErrorMessage }) => outcomeOf(ErrorCode, ErrorMessage));
        } catch (error) {
          if (!(error instanceof EventBridgeServiceException) || !OF_AN_ENTRY.has(error.name)) throw error;
          if (entries.length === 1) return [{ ok: false, code: error.name, message: error.message, kind: 'REFUSED' }];
        }
        const outcomes: PutEventsOutcome[] = [];
        for (const entry of entries) outcomes.push(...(await putEvents([entry]).send().catch(unanswered)));
        return outcomes;
      },
    };
  };
}

/** Holds each request back, signed, until it is sent. */
function waitForTheirTurn({ middlewareStack }: EventBridgeClient): void {
  middlewareStack.add(
    (next) => async (args) => {
      await turns.get(args.input);
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low', name: 'meshgateTurn', override: true },
  );
}

/** What arrived before it must not be sent again for its sake. */
function unanswered(error: Error): PutEventsOutcome[] {
  return [{ ok: false, code: error.name, message: error.message, kind: 'PASSING' }];
}

function commandOf(entries: PutEventsEntry[]): PutEventsCommand {
  return new PutEventsCommand({
    Entries: entries.map(({ bus, source, detailType, detail, resources, time }) => ({
      EventBusName: bus,
      Source: source,
      DetailType: detailType,
      Detail: detail,
      Resources: resources,
      Time: time,
    })),
  });
}

function outcomeOf(code: string | undefined, message: string | undefined): PutEventsOutcome {
  return code === undefined ? { ok: true } : { ok: false, code, message: message ?? '', kind: kindOf(code) };
}

function kindOf(code: string): FailureKind {
  if (REFUSALS.has(code)) return 'REFUSED';
  if (code === DENIED) return 'DENIED';
  return PASSING.test(code) ? 'PASSING' : 'UNKNOWN';
}
