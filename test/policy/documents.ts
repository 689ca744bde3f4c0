import { graphql } from '../../src/generated/graphql/gql.js';

/** The requests that wait for whoever asks. */
export const Waiting = graphql(`
  query PolicyWaiting {
    accessRequests(first: 50, filter: { awaitingMyDecision: true }) { nodes { id } }
  }
`);
export const Update = graphql(`
  mutation PolicyUpdate($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
