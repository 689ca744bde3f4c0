import { isNotFound } from './errors.js';

/** Where calls are logged; pino fits. */
export interface CallLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What happens around each call of a session's clients. */
export interface CallWatch {
  log: CallLog;
  /** Asks for leave: throws where the lane's lease would not outlast the request. */
  beforeCall: () => Promise<void>;
  /** Drops the session's credentials, as AWS no longer takes them: the next call gets new ones. null: there are no others. */
  forget: (() => void) | null;
  /** Account, region, run: in each line. Parameters are not logged. */
  fields: Record<string, unknown>;
  /** The requests that led to the call at hand. */
  correlationIds?: (() => string[]) | undefined;
}

/** The parts of the SDK's middleware that are used here, the same for all clients. */
interface Answer {
  response: unknown;
  output: { $metadata?: { requestId?: string | undefined } };
}
type Next = (args: { input: object }) => Promise<Answer>;
interface Context {
  clientName?: string;
  commandName?: string;
}
interface Stack {
  add(
    middleware: (next: Next, context: Context) => Next,
    options: { step: 'initialize'; name: string; priority: 'high' },
  ): void;
}

const READS = /^(Get|List|Describe|Receive)/;
const EXPIRED = /^(ExpiredToken|UnrecognizedClient|InvalidClientTokenId|RequestExpired)/;

/** Makes a client ask for leave before each call and log what came of it, outside of everything that the SDK does. */
export function watchCalls<T extends { middlewareStack: object }>(client: T, watch: CallWatch): T {
  (client.middlewareStack as Stack).add(
    (next, context) => async (args) => {
      const call = async () => {
        await watch.beforeCall();
        return logged(watch, context, () => next(args));
      };
      return call().catch((error: unknown) => {
        // Refused before it was looked at: with new credentials it is tried once more.
        if (watch.forget && isExpired(error)) return call();
        throw error;
      });
    },
    { step: 'initialize', name: 'meshgateCallWatch', priority: 'high' },
  );
  return client;
}

function isExpired(error: unknown): boolean {
  return error instanceof Error && EXPIRED.test(error.name);
}

async function logged(watch: CallWatch, context: Context, call: () => Promise<Answer>): Promise<Answer> {
  const operation = context.commandName?.replace(/Command$/, '') ?? '';
  const service = context.clientName?.replace(/Client$/, '') ?? '';
  const startedAt = performance.now();
  const correlationIds = watch.correlationIds?.() ?? [];
  const fields = () => {
    const ms = Math.round(performance.now() - startedAt);
    return { ...watch.fields, correlationIds, service, operation, ms };
  };
  try {
    const answer = await call();
    const level = READS.test(operation) ? 'debug' : 'info';
    watch.log[level]({ ...fields(), awsRequestId: answer.output.$metadata?.requestId ?? null }, 'AWS call');
    return answer;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { requestId?: string } };
    if (isExpired(error)) watch.forget?.();
    // To look for what is not there yet is the ordinary way of finding that out.
    const level = READS.test(operation) && isNotFound(error) ? 'debug' : 'warn';
    watch.log[level](
      { ...fields(), awsRequestId: $metadata?.requestId ?? null, error: name, message },
      'AWS call failed',
    );
    throw error;
  }
}
