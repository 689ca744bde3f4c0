import { type EventBridgeClient, EventBridgeServiceException, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { PutEvents, PutEventsOutcome } from '../events/put-events.js';

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

/** Sends entries with the client of the governance account. Results are matched by index, as AWS gives them. */
export function createPutEvents(client: EventBridgeClient): PutEvents {
  return async (entries) => {
    const command = new PutEventsCommand({
      Entries: entries.map(({ bus, source, detailType, detail, resources, time }) => ({
        EventBusName: bus,
        Source: source,
        DetailType: detailType,
        Detail: detail,
        Resources: resources,
        Time: time,
      })),
    });
    try {
      const { Entries: results = [] } = await client.send(command);
      return results.map(({ ErrorCode, ErrorMessage }) => outcomeOf(ErrorCode, ErrorMessage));
    } catch (error) {
      if (!(error instanceof EventBridgeServiceException)) throw error;
      return entries.map(() => outcomeOf(error.name, error.message));
    }
  };
}

function outcomeOf(code: string | undefined, message: string | undefined): PutEventsOutcome {
  return code === undefined ? { ok: true } : { ok: false, code, message: message ?? '', permanent: REFUSALS.has(code) };
}
