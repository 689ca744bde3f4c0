-- The policies that come along judge by the strictest of a product and of the columns that a request would open, and grant at once only
-- to read. Where another version decides meanwhile, it stays.
ALTER TABLE "PolicyVersion" DISABLE TRIGGER "PolicyVersion_drafted_once";
UPDATE "PolicyVersion" v SET "source" = shipped.source, "digest" = encode(sha256(convert_to(shipped.source, 'UTF8')), 'hex')
FROM (VALUES
  ('00000000-0000-7000-8000-000000000102'::uuid, $policy$@reason("PUBLIC data is granted at once to read for at most 90 days.")
permit (principal, action == Action::"autoApprove", resource)
when {
  context.classification == Classification::"PUBLIC" &&
  [Permission::"SELECT", Permission::"DESCRIBE"].containsAll(context.permissions) &&
  context.grantTo == GrantTarget::"PRINCIPALS" &&
  context has days &&
  context.days <= 90
};

@reason("PUBLIC data to write, for an account, or for more than 90 days needs one approval by an owner or steward.")
permit (principal, action == Action::"approve", resource)
when { context.classification == Classification::"PUBLIC" && context.approvals.total >= 1 };
$policy$),
  ('00000000-0000-7000-8000-000000000103'::uuid, $policy$@reason("INTERNAL data needs one approval by an owner or steward.")
permit (principal, action == Action::"approve", resource)
when { context.classification == Classification::"INTERNAL" && context.approvals.total >= 1 };
$policy$),
  ('00000000-0000-7000-8000-000000000104'::uuid, $policy$@reason("CONFIDENTIAL data needs the approval of an owner.")
permit (principal, action == Action::"approve", resource)
when { context.classification == Classification::"CONFIDENTIAL" && context.approvals.owners >= 1 };

@reason("CONFIDENTIAL data needs the approval of an owner.")
forbid (principal, action == Action::"approve", resource)
when { context.classification == Classification::"CONFIDENTIAL" && context.approvals.owners < 1 };

@reason("CONFIDENTIAL data is never granted without an approval.")
forbid (principal, action == Action::"autoApprove", resource)
when { context.classification == Classification::"CONFIDENTIAL" };
$policy$),
  ('00000000-0000-7000-8000-000000000105'::uuid, $policy$@reason("RESTRICTED data needs the approvals of an owner and of a steward.")
permit (principal, action == Action::"approve", resource)
when {
  context.classification == Classification::"RESTRICTED" &&
  context.approvals.owners >= 1 &&
  context.approvals.stewards >= 1
};

@reason("RESTRICTED data needs the approvals of an owner and of a steward.")
forbid (principal, action == Action::"approve", resource)
when {
  context.classification == Classification::"RESTRICTED" &&
  (context.approvals.owners < 1 || context.approvals.stewards < 1)
};

@reason("RESTRICTED data is never granted without an approval.")
forbid (principal, action == Action::"autoApprove", resource)
when { context.classification == Classification::"RESTRICTED" };

@reason("Access to RESTRICTED data needs an end.")
forbid (principal, action == Action::"withoutExpiry", resource)
when { context.classification == Classification::"RESTRICTED" };
$policy$)
) AS shipped (id, source)
WHERE v."id" = shipped.id AND v."status" = 'ACTIVE';
ALTER TABLE "PolicyVersion" ENABLE TRIGGER "PolicyVersion_drafted_once";
UPDATE "Policy" SET "description" = 'PUBLIC data is granted at once to read, by named principals, for at most 90 days; else an owner or steward of its domain approves.'
WHERE "id" = '00000000-0000-7000-8000-000000000002'
  AND EXISTS (SELECT FROM "PolicyVersion" v WHERE v."id" = '00000000-0000-7000-8000-000000000102' AND v."status" = 'ACTIVE');

-- What was judged when it was asked stays as it was; only what the policies say to it moves on.
REVOKE UPDATE ON "AccessDecision" FROM meshgate_server;
GRANT UPDATE ("outcome", "policyVersion", "policies", "reasons", "required", "updatedAt") ON "AccessDecision" TO meshgate_server;

-- People approve: no machine, nor for one who registered it. Else one owner were two.
ALTER POLICY "AccessApproval_by_who_decides" ON "AccessApproval" WITH CHECK (
  "approvedBy" = writing_subject() AND ("asAdmin" = writes_as_admin())
  AND NOT EXISTS (
    SELECT FROM "ServiceAccount" s WHERE s."subject" = "AccessApproval"."approvedBy" AND s."removedAt" IS NULL
    OR s."subject" = "AccessApproval"."requestedBy" AND s."createdBy" = "AccessApproval"."approvedBy")
  AND EXISTS (
    SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'PENDING'
    AND writer_belongs_to(domain_of_product(q."productId"), '{OWNER,STEWARD}')));
