import { logCall } from './call-log.js';
import { type Faults, underVerdict, type Verdict } from './faults.js';
import type { LineLog } from './line-log.js';
import { splitBatch } from './partial.js';
import { AwsError, type Call, type Operation, type Service, type World } from './service.js';
import type { State } from './state.js';
import { type Identity, identify } from './sts.js';
import {
  decodeRequest,
  encodeError,
  encodeResult,
  type Protocol,
  type WireAnswer,
  type WireCall,
  type WireRequest,
} from './wire.js';

/** What answering a call needs. */
export interface Front {
  world: World;
  state: State;
  services: Record<string, Service>;
  faults: Faults;
  calls: LineLog;
  log: (message: string, detail: Record<string, unknown>) => void;
  /** Hears of every call and its answer, once it has been done. */
  observe?: (call: Observed) => void;
}

/** A call and its answer as they went over the wire. */
export type Observed = Pick<WireCall, 'protocol' | 'service' | 'operation' | 'parameters'> & { answer: WireAnswer };

/** What became of a call: an answer to send, or `cut` where a fault wants the connection cut. */
export type Outcome = { answer: WireAnswer } | { cut: true };

/** Decodes, identifies, applies faults, runs, logs and encodes one AWS request. */
export async function answerAwsRequest(front: Front, request: WireRequest): Promise<Outcome> {
  let wire: WireCall;
  try {
    wire = decodeRequest(request);
  } catch (error) {
    return { answer: encodeError(guessProtocol(request), asAwsError(front, error)) };
  }
  let identity: Identity | undefined;
  try {
    identity = identify(front.world, wire);
    const { operation, run } = findOperation(front.services, wire);
    const { service, region, parameters } = wire;
    const call: Call = { ...identity, region, service, operation, parameters, isGone: request.isGone };
    return await runUnderFaults(front, { wire: { ...wire, operation }, call, run });
  } catch (error) {
    const refused = wordedFor(wire.protocol, asAwsError(front, error));
    record(front, { wire, identity, status: refused.status, error: refused.code });
    return { answer: encodeError(wire.protocol, refused) };
  }
}

/** Runs one call as if it had come over the wire, without faults but with the log; for changes made out of band. */
export async function runOutOfBand(front: Front, call: Call): Promise<unknown> {
  const { operation, run } = findOperation(front.services, call);
  const named = { ...call, operation };
  const logged = { wire: named, identity: named };
  try {
    const output = await run(named, front.world);
    front.state.flush();
    record(front, { ...logged, status: 200, error: null });
    return output;
  } catch (error) {
    const known = asAwsError(front, error);
    record(front, { ...logged, status: known.status, error: known.code });
    throw known;
  }
}

/** Operation names are found whatever their case: RAM's paths are in lower case. */
export function findOperation(
  services: Record<string, Service>,
  { service, operation }: Pick<Call, 'service' | 'operation'>,
): { operation: string; run: Operation } {
  const known = services[service] ?? {};
  const name = Object.hasOwn(known, operation)
    ? operation
    : Object.keys(known).find((candidate) => candidate.toLowerCase() === operation.toLowerCase());
  const run = name === undefined ? undefined : known[name];
  if (name === undefined || !run) {
    throw new AwsError('UnknownOperationException', `The sandbox has no operation ${operation} of ${service}`, 400);
  }
  return { operation: name, run };
}

async function runUnderFaults(front: Front, given: { wire: WireCall; call: Call; run: Operation }): Promise<Outcome> {
  const { wire, call, run } = given;
  const verdict = front.faults.judge(call);
  const logged = { wire, identity: call };
  const result = await underVerdict(verdict, {
    act: async (): Promise<Done> =>
      verdict.error ? { error: verdict.error } : runOnce(front, { call, run }, verdict.failsEntry),
    onCut: () => {
      front.state.flush();
      record(front, { ...logged, status: 0, error: 'ConnectionCut' });
    },
  });
  front.state.flush();
  if (!result) return { cut: true };
  const answer = result.error ? encodeError(wire.protocol, result.error) : encodeResult(wire, result.output);
  record(front, { ...logged, status: answer.status, error: result.error?.code ?? null });
  front.observe?.({ ...wire, answer });
  return { answer };
}

type Done = { output?: unknown; error?: AwsError };

/** Runs the call, or what a `partial` fault leaves of a batch. */
async function runOnce(
  { world, ...front }: Front,
  { call, run }: { call: Call; run: Operation },
  failsEntry: Verdict['failsEntry'],
): Promise<Done> {
  try {
    const split = splitBatch(call, failsEntry);
    if (!split) return { output: await run(call, world) };
    const { parameters, complete } = split;
    const sent = parameters ? await run({ ...call, parameters }, world) : {};
    return { output: complete(sent as Record<string, unknown>) };
  } catch (error) {
    return { error: asAwsError(front, error) };
  }
}

function record(
  { calls, world }: Front,
  entry: {
    wire: Pick<WireCall, 'service' | 'operation' | 'parameters'>;
    identity: Identity | undefined;
    status: number;
    error: string | null;
  },
): void {
  const { wire, identity, status, error } = entry;
  logCall(calls, {
    at: world.now().toISOString(),
    account: identity?.account ?? '',
    principal: identity?.principal ?? '',
    session: identity?.session ?? null,
    service: wire.service,
    operation: wire.operation,
    parameters: wire.parameters,
    status,
    error,
  });
}

/** The query services and SQS name credential errors otherwise, and awsJson1.1 answers them with 400. */
function wordedFor(protocol: Protocol, error: AwsError): AwsError {
  const isQuery = protocol === 'query' || protocol === 'json1.0';
  if (error.code === 'UnrecognizedClientException') {
    return new AwsError(
      isQuery ? 'InvalidClientTokenId' : error.code,
      error.message,
      protocol === 'json1.1' ? 400 : 403,
    );
  }
  if (error.code === 'ExpiredTokenException') {
    return new AwsError(isQuery ? 'ExpiredToken' : error.code, error.message, protocol === 'json1.1' ? 400 : 403);
  }
  return error;
}

function guessProtocol({ headers }: WireRequest): Protocol {
  return String(headers['content-type'] ?? '').includes('urlencoded') ? 'query' : 'json1.1';
}

function asAwsError({ log }: Pick<Front, 'log'>, error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  log('sandbox operation failed unexpectedly', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return new AwsError('InternalFailure', 'The request processing has failed because of an unknown error.', 500);
}
