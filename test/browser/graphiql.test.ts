import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

const CATALOGUE = `query Catalogue {
  dataProducts(first: 5, search: "orders") {
    totalCount
    nodes {
      path
      status
      classification
      domain { displayName }
      contract { version }
      accessRequests(first: 1) { totalCount }
    }
  }
}
`;

const STREAM = `subscription Stream {
  meshEvents(filter: { minimumClassification: INTERNAL }) {
    sequence
    type
    occurredAt
    actor { name }
    domain { displayName }
    ... on DataProductUpdated {
      dataProduct { path }
      before
      after
    }
  }
}
`;

interface Ready {
  graphql: string;
  users: { role: string | null; token: string }[];
}

let folder: string;
let product: ChildProcess;
let ready: Ready;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgate-browser-'));
  const readyFile = join(folder, 'ready.json');
  const args = [
    'scripts/start.mjs',
    'start',
    '--port',
    '4391',
    '--data-dir',
    join(folder, 'data'),
    '--ready-file',
    readyFile,
  ];
  product = spawn(process.execPath, args, { stdio: 'ignore' });
  for (let i = 0; i < 600 && !existsSync(readyFile); i += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  ready = JSON.parse(readFileSync(readyFile, 'utf8')) as Ready;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 760 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  page = await context.newPage();
});

afterAll(async () => {
  await browser?.close();
  product?.kill('SIGTERM');
  if (product) await new Promise((resolve) => product.once('exit', resolve));
  rmSync(folder, { recursive: true, force: true });
});

const linkOf = (role: string) => `${ready.graphql}#token=${ready.users.find((user) => user.role === role)?.token}`;

/** Replaces the document in the editor and runs it, once the editor has understood it: the tab shows the operation's name. */
async function run(operation: string, text: string): Promise<void> {
  await page.locator('.graphiql-query-editor .monaco-editor, .graphiql-query-editor .CodeMirror').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  // Pasted, not typed: the editor closes braces that are typed.
  await page.evaluate((pasted) => navigator.clipboard.writeText(pasted), text);
  await page.keyboard.press('Control+V');
  await page.locator('.graphiql-tab-button', { hasText: operation }).first().waitFor();
  await page.locator('.graphiql-execute-button').click();
}

const answer = () => page.locator('.result-window').textContent();

it('opens from the printed link, offline, with the token out of the address, and shows data', async () => {
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (/^(https?|wss?):/.test(request.url()) && !request.url().startsWith(ready.graphql))
      elsewhere.push(request.url());
  });
  await page.goto(linkOf('admin'));
  await page.waitForSelector('.graphiql-execute-button');
  expect(page.url()).not.toContain('token');
  await run('Catalogue', CATALOGUE);
  await expect.poll(answer, { timeout: 15_000 }).toContain('commerce/orders');
  expect(elsewhere).toEqual([]);
});

it('streams events over WebSocket while the mesh changes', async () => {
  await page.goto(linkOf('admin'));
  await page.waitForSelector('.graphiql-execute-button');
  await run('Stream', STREAM);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const owner = ready.users.find(({ role }) => role === 'owner');
  const call = async (query: string) => {
    const response = await fetch(ready.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${owner?.token}` },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as { data: { dataProduct: { id: string } } };
  };
  const { data } = await call('{ dataProduct(by: { path: "commerce/orders" }) { id } }');
  await call(
    `mutation { updateDataProduct(input: { dataProduct: "${data.dataProduct.id}", tags: ["sales", "seen"] }) { __typename } }`,
  );
  await expect.poll(answer, { timeout: 15_000 }).toContain('DATA_PRODUCT_UPDATED');
  await expect.poll(answer).toContain('commerce/orders');
  if (process.env.MESHGATE_SCREENSHOT) await page.screenshot({ path: process.env.MESHGATE_SCREENSHOT });
});
