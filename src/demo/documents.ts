import { graphql } from '../generated/graphql/gql.js';

export const MeshEventsDocument = graphql(`
  subscription TourEvents($after: EventCursor) {
    meshEvents(after: $after) {
      sequence
      cursor
      type
      data
      subject { id }
    }
  }
`);

export const DomainEventsDocument = graphql(`
  subscription TourDomainEvents($domain: ID!, $after: EventCursor) {
    domainEvents(domain: $domain, after: $after) {
      source
      detailType
      detail
    }
  }
`);

export const DomainEventsTold = graphql(`
  query TourDomainEventsTold {
    events(first: 2, filter: { types: [DOMAIN_EVENT_RECEIVED] }) {
      nodes { cursor domain { id name } }
    }
  }
`);

export const WhoAmI = graphql(`
  query TourWhoAmI {
    viewer {
      subject
      admin
      memberships { role domain { id name awsAccountId } }
    }
  }
`);

export const Catalogue = graphql(`
  query TourCatalogue($after: String) {
    dataProducts(first: 50, after: $after, filter: { status: [PUBLISHED], classification: [INTERNAL] }) {
      nodes {
        id
        path
        description
        accessMode
        domain { id name awsAccountId }
        contract { version sla { property value unit } }
        tables { name columns { name pii } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

export const RequestAccess = graphql(`
  mutation TourRequest($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id status } }
      ... on UserError { code message }
    }
  }
`);

export const ApproveRequest = graphql(`
  mutation TourApprove($accessRequest: ID!) {
    approveAccessRequest(input: { accessRequest: $accessRequest, comment: "Approved by the tour." }) {
      __typename
      ... on ApproveAccessRequestPayload { accessRequest { status } accessGrant { id status } }
      ... on UserError { code message }
    }
  }
`);

export const GrantById = graphql(`
  query TourGrant($id: ID!) {
    node(id: $id) {
      __typename
      ... on AccessGrant {
        status
        howToQuery { database table athenaSql }
        resources { kind account key status lastError { code message } }
      }
    }
  }
`);

export const RevokeGrant = graphql(`
  mutation TourRevoke($accessGrant: ID!) {
    revokeAccess(input: { accessGrant: $accessGrant, reason: "The tour is over." }) {
      __typename
      ... on RevokeAccessPayload { accessGrant { status } }
      ... on UserError { code message }
    }
  }
`);
