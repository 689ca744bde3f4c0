import { randomUUID } from 'node:crypto';
import { AwsError } from './service.js';
import { decodeQuery, encodeQueryError, encodeQueryResult } from './wire-query.js';

/** The wire protocols of the services here: SQS awsJson1.0; Glue and EventBridge awsJson1.1; Lake Formation and RAM restJson1; STS awsQuery. */
export type Protocol = 'json1.0' | 'json1.1' | 'rest-json' | 'query';

const PROTOCOLS: Record<string, Protocol> = {
  sqs: 'json1.0',
  glue: 'json1.1',
  events: 'json1.1',
  lakeformation: 'rest-json',
  ram: 'rest-json',
  sts: 'query',
};

/** An HTTP request as read from the socket; header names in lower case. */
export interface WireRequest {
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  /** True once the client has closed the connection. */
  isGone: () => boolean;
}

/** What the request asks, before the caller is known. */
export interface WireCall {
  protocol: Protocol;
  service: string;
  region: string;
  accessKeyId: string;
  sessionToken: string | undefined;
  operation: string;
  parameters: Record<string, unknown>;
}

export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Reads service and region from the SigV4 credential scope (IAM user guide, "Elements of an AWS API request signature"). */
export function decodeRequest(
  request: WireRequest,
  protocolOf: (service: string, request: WireRequest) => Protocol | undefined = (service) => PROTOCOLS[service],
): WireCall {
  const scope = /Credential=([^/,\s]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(
    header(request, 'authorization') ?? '',
  );
  if (!scope) throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token', 403);
  const [, accessKeyId = '', region = '', service = ''] = scope;
  const protocol = protocolOf(service, request);
  if (!protocol) throw new AwsError('UnknownOperationException', `The sandbox has no service ${service}`, 400);
  return {
    protocol,
    service,
    region,
    accessKeyId,
    sessionToken: header(request, 'x-amz-security-token'),
    ...decodeOperation(protocol, request),
  };
}

/** The protocol of a service of any AWS-shaped endpoint: where it is none of those here, the content type tells. */
export function protocolOfAny(service: string, request: Pick<WireRequest, 'headers'>): Protocol {
  const type = header(request, 'content-type') ?? '';
  if (PROTOCOLS[service]) return PROTOCOLS[service];
  if (type.includes('urlencoded')) return 'query';
  if (type.includes('x-amz-json-1.0')) return 'json1.0';
  return type.includes('x-amz-json') ? 'json1.1' : 'rest-json';
}

function decodeOperation(protocol: Protocol, request: WireRequest): Pick<WireCall, 'operation' | 'parameters'> {
  if (protocol === 'query') return decodeQuery(request.body || request.query.toString());
  const parameters = parseBody(request.body);
  if (protocol !== 'rest-json') {
    return { operation: (header(request, 'x-amz-target') ?? '').split('.').pop() ?? '', parameters };
  }
  // restJson1: the operation is the path, and members bound to the query string (RAM's deletes) join those of the body.
  return {
    operation: request.path.replaceAll('/', ''),
    parameters: { ...parameters, ...Object.fromEntries(request.query) },
  };
}

function parseBody(body: string): Record<string, unknown> {
  if (body === '') return {};
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // answered below, as AWS does for anything that is not a JSON object
  }
  throw new AwsError('SerializationException', 'Request body is not a JSON object');
}

function header(request: Pick<WireRequest, 'headers'>, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Encodes an operation's output; dates become epoch seconds in JSON and ISO 8601 in XML, as these services send them. */
export function encodeResult(
  { protocol, operation }: Pick<WireCall, 'protocol' | 'operation'>,
  output: unknown,
): WireAnswer {
  const requestId = randomUUID();
  if (protocol === 'query') return encodeQueryResult({ operation, output, requestId });
  return { status: 200, headers: jsonHeaders(protocol, requestId), body: encodeJson(output ?? {}) };
}

/** Encodes an error so that the SDK finds its name and HTTP status. */
export function encodeError(protocol: Protocol, error: AwsError): WireAnswer {
  const requestId = randomUUID();
  if (protocol === 'query') return encodeQueryError(error, requestId);
  const headers: Record<string, string> = { ...jsonHeaders(protocol, requestId), 'x-amzn-errortype': error.code };
  // SQS is awsQueryCompatible: clients of the old protocol read their error code from this header.
  if (protocol === 'json1.0')
    headers['x-amzn-query-error'] = `${error.code};${error.status < 500 ? 'Sender' : 'Receiver'}`;
  // Services disagree on the spelling of the member (Glue and Lake Formation `Message`, the others `message`).
  const body = encodeJson({ __type: error.code, message: error.message, Message: error.message, ...error.fields });
  return { status: error.status, headers, body };
}

function jsonHeaders(protocol: Protocol, requestId: string): Record<string, string> {
  const type = protocol === 'rest-json' ? 'application/json' : `application/x-amz-json-${protocol.slice(4)}`;
  return { 'content-type': type, 'x-amzn-requestid': requestId };
}

function encodeJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, encoded: unknown) {
    const original = this[key];
    return original instanceof Date ? original.getTime() / 1000 : encoded;
  });
}
