import { type EventBridgeClient, EventBridgeServiceException, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { PutEvents, PutEventsEntry, PutEventsOutcome } from '../events/put-events.js';

/** Error codes that sending again does not cure (AWS: API_PutEventsResultEntry, Non-retryable errors). */
const REFUSALS = new Set([
  'AccessDeniedException',
  'InvalidAccountIdException',
  'InvalidArgument',
  'MalformedDetail',
  'RedactionFailure',
  'NotAuthorizedForSourceException',
  'NotAuthorizedForDetailTypeException',
]);

/** Why a whole request is refused for the sake of one of its entries (AWS: Common Errors). */
const OF_AN_ENTRY = new Set(['ValidationException', 'SerializationException', 'RequestEntityTooLargeException']);

/**
 * Sends entries with the client of the governance account. Results are matched by index, as AWS gives them. A request that is not
 * valid as a whole says nothing about each of its entries: they are sent one by one, and what is wrong is refused alone. Every other
 * error of a whole call (no permission, no bus, credentials that ended) says nothing of any entry, and is thrown.
 */
export function createPutEvents(client: EventBridgeClient): PutEvents {
  return async function putEvents(entries) {
    try {
      const { Entries: results = [] } = await client.send(commandOf(entries));
      return results.map(({ ErrorCode, ErrorMessage }) => outcomeOf(ErrorCode, ErrorMessage));
    } catch (error) {
      if (!(error instanceof EventBridgeServiceException) || !OF_AN_ENTRY.has(error.name)) throw error;
      if (entries.length === 1) return [{ ok: false, code: error.name, message: error.message, permanent: true }];
    }
    const outcomes: PutEventsOutcome[] = [];
    for (const entry of entries) outcomes.push(...(await putEvents([entry]).catch(unanswered)));
    return outcomes;
  };
}

/** What arrived before it must not be sent again for its sake. */
function unanswered(error: Error): PutEventsOutcome[] {
  return [{ ok: false, code: error.name, message: error.message, permanent: false }];
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
  return code === undefined ? { ok: true } : { ok: false, code, message: message ?? '', permanent: REFUSALS.has(code) };
}
