/** What a client sends to be refused. */
export interface Attack {
  name: string;
  query: string;
  variables?: unknown;
}

export const many = (count: number, text: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => text(n)).join(' ');

/** Objects within one another. */
export function deepJson(depth: number): unknown {
  let value: unknown = 'x';
  for (let level = 0; level < depth; level += 1) value = { in: value };
  return value;
}

const product = (inside: string): string => `{ dataProduct(by: { path: "sales/orders" }) { ${inside} } }`;
const resource = (inside: string): string => `{ resources(first: 1) { nodes { ${inside} } } }`;
const pattern = (value: unknown): Omit<Attack, 'name'> => ({
  query: 'query ($p: JSON!) { testEventPattern(domain: "d", pattern: $p, first: 1) { examined } }',
  variables: { p: value },
});
const filter = (value: object): Omit<Attack, 'name'> => ({
  query: 'query ($f: DataProductFilter) { dataProducts(first: 1, filter: $f) { nodes { name } } }',
  variables: { f: value },
});

const misspelt = (count: number, value: () => unknown): object =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`statu${n}`, value()]));

/** On Meshgate's own schema, each at what takes the most work before it is known to be too much. */
export const attacksOnMeshgate: Attack[] = [
  { name: 'more than 1,000 tokens', query: product('name '.repeat(1_001)) },
  { name: '12 levels', query: resource(`${'dependsOn { '.repeat(11)} kind ${'}'.repeat(11)}`) },
  { name: '16 aliases', query: product(many(16, (n) => `a${n}: name`)) },
  { name: '9 directives', query: product('name @skip(if: false) '.repeat(9)) },
  { name: '301 fields', query: product('name '.repeat(301)) },
  { name: '310 fields in fragments without a name', query: product('... { name path } '.repeat(155)) },
  {
    name: '320 fields in fragments side by side',
    query: `${product(many(80, (n) => `...F${n}`))} ${many(80, (n) => `fragment F${n} on DataProduct { id name path status }`)}`,
  },
  { name: '290 fields that there are not', query: `{ ${many(290, (n) => `dataProducts${n}`)} }` },
  {
    name: 'a cycle of fragments',
    query: `${resource('...A')} fragment A on Resource { dependsOn { ...B } } fragment B on Resource { dependsOn { ...A } }`,
  },
  {
    name: 'fragments that double fifty times',
    query: `${resource('...F0')} ${many(50, (n) => `fragment F${n} on Resource { dependsOn { ...F${n + 1} } dependsOn { ...F${n + 1} } }`)} fragment F50 on Resource { kind }`,
  },
  {
    name: 'pages of pages',
    query: '{ dataProducts(first: 100) { nodes { accessRequests(first: 100) { nodes { id } } } } }',
  },
  { name: 'lists in lists', query: resource(`${'dependsOn { '.repeat(4)} kind ${'}'.repeat(4)}`) },
  { name: 'a hundred plans', query: '{ accessRequests(first: 100) { nodes { plan { digest } } } }' },
  {
    name: 'a page of 101 by a variable',
    query: 'query ($n: Int!) { dataProducts(first: $n) { nodes { name } } }',
    variables: { n: 101 },
  },
  { name: 'variables of 5,000 levels', ...pattern(deepJson(5_000)) },
  { name: '50,001 values', ...pattern(Array(40).fill(Array(1_300).fill(1))) },
  { name: 'NUL in a variable', ...pattern({ source: ['a\u0000'] }) },
  { name: '2,000 misspelt values', ...filter({ status: Array(2_000).fill('PUBLISHD') }) },
  {
    name: '2,000 misspelt names',
    ...filter(misspelt(2_000, () => 1)),
  },
  { name: '2,000 misspelt names with texts', ...filter(misspelt(2_000, () => 'x'.repeat(450))) },
  { name: '20,000 misspelt names', ...filter(misspelt(20_000, () => 1)) },
  {
    name: 'a misspelt name for a text of 900,000 characters',
    query: `{ dataProduct(by: { pat: "${'x'.repeat(900_000)}" }) { id } }`,
  },
  {
    name: 'an introspection in circles',
    query: `{ __schema { types { ${'fields { type { '.repeat(5)} name ${'} }'.repeat(5)} } } }`,
  },
];
