/** What a policy can be asked about: the closed list. Roles (authorization.ts) say who may ask at all; policies say what then comes of it. */
export const POLICY_ACTIONS = ['submit', 'withoutExpiry', 'readColumn', 'autoApprove', 'approve', 'publish'] as const;
export type PolicyAction = (typeof POLICY_ACTIONS)[number];

const ACCESS = `
  requester: User,
  consumer: Domain,
  purpose: String,
  namedPurpose?: String,
  days?: Long,
  principals: Set<String>,
  accounts: Set<String>,
  permissions: Set<Permission>,
  grantTo: GrantTarget,
  tables: Set<String>,
  rowFilter: Bool,
  personalData: Bool,
  extension: Bool,
  classification: Classification,`;

/**
 * What policies can speak of, in Cedar's schema language (docs.cedarpolicy.com/schema). Policies are checked against it strictly when they
 * are drafted. Values from closed lists are enumerated entities, so that a misspelt one is found then and not never. docs/policies.md
 * explains each attribute.
 */
export const CEDAR_SCHEMA = `
entity Classification enum ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED"];
entity Permission enum ["SELECT", "DESCRIBE", "INSERT", "DELETE", "ALTER"];
entity AccessMode enum ["NRAC", "LF_TBAC"];
entity GrantTarget enum ["PRINCIPALS", "ACCOUNT"];

entity Domain;
entity User = { subject: String, admin: Bool, owns: Set<Domain>, stewards: Set<Domain>, belongsTo: Set<Domain> };
entity DataProduct in [Domain] = {
  domain: Domain,
  name: String,
  classification: Classification,
  tags: Set<String>,
  accessMode: AccessMode,
  contract?: String,
};
entity Column in [DataProduct] = {
  domain: Domain,
  product: DataProduct,
  table: String,
  name: String,
  pii: Bool,
  classification: Classification,
};

type Access = {${ACCESS}
};
action submit, withoutExpiry, autoApprove appliesTo { principal: [User], resource: [DataProduct], context: Access };
action readColumn appliesTo { principal: [User], resource: [Column], context: Access };
action approve appliesTo {
  principal: [User],
  resource: [DataProduct],
  context: {${ACCESS}
    approvals: { owners: Long, stewards: Long, total: Long },
  },
};
action publish appliesTo { principal: [User], resource: [DataProduct], context: { personalData: Bool } };
`;
