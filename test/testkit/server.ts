import { afterAll } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readConfig } from '../../src/server/config.js';
import { createLog } from '../../src/server/log.js';
import { createTestDatabase } from './database.js';

/** An API without worker and without AWS, over a database of its own and with issuers of the test's choice. */
export interface ServerOfTest {
  graphql: string;
  /** Of the owner of its own database; empty where it was given one. */
  ownerUrl: string;
}

const ROLE = 'arn:aws:iam::111122223333:role/meshgate';

/** Starts it over the wire; with a database given, beside others over the same; `environment` beside what it needs. All of it goes away after the file's tests. */
export async function serverOfTest({
  issuers,
  databaseUrl,
  environment = {},
}: {
  issuers: object[];
  databaseUrl?: string;
  /** Further variables of the environment. */
  environment?: Record<string, string>;
}): Promise<ServerOfTest> {
  const closing: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });
  const database = databaseUrl ? null : await createTestDatabase();
  if (database) closing.push(() => database.leave());
  const roles = { serve: true, work: false };
  const variables = {
    DATABASE_URL: databaseUrl ?? database?.serverUrl,
    PORT: '0',
    MESHGATE_ISSUERS: JSON.stringify(issuers),
    MESHGATE_GOVERNANCE_ACCOUNT: '111122223333',
    MESHGATE_REGION: 'eu-west-1',
    MESHGATE_GOVERNANCE_ROLE_ARN: ROLE,
    MESHGATE_DATA_ACCESS_ROLE_ARN: ROLE,
    MESHGATE_EVENT_TARGET_ROLE_ARN: ROLE,
    MESHGATE_AWS_ENDPOINT: 'http://127.0.0.1:9',
    MESHGATE_PRODUCTION: 'false',
    ...environment,
  };
  const app = await createApp({ config: readConfig(variables, roles), roles, log: createLog({ level: 'silent' }) });
  closing.push(() => app.close());
  return { graphql: `http://127.0.0.1:${await app.listen()}/graphql`, ownerUrl: database?.ownerUrl ?? '' };
}

/** An answer over HTTP. */
export interface Answer<Data> {
  status: number;
  data: Data | null;
  errors: { message: string; extensions: { code: string } }[];
}

/** Asks over HTTP with this as the Authorization header's token. */
export async function askWith<Data = Record<string, unknown>>(
  { graphql, token }: { graphql: string; token: string },
  query: string,
  variables: object = {},
): Promise<Answer<Data>> {
  const response = await fetch(graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  const { data = null, errors = [] } = text.startsWith('{') ? JSON.parse(text) : {};
  return { status: response.status, data, errors };
}
