import { graphql } from '../../src/generated/graphql/gql.js';

export const RegisterDomain = graphql(`
  mutation FaultsRegisterDomain($input: RegisterDomainInput!) {
    registerDomain(input: $input) {
      __typename
      ... on RegisterDomainPayload { domain { id } }
      ... on UserError { code message }
    }
  }
`);

export const RegisterProduct = graphql(`
  mutation FaultsRegisterProduct($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload { dataProduct { id } }
      ... on UserError { code message }
    }
  }
`);

export const PublishProduct = graphql(`
  mutation FaultsPublishProduct($input: PublishDataProductInput!) {
    publishDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const UpdateProduct = graphql(`
  mutation FaultsUpdateProduct($input: UpdateDataProductInput!) {
    updateDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const UpdateDomain = graphql(`
  mutation FaultsUpdateDomain($input: UpdateDomainInput!) {
    updateDomain(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const RetryResource = graphql(`
  mutation FaultsRetryResource($input: RetryResourceInput!) {
    retryResource(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const Explain = graphql(`
  query FaultsExplain($principal: Arn!, $dataProduct: ID!) {
    explainAccess(principal: $principal, dataProduct: $dataProduct) {
      tables { name columns { name allowed } }
    }
  }
`);

export const RetireProduct = graphql(`
  mutation FaultsRetireProduct($input: RetireDataProductInput!) {
    retireDataProduct(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const RequestAccess = graphql(`
  mutation FaultsRequestAccess($input: RequestAccessInput!) {
    requestAccess(input: $input) {
      __typename
      ... on RequestAccessPayload { accessRequest { id } }
      ... on UserError { code message }
    }
  }
`);

export const Approve = graphql(`
  mutation FaultsApprove($input: DecideAccessRequestInput!) {
    approveAccessRequest(input: $input) {
      __typename
      ... on ApproveAccessRequestPayload { accessGrant { id } }
      ... on UserError { code message }
    }
  }
`);

export const Revoke = graphql(`
  mutation FaultsRevoke($input: RevokeAccessInput!) {
    revokeAccess(input: $input) {
      __typename
      ... on RevokeAccessPayload { accessGrant { id } }
      ... on UserError { code message }
    }
  }
`);

export const Extend = graphql(`
  mutation FaultsExtend($input: ExtendAccessInput!) {
    extendAccess(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);

export const ImportContract = graphql(`
  mutation FaultsImportContract($input: ImportDataContractInput!) {
    importDataContract(input: $input) {
      __typename
      ... on ImportDataContractPayload { dataContract { id } }
      ... on UserError { code message }
    }
  }
`);

export const ActivateContract = graphql(`
  mutation FaultsActivateContract($input: ActivateDataContractInput!) {
    activateDataContract(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
