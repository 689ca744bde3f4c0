import ts from 'typescript';

const TESTS = new Set(['test', 'it']);
/** What keeps a test from running, or from counting where it fails. */
const OFF = new Set(['skip', 'todo', 'skipIf', 'runIf', 'fails']);

/** A call that makes a test or a group of tests. */
interface Made {
  isTest: boolean;
  runs: boolean;
  /** As it is written and, of a table, for each row as far as it is written out. */
  titles: string[];
}

/** The titles of a file's tests that run, and of the groups that these stand in. What a loop makes up is not known. */
export function testTitlesOf(source: string): Set<string> {
  const file = ts.createSourceFile('a.test.ts', source, ts.ScriptTarget.Latest);
  const tables = new Map<string, ts.Expression>();
  const found = new Set<string>();

  function findTables(node: ts.Node): void {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer)
      tables.set(node.name.text, node.initializer);
    ts.forEachChild(node, findTables);
  }
  function visit(node: ts.Node, around: readonly string[]): void {
    const made = ts.isCallExpression(node) ? madeBy(node, { file, tables }) : undefined;
    if (!made) ts.forEachChild(node, (child) => visit(child, around));
    if (!made?.runs) return;
    const titles = [...around, ...made.titles];
    if (made.isTest) for (const title of titles) found.add(title);
    else for (const argument of (node as ts.CallExpression).arguments) visit(argument, titles);
  }
  findTables(file);
  visit(file, []);
  return found;
}

interface Source {
  file: ts.SourceFile;
  /** What variables are set to. */
  tables: ReadonlyMap<string, ts.Expression>;
}

/** `test('...')`, `describe.each([...])('...')` and the like; undefined for any other call. */
function madeBy(call: ts.CallExpression, source: Source): Made | undefined {
  const modifiers: string[] = [];
  let table: ts.Expression | undefined;
  let callee: ts.Expression = call.expression;
  if (ts.isCallExpression(callee)) {
    [table] = callee.arguments;
    callee = callee.expression;
  }
  while (ts.isPropertyAccessExpression(callee)) {
    modifiers.push(callee.name.text);
    callee = callee.expression;
  }
  if (!ts.isIdentifier(callee) || !(callee.text === 'describe' || TESTS.has(callee.text))) return undefined;
  const [name, ...rest] = call.arguments;
  // The table itself, `test.each([...])`, makes nothing before it is called with a title.
  const title = name && titleOf(name, source.file);
  if (title === undefined) return undefined;
  const runs = !modifiers.some((one) => OFF.has(one)) && !rest.some(isOff);
  const rows = rowsOf(table, source.tables).map((row) => filled(title, row));
  return { isTest: TESTS.has(callee.text), runs, titles: [title, ...rows] };
}

function titleOf(node: ts.Expression, file: ts.SourceFile): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.getText(file).slice(1, -1) : undefined;
}

/** `{ skip: true }`, or a test that skips itself: `context.skip()`, `({ skip }) => skip()`. */
function isOff(argument: ts.Expression): boolean {
  if (ts.isObjectLiteralExpression(argument))
    return argument.properties.some(({ name }) => name && ts.isIdentifier(name) && OFF.has(name.text));
  if (!ts.isArrowFunction(argument) && !ts.isFunctionExpression(argument)) return false;
  const skips = (node: ts.Node): boolean => {
    const callee = ts.isCallExpression(node) ? node.expression : undefined;
    const name = callee && ts.isPropertyAccessExpression(callee) ? callee.name : callee;
    if (name && ts.isIdentifier(name) && name.text === 'skip') return true;
    return ts.forEachChild(node, skips) ?? false;
  };
  return skips(argument.body);
}

/** The rows of a table, each with its texts; undefined stands for what is no text. */
function rowsOf(table: ts.Expression | undefined, tables: Source['tables']): (string | undefined)[][] {
  if (table && (ts.isAsExpression(table) || ts.isSatisfiesExpression(table))) return rowsOf(table.expression, tables);
  // By its name once: one that is set to another is none that can be read.
  if (table && ts.isIdentifier(table)) return rowsOf(tables.get(table.text), new Map());
  if (!table || !ts.isArrayLiteralExpression(table)) return [];
  const text = (node: ts.Expression) => (ts.isStringLiteralLike(node) ? node.text : undefined);
  return table.elements.map((row) => (ts.isArrayLiteralExpression(row) ? row.elements.map(text) : [text(row)]));
}

/** The title of a row: its texts in the place of the marks. */
function filled(title: string, row: (string | undefined)[]): string {
  let next = 0;
  return title.replace(/%[sdifjo]/g, (mark) => {
    const text = row[next];
    next += 1;
    return text ?? mark;
  });
}
