import type { AwsError } from './service.js';
import type { WireAnswer } from './wire.js';

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

/** Decodes an AWS Query body (`Action=AssumeRole&Tags.member.1.Key=a`) into operation and nested parameters. */
export function decodeQuery(body: string): { operation: string; parameters: Record<string, unknown> } {
  const { Action: operation = '', Version: _version, ...flat } = Object.fromEntries(new URLSearchParams(body));
  const tree: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(flat)) {
    const parts = name.split('.');
    const leaf = parts.pop()!;
    let node = tree;
    for (const part of parts) {
      const next = node[part];
      node[part] = typeof next === 'object' && next !== null ? next : Object.create(null);
      node = node[part] as Record<string, unknown>;
    }
    node[leaf] = value;
  }
  return { operation, parameters: listsOf(tree) as Record<string, unknown> };
}

/** A node whose only child is `member` is a list, numbered from 1. */
function listsOf(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node);
  if (entries.length === 1 && entries[0]![0] === 'member') {
    const members = entries[0]![1] as Record<string, unknown>;
    return Object.keys(members)
      .sort((a, b) => Number(a) - Number(b))
      .map((index) => listsOf(members[index]));
  }
  return Object.fromEntries(entries.map(([name, value]) => [name, listsOf(value)]));
}

/** `<XResponse><XResult>...</XResult><ResponseMetadata>`, the frame of every AWS Query answer. */
export function encodeQueryResult(answer: { operation: string; output: unknown; requestId: string }): WireAnswer {
  const { operation, output, requestId } = answer;
  const body =
    `<${operation}Response xmlns="${NAMESPACE}"><${operation}Result>${xmlOf(output)}</${operation}Result>` +
    `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${operation}Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId }, body };
}

/** `<ErrorResponse>` with Type, Code and Message. */
export function encodeQueryError(error: AwsError, requestId: string): WireAnswer {
  const type = error.status < 500 ? 'Sender' : 'Receiver';
  const body =
    `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>${type}</Type><Code>${escapeXml(error.code)}</Code>` +
    `<Message>${escapeXml(error.message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
  return { status: error.status, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId }, body };
}

function xmlOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((member) => `<member>${xmlOf(member)}</member>`).join('');
  if (typeof value !== 'object') return escapeXml(String(value));
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `<${name}>${xmlOf(member)}</${name}>`)
    .join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
