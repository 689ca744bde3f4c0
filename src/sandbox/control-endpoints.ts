/** How control endpoints are asked and answered, and those that the sandbox shares with the fault proxy. */
import type { Faults } from './faults.js';
import type { LineLog } from './line-log.js';
import type { State } from './state.js';

/** The answer of a control endpoint; `json` is ready text where a log is passed through unparsed. */
export type ControlAnswer = { status: number; body: unknown } | { status: number; json: string };

/** A request below /_sandbox; `path` is what follows. */
export interface ControlRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Buffer;
}

/** One endpoint; `control` is what it steers. */
export type Endpoint<Control> = (control: Control, request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;

/** What the shared endpoints steer. */
export interface Faulty {
  state: State;
  faults: Faults;
  calls: LineLog;
}

/** A request that the caller must correct; answered as HTTP 400. */
export class BadRequest extends Error {}

/** The most rows that an answer holds where the caller names no limit. */
export const MAX_ROWS = 10_000;

/** Faults and the call log. */
export const FAULT_ENDPOINTS: Record<string, Endpoint<Faulty>> = {
  'GET /health': () => ok({ ok: true }),
  'GET /calls': ({ calls }, { query }) =>
    logText(calls.read(number(query, 'after', 0), number(query, 'limit', MAX_ROWS))),
  'GET /faults': ({ faults }) => ok(faults.list()),
  'POST /faults': ({ faults }, request) => {
    const added = faults.add(json(request));
    if (typeof added === 'string') throw new BadRequest(added);
    return ok(added);
  },
  'DELETE /faults': ({ faults }) => {
    faults.clear();
    return ok([]);
  },
};

/** Answers by the endpoint of this method and path, or the one for everything below the first part. Malformed requests get 400 with `{ error }`. */
export async function answerBy<Control extends Faulty>(
  endpoints: Record<string, Endpoint<Control>>,
  control: Control,
  request: ControlRequest,
): Promise<ControlAnswer> {
  const { method, path } = request;
  const below = `${method} /${path.split('/')[1]}/*`;
  const endpoint = endpoints[`${method} ${path}`] ?? endpoints[below];
  if (!endpoint) return { status: 404, body: { error: `no such endpoint: ${method} /_sandbox${path}` } };
  try {
    const answer = await endpoint(control, request);
    control.state.flush();
    return answer;
  } catch (error) {
    if (error instanceof BadRequest) return { status: 400, body: { error: error.message } };
    throw error;
  }
}

/** HTTP 200 with this body. */
export function ok(body: unknown): ControlAnswer {
  return { status: 200, body };
}

/** Lines of a log as a JSON list. */
export function logText(lines: string[]): ControlAnswer {
  return { status: 200, json: `[${lines.join(',\n')}]` };
}

/** The body as JSON; undefined where it is empty. */
export function json({ body }: ControlRequest): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new BadRequest('the body is not valid JSON');
  }
}

/** A whole number of the query string. */
export function number(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new BadRequest(`${name} must be a whole number`);
}

/** The value as an object. */
export function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new BadRequest('the body must be a JSON object');
}
