import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';

/** What keeps a text from being read as a contract; line and column count from 1, absent where the whole text is meant. */
export interface ParseProblem {
  message: string;
  line?: number;
  column?: number;
}

/** A contract's text as plain JSON. `document` is undefined exactly where there are problems. */
export interface ParsedDataContract {
  format: 'YAML' | 'JSON';
  document: unknown;
  problems: ParseProblem[];
}

/** The largest text that is read, in bytes of UTF-8. */
export const MAX_CONTRACT_BYTES = 1024 * 1024;

// Aliases can make a small text a huge document; these bounds leave every honest contract room.
const MAX_NODES = 250_000;
const MAX_DEPTH = 100;

/**
 * Reads the text of a contract, YAML 1.2 (core schema, so that dates stay texts) or JSON, into plain JSON.
 * Refused with place and reason: syntax errors, duplicate keys, several documents, tags, keys and numbers that JSON does not have,
 * texts that Postgres cannot keep, alias cycles and bombs, anything but an object, more than 1 MiB.
 */
export function parseDataContract(text: string): ParsedDataContract {
  const source = text.replace(/^\uFEFF/, '');
  const format = readsAsJson(source) ? 'JSON' : 'YAML';
  const refused = (problems: ParseProblem[]): ParsedDataContract => ({ format, document: undefined, problems });
  const bytes = Buffer.byteLength(source);
  if (bytes > MAX_CONTRACT_BYTES) {
    return refused([{ message: `The document has ${bytes} bytes; at most ${MAX_CONTRACT_BYTES} are read` }]);
  }
  const lines = new LineCounter();
  const problemAt = (message: string, offset: number | undefined): ParseProblem => {
    if (offset === undefined) return { message };
    const { line, col } = lines.linePos(offset);
    return { message, line, column: col };
  };
  try {
    const yaml = parseDocument(source, {
      version: '1.2',
      schema: 'core',
      lineCounter: lines,
      prettyErrors: false,
      // Ours below is linear in the keys; the library's compares each with each.
      uniqueKeys: false,
    });
    // What JSON.parse took is no error: YAML's own would refuse tabs that indent.
    const errors = format === 'YAML' ? [...yaml.errors, ...yaml.warnings] : [];
    if (errors.length > 0) return refused(errors.map(({ message, pos }) => problemAt(explain(message), pos[0])));
    const twice = duplicateKeys(yaml);
    if (twice.length > 0) return refused(twice.map((key) => problemAt(TWICE, key.range?.[0])));
    const reading = format === 'JSON' ? readJson(JSON.parse(source)) : readYaml(yaml);
    if (reading.problem !== undefined) return refused([problemAt(reading.problem, reading.offset)]);
    return { format, document: reading.value, problems: [] };
  } catch (error) {
    if (error instanceof RangeError) return refused([{ message: TOO_DEEP }]);
    throw error;
  }
}

const TOO_DEEP = `The document nests deeper than ${MAX_DEPTH} levels`;
const TWICE = 'The key stands twice in the same mapping';
const NO_OBJECT = 'The document must be an object (a mapping of keys such as apiVersion, kind, id)';

function readsAsJson(source: string): boolean {
  if (!/^\s*[{[]/.test(source)) return false;
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

function explain(message: string): string {
  if (message.startsWith('Source contains multiple documents'))
    return 'The text holds several documents; a contract is one';
  if (message.startsWith('Maximum call stack')) return TOO_DEEP;
  if (message.startsWith('Unresolved tag')) return `${message}: tags are not part of a contract`;
  return message;
}

/** Every key that its mapping has already, as plain JSON sees keys (`1` and "1" are one). */
function duplicateKeys(yaml: Document): Node[] {
  const twice: Node[] = [];
  visit(yaml, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const text = keyText(key.value);
        if (seen.has(text)) twice.push(key);
        seen.add(text);
      }
    },
  });
  return twice;
}

interface Reading {
  value?: unknown;
  problem?: string;
  offset?: number | undefined;
}

/** The breach that ends the reading of a document, with the node where it stands. */
class Unreadable extends Error {
  constructor(
    message: string,
    readonly node?: Node | null,
  ) {
    super(message);
  }
}

function readJson(document: unknown): Reading {
  if (Array.isArray(document)) return { problem: NO_OBJECT };
  try {
    checkJson(document, 0);
    return { value: document };
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message };
    throw error;
  }
}

function checkJson(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new Unreadable(TOO_DEEP);
  if (typeof value === 'string') checkText(value);
  if (typeof value === 'number') checkNumber(value);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value)) checkText(key);
    checkJson(member, depth + 1);
  }
}

function checkText(value: string, node?: Node): void {
  if (value.includes('\u0000')) throw new Unreadable('A text holds the character U+0000, which cannot be stored', node);
  if (/\p{Surrogate}/u.test(value))
    throw new Unreadable('A text holds half of a surrogate pair, which is no character', node);
}

function checkNumber(value: number, node?: Node): void {
  if (!Number.isFinite(value))
    throw new Unreadable(`${value} is no number that JSON has; quote it if a text is meant`, node);
}

interface Walk {
  nodes: number;
  /** What each alias names: the nearest anchor of that name before it. */
  targets: Map<Alias, Node>;
  /** The collections that the walk is inside of: an alias to one of them is a cycle. */
  within: Set<Node>;
}

function readYaml(yaml: Document): Reading {
  if (!isMap(yaml.contents)) return { problem: NO_OBJECT, offset: yaml.contents?.range?.[0] };
  try {
    return { value: plain({ nodes: 0, targets: aliasTargets(yaml), within: new Set() }, yaml.contents) };
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message, offset: error.node?.range?.[0] };
    throw error;
  }
}

function plain(walk: Walk, node: Node | null): unknown {
  walk.nodes += 1;
  if (walk.nodes > MAX_NODES)
    throw new Unreadable(`The document, its aliases written out, has more than ${MAX_NODES} values`, node);
  if (node === null) return null;
  if (isAlias(node)) return plain(walk, aliased(walk, node));
  if (isScalar(node)) return plainScalar(node.value, node);
  if (walk.within.size >= MAX_DEPTH) throw new Unreadable(TOO_DEEP, node);
  walk.within.add(node);
  const value = isMap(node)
    ? plainObject(walk, node)
    : isSeq(node)
      ? node.items.map((item) => plain(walk, item as Node | null))
      : null;
  walk.within.delete(node);
  return value;
}

function aliasTargets(yaml: Document): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(yaml, {
    Node(_, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) {
        anchors.set(node.anchor, node);
      }
    },
  });
  return targets;
}

function aliased(walk: Walk, alias: Alias): Node {
  const target = walk.targets.get(alias);
  if (target === undefined) throw new Unreadable('The alias names no anchor', alias);
  if (walk.within.has(target)) throw new Unreadable('The alias stands inside of what it names', alias);
  return target;
}

function plainScalar(value: unknown, node: Node): unknown {
  if (typeof value === 'string') checkText(value, node);
  if (typeof value === 'number') checkNumber(value, node);
  return value ?? null;
}

function plainObject(walk: Walk, map: YAMLMap): Record<string, unknown> {
  const entries = map.items.map((pair): [string, unknown] => {
    const key = pair.key as Node | null;
    if (key !== null && !isScalar(key)) throw new Unreadable('A key must be a text', key);
    const text = keyText(key?.value);
    checkText(text, key ?? undefined);
    return [text, plain(walk, pair.value as Node | null)];
  });
  // fromEntries makes `__proto__` an ordinary member.
  return Object.fromEntries(entries);
}

function keyText(value: unknown): string {
  return String(value ?? 'null');
}
