import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../src/generated/graphql/gql.js';
import { inTransaction } from '../src/governance/transaction.js';
import { ADMIN, OUTSIDER, ownerOf, registerDomain, registerProduct, requestAccess } from './testkit/catalogue.js';
import { type ApiOfTest, openApi, type Person } from './testkit/execute.js';

const Comment = graphql(`
  mutation TalkComment($input: CommentAccessRequestInput!) {
    commentAccessRequest(input: $input) {
      __typename
      ... on CommentAccessRequestPayload { accessRequest { id comments(first: 10) { nodes { author text } } } }
      ... on ValidationError { path message }
      ... on UserError { code }
    }
  }
`);
const Talk = graphql(`
  query TalkRead($id: ID!, $first: Int!, $after: String) {
    node(id: $id) {
      ... on AccessRequest {
        comments(first: $first, after: $after) { totalCount nodes { author at text } pageInfo { hasNextPage endCursor } }
      }
    }
  }
`);

let api: ApiOfTest;
let request: string;
const asker: Person = ownerOf('finance');
const decider: Person = ownerOf('commerce');

beforeAll(async () => {
  api = await openApi();
  const commerce = await registerDomain(api, 'commerce', '2');
  const finance = await registerDomain(api, 'finance', '3');
  const dataProduct = await registerProduct(api, {
    domain: 'commerce',
    domainId: commerce,
    name: 'orders',
    status: 'PUBLISHED',
  });
  const principals = ['arn:aws:iam::333333333333:role/analysts'];
  request = await requestAccess(api, asker, { dataProduct, consumerDomain: finance, principals, purpose: 'Audit' });
});
afterAll(() => api.close());

const comment = async (person: Person, text: string, more: { idempotencyKey?: string } = {}) =>
  (await api.as(person)(Comment, { input: { accessRequest: request, text, ...more } })).commentAccessRequest;
const talk = async (person: Person, page: { first: number; after?: string } = { first: 10 }) => {
  const { node } = await api.as(person)(Talk, { id: request, ...page });
  return node && 'comments' in node ? node.comments : null;
};

test('who sees a request talks about it, and what was said is read oldest first, page by page, in one statement', async () => {
  await comment(decider, 'Which months do you need?');
  const answer = await comment(asker, 'All of last year.', { idempotencyKey: 'once' });
  expect(await comment(asker, 'All of last year.', { idempotencyKey: 'once' })).toEqual(answer);
  expect(answer).toMatchObject({
    __typename: 'CommentAccessRequestPayload',
    accessRequest: {
      comments: {
        nodes: [
          { author: decider.subject, text: 'Which months do you need?' },
          { author: asker.subject, text: 'All of last year.' },
        ],
      },
    },
  });
  api.statements();
  const first = await talk(asker, { first: 1 });
  expect(api.statements()).toHaveLength(1);
  expect(first).toMatchObject({ totalCount: 2, nodes: [{ author: decider.subject }], pageInfo: { hasNextPage: true } });
  const second = await talk(ADMIN, { first: 1, after: first?.pageInfo.endCursor ?? '' });
  expect(second).toMatchObject({ nodes: [{ author: asker.subject }], pageInfo: { hasNextPage: false } });
});

test('who does not see a request neither reads nor writes comments', async () => {
  const before = (await talk(ADMIN))?.totalCount;
  expect(await comment(OUTSIDER, 'Let me in')).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
  expect(await talk(OUTSIDER)).toBeNull();
  expect((await talk(ADMIN))?.totalCount).toBe(before);
});

test('an empty comment and one that is too long are refused', async () => {
  for (const text of ['  ', 'x'.repeat(2_001)])
    expect(await comment(asker, text)).toMatchObject({ __typename: 'ValidationError', path: 'text' });
});

test('the event says who commented on what, and not what', async () => {
  await comment(decider, 'Between you and me: the margins are wrong');
  const events = await api.query<{
    data: Record<string, unknown>;
    audiencePublic: boolean;
    audienceSubjects: string[];
  }>(
    `SELECT "data", "audiencePublic", "audienceSubjects" FROM "EventPending" WHERE "type" = 'AccessRequestCommented' ORDER BY "position" DESC`,
  );
  expect(events[0]).toMatchObject({
    data: { accessRequest: request, commentedBy: decider.subject },
    audiencePublic: false,
    audienceSubjects: [asker.subject],
  });
  expect(JSON.stringify(events)).not.toContain('margins');
});

test("Postgres takes no comment in another's name, nor one of an outsider, and lets none be changed", async () => {
  const [{ id } = { id: '' }] = await api.query<{ id: string }>('SELECT "id" FROM "AccessRequest"');
  const write = (author: string, writer: string) =>
    api.query(
      `WITH who AS MATERIALIZED (SELECT set_config('meshgate.subject', $1, true), set_config('meshgate.authority', 'MEMBER', true))
       INSERT INTO "AccessRequestComment" ("id", "requestId", "author", "text") SELECT gen_random_uuid(), $2, $3, 'psst' FROM who`,
      [writer, id, author],
    );
  await write(asker.subject, asker.subject);
  await expect(write(decider.subject, asker.subject)).rejects.toThrow('row-level security');
  await expect(write(OUTSIDER.subject, OUTSIDER.subject)).rejects.toThrow('row-level security');
  for (const sql of [`UPDATE "AccessRequestComment" SET "text" = 'other'`, 'DELETE FROM "AccessRequestComment"'])
    await expect(api.query(sql)).rejects.toThrow('permission denied');
});

test('a request takes 500 comments', async () => {
  const count = async () => (await talk(ADMIN))?.totalCount ?? 0;
  const ctx = await api.contextOf(asker);
  const [{ id } = { id: '' }] = await api.query<{ id: string }>('SELECT "id" FROM "AccessRequest"');
  await inTransaction(ctx.db, async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.subject', ${asker.subject}, true)`;
    const missing = 499 - (await tx.accessRequestComment.count());
    const data = Array.from({ length: missing }, (_, index) => ({
      requestId: id,
      author: asker.subject,
      text: `${index}`,
    }));
    await tx.accessRequestComment.createMany({ data });
  });
  expect(await comment(asker, 'The last one')).toMatchObject({ __typename: 'CommentAccessRequestPayload' });
  expect(await comment(asker, 'One more')).toMatchObject({ __typename: 'ConflictError' });
  expect(await count()).toBe(500);
});
