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
  // Of the request as a whole (API_PutEvents and Common Errors).
  'ValidationException',
  'ResourceNotFoundException',
]);

/**
 * Sends entries with the client of the governance account. Results are matched by index, as AWS gives them. A request that is not
 * valid as a whole says nothing about each of its entries: they are sent one by one, and what is wrong is refused alone.
 */
export function createPutEvents(client: EventBridgeClient): PutEvents {
  return async function putEvents(entries) {
    try {
      const { Entries: results = [] } = await client.send(commandOf(entries));
      return results.map(({ ErrorCode, ErrorMessage }) => outcomeOf(ErrorCode, ErrorMessage));
    } catch (error) {
      if (!(error instanceof EventBridgeServiceException)) throw error;
      if (error.name !== 'ValidationException' || entries.length === 1)
        return entries.map(() => outcomeOf(error.name, error.message));
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
