-- CreateEnum
CREATE TYPE "PolicyScope" AS ENUM ('GLOBAL', 'DOMAIN');

-- CreateEnum
CREATE TYPE "PolicyVersionStatus" AS ENUM ('DRAFT', 'ACTIVE', 'SUPERSEDED');

-- CreateEnum
CREATE TYPE "AccessOutcome" AS ENUM ('DENIED', 'AUTO_APPROVED', 'NEEDS_APPROVAL', 'APPROVED');

-- AlterTable
ALTER TABLE "AccessRequest" ADD COLUMN     "namedPurpose" TEXT;

-- CreateTable
CREATE TABLE "Policy" (
    "id" UUID NOT NULL,
    "scope" "PolicyScope" NOT NULL,
    "domainId" UUID,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Policy_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PolicyVersion" (
    "id" UUID NOT NULL,
    "policyId" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "source" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "statements" INTEGER NOT NULL,
    "status" "PolicyVersionStatus" NOT NULL DEFAULT 'DRAFT',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "activatedAt" TIMESTAMPTZ(3),
    "activatedBy" TEXT,
    "supersededAt" TIMESTAMPTZ(3),
    "supersededBy" TEXT,

    CONSTRAINT "PolicyVersion_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AccessDecision" (
    "requestId" UUID NOT NULL,
    "outcome" "AccessOutcome" NOT NULL,
    "policyVersion" TEXT NOT NULL,
    "policies" JSONB NOT NULL,
    "reasons" TEXT[],
    "required" JSONB NOT NULL,
    "facts" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccessDecision_pkey" PRIMARY KEY ("requestId")
);

-- CreateTable
CREATE TABLE "AccessApproval" (
    "id" UUID NOT NULL,
    "requestId" UUID NOT NULL,
    "requestedBy" TEXT NOT NULL,
    "approvedBy" TEXT NOT NULL,
    "role" "DomainRole" NOT NULL,
    "asAdmin" BOOLEAN NOT NULL DEFAULT false,
    "comment" TEXT,
    "expiresAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccessApproval_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Policy_name_id_idx" ON "Policy"("name", "id");

-- CreateIndex
CREATE INDEX "Policy_domainId_idx" ON "Policy"("domainId");

-- CreateIndex
CREATE UNIQUE INDEX "PolicyVersion_policyId_number_key" ON "PolicyVersion"("policyId", "number");

-- CreateIndex
CREATE INDEX "AccessDecision_createdAt_requestId_idx" ON "AccessDecision"("createdAt", "requestId");

-- CreateIndex
CREATE UNIQUE INDEX "AccessApproval_requestId_approvedBy_key" ON "AccessApproval"("requestId", "approvedBy");

-- CreateIndex
CREATE UNIQUE INDEX "AccessRequest_id_requestedBy_key" ON "AccessRequest"("id", "requestedBy");

-- AddForeignKey
ALTER TABLE "Policy" ADD CONSTRAINT "Policy_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PolicyVersion" ADD CONSTRAINT "PolicyVersion_policyId_fkey" FOREIGN KEY ("policyId") REFERENCES "Policy"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessDecision" ADD CONSTRAINT "AccessDecision_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "AccessRequest"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessApproval" ADD CONSTRAINT "AccessApproval_requestId_requestedBy_fkey" FOREIGN KEY ("requestId", "requestedBy") REFERENCES "AccessRequest"("id", "requestedBy") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Checks: what the application breaks by mistake stops here.
ALTER TABLE "Policy"
  ADD CONSTRAINT "Policy_name_slug" CHECK ("name" ~ '^[a-z][a-z0-9-]{0,62}$'),
  ADD CONSTRAINT "Policy_scope_domain" CHECK (("scope" = 'DOMAIN') = ("domainId" IS NOT NULL));
CREATE UNIQUE INDEX "Policy_global_name" ON "Policy" ("name") WHERE "domainId" IS NULL;
CREATE UNIQUE INDEX "Policy_domain_name" ON "Policy" ("domainId", "name") WHERE "domainId" IS NOT NULL;
CREATE UNIQUE INDEX "PolicyVersion_one_active" ON "PolicyVersion" ("policyId") WHERE "status" = 'ACTIVE';
ALTER TABLE "PolicyVersion"
  ADD CONSTRAINT "PolicyVersion_number" CHECK ("number" >= 1),
  ADD CONSTRAINT "PolicyVersion_statements" CHECK ("statements" BETWEEN 1 AND 50),
  ADD CONSTRAINT "PolicyVersion_digest" CHECK ("digest" = encode(sha256(convert_to("source", 'UTF8')), 'hex')),
  ADD CONSTRAINT "PolicyVersion_activated" CHECK (("status" = 'DRAFT') = ("activatedAt" IS NULL)),
  ADD CONSTRAINT "PolicyVersion_superseded" CHECK (("status" = 'SUPERSEDED') = ("supersededAt" IS NOT NULL));
ALTER TABLE "AccessRequest"
  ADD CONSTRAINT "AccessRequest_named_purpose" CHECK ("namedPurpose" ~ '^[a-z][a-z0-9-]{0,62}$');
ALTER TABLE "AccessApproval"
  ADD CONSTRAINT "AccessApproval_nobody_approves_his_own" CHECK ("approvedBy" <> "requestedBy"),
  ADD CONSTRAINT "AccessApproval_role" CHECK ("role" IN ('OWNER', 'STEWARD'));

GRANT SELECT, INSERT, UPDATE ON "Policy", "PolicyVersion", "AccessDecision" TO meshgate_server;
GRANT SELECT, INSERT ON "AccessApproval" TO meshgate_server;

-- A text that decided something stays as it was: where a version stands may change, and nothing else of it.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a version of a policy does not change: draft another' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER "PolicyVersion_drafted_once" BEFORE UPDATE ON "PolicyVersion" FOR EACH ROW
  WHEN ((OLD."id", OLD."policyId", OLD."number", OLD."source", OLD."digest", OLD."statements", OLD."createdAt", OLD."createdBy")
    IS DISTINCT FROM (NEW."id", NEW."policyId", NEW."number", NEW."source", NEW."digest", NEW."statements", NEW."createdAt",
      NEW."createdBy")
    OR OLD."status" > NEW."status")
  EXECUTE FUNCTION refuse_rewriting();
REVOKE ALL ON FUNCTION refuse_rewriting() FROM PUBLIC;

-- The policies that come along; a company edits them like any other.
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000001', 'GLOBAL', 'open-requests', 'Whoever may ask for a domain may ask for any product, with or without an end, and read its columns; who may publish may publish.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000101', '00000000-0000-7000-8000-000000000001', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 2, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("Whoever may ask for a domain may ask for any product.")
permit (
  principal,
  action in [Action::"submit", Action::"withoutExpiry", Action::"readColumn"],
  resource
);

@reason("Owners and stewards may publish.")
permit (principal, action == Action::"publish", resource);
$policy$ AS source) shipped;
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000002', 'GLOBAL', 'public-data', 'PUBLIC data is granted at once for at most 90 days; for longer, or without an end, an owner or steward of its domain approves.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000102', '00000000-0000-7000-8000-000000000002', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 2, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("PUBLIC data is granted at once for at most 90 days.")
permit (principal, action == Action::"autoApprove", resource)
when {
  resource.classification == Classification::"PUBLIC" &&
  context has days &&
  context.days <= 90
};

@reason("PUBLIC data for more than 90 days needs one approval by an owner or steward.")
permit (principal, action == Action::"approve", resource)
when { resource.classification == Classification::"PUBLIC" && context.approvals.total >= 1 };
$policy$ AS source) shipped;
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000003', 'GLOBAL', 'internal-data', 'INTERNAL data needs one approval by an owner or steward of its domain.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000103', '00000000-0000-7000-8000-000000000003', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 1, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("INTERNAL data needs one approval by an owner or steward.")
permit (principal, action == Action::"approve", resource)
when { resource.classification == Classification::"INTERNAL" && context.approvals.total >= 1 };
$policy$ AS source) shipped;
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000004', 'GLOBAL', 'confidential-data', 'CONFIDENTIAL data needs the approval of an owner of its domain.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000104', '00000000-0000-7000-8000-000000000004', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 3, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("CONFIDENTIAL data needs the approval of an owner.")
permit (principal, action == Action::"approve", resource)
when { resource.classification == Classification::"CONFIDENTIAL" && context.approvals.owners >= 1 };

@reason("CONFIDENTIAL data needs the approval of an owner.")
forbid (principal, action == Action::"approve", resource)
when { resource.classification == Classification::"CONFIDENTIAL" && context.approvals.owners < 1 };

@reason("CONFIDENTIAL data is never granted without an approval.")
forbid (principal, action == Action::"autoApprove", resource)
when { resource.classification == Classification::"CONFIDENTIAL" };
$policy$ AS source) shipped;
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000005', 'GLOBAL', 'restricted-data', 'RESTRICTED data needs the approvals of an owner and of a steward of its domain, and an end.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000105', '00000000-0000-7000-8000-000000000005', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 4, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("RESTRICTED data needs the approvals of an owner and of a steward.")
permit (principal, action == Action::"approve", resource)
when {
  resource.classification == Classification::"RESTRICTED" &&
  context.approvals.owners >= 1 &&
  context.approvals.stewards >= 1
};

@reason("RESTRICTED data needs the approvals of an owner and of a steward.")
forbid (principal, action == Action::"approve", resource)
when {
  resource.classification == Classification::"RESTRICTED" &&
  (context.approvals.owners < 1 || context.approvals.stewards < 1)
};

@reason("RESTRICTED data is never granted without an approval.")
forbid (principal, action == Action::"autoApprove", resource)
when { resource.classification == Classification::"RESTRICTED" };

@reason("Access to RESTRICTED data needs an end.")
forbid (principal, action == Action::"withoutExpiry", resource)
when { resource.classification == Classification::"RESTRICTED" };
$policy$ AS source) shipped;
INSERT INTO "Policy" ("id", "scope", "name", "description", "createdBy") VALUES
  ('00000000-0000-7000-8000-000000000006', 'GLOBAL', 'personal-data', 'Columns with personal data are read only for a named purpose.', 'meshgate');
INSERT INTO "PolicyVersion" ("id", "policyId", "number", "source", "digest", "statements", "status", "createdBy", "activatedAt", "activatedBy")
SELECT '00000000-0000-7000-8000-000000000106', '00000000-0000-7000-8000-000000000006', 1, source, encode(sha256(convert_to(source, 'UTF8')), 'hex'), 1, 'ACTIVE', 'meshgate', now(), 'meshgate'
FROM (SELECT $policy$@reason("Columns with personal data are read only for a named purpose.")
forbid (principal, action == Action::"readColumn", resource)
when { resource.pii }
unless { context has namedPurpose };
$policy$ AS source) shipped;

-- The second wall of write_guards, for these tables too. Everybody may read here; who sees what is part of each statement.
ALTER TABLE "Policy" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Policy_read" ON "Policy" FOR SELECT TO meshgate_server USING (true);
CREATE FUNCTION writer_steers_policy_of(domain uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN writes_as_admin() OR (domain IS NOT NULL AND writer_belongs_to(domain, '{OWNER,STEWARD}'));
CREATE POLICY "Policy_by_who_steers" ON "Policy" FOR INSERT TO meshgate_server WITH CHECK (writer_steers_policy_of("domainId"));
CREATE POLICY "Policy_changed_by_who_steers" ON "Policy" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writer_steers_policy_of("domainId"));
CREATE TRIGGER "Policy_of_one_domain" BEFORE UPDATE ON "Policy" FOR EACH ROW
  WHEN ((OLD."id", OLD."scope", OLD."domainId", OLD."name") IS DISTINCT FROM (NEW."id", NEW."scope", NEW."domainId", NEW."name"))
  EXECUTE FUNCTION refuse_rewriting();
ALTER TABLE "PolicyVersion" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "PolicyVersion_read" ON "PolicyVersion" FOR SELECT TO meshgate_server USING (true);
CREATE FUNCTION domain_of_policy(policy uuid) RETURNS uuid LANGUAGE sql STABLE
  RETURN (SELECT p."domainId" FROM "Policy" p WHERE p."id" = policy);
CREATE POLICY "PolicyVersion_by_who_steers" ON "PolicyVersion" FOR INSERT TO meshgate_server
  WITH CHECK ("status" = 'DRAFT' AND "createdBy" = writing_subject() AND writer_steers_policy_of(domain_of_policy("policyId")));
CREATE POLICY "PolicyVersion_changed_by_who_steers" ON "PolicyVersion" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writer_steers_policy_of(domain_of_policy("policyId")));
ALTER TABLE "AccessApproval" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "AccessApproval_read" ON "AccessApproval" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "AccessApproval_by_who_decides" ON "AccessApproval" FOR INSERT TO meshgate_server WITH CHECK (
  "approvedBy" = writing_subject() AND ("asAdmin" = writes_as_admin()) AND EXISTS (
    SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'PENDING'
    AND writer_belongs_to(domain_of_product(q."productId"), '{OWNER,STEWARD}')));

-- The purpose by name is part of what was asked.
DROP TRIGGER "AccessRequest_asked_once" ON "AccessRequest";
CREATE TRIGGER "AccessRequest_asked_once" BEFORE UPDATE ON "AccessRequest" FOR EACH ROW
  WHEN ((OLD."id", OLD."productId", OLD."consumerDomainId", OLD."extendsId", OLD."requestedBy", OLD."principals", OLD."permissions",
      OLD."tables", OLD."columns", OLD."rowFilter", OLD."purpose", OLD."namedPurpose", OLD."accessMode", OLD."grantTo", OLD."answers",
      OLD."templateId")
    IS DISTINCT FROM (NEW."id", NEW."productId", NEW."consumerDomainId", NEW."extendsId", NEW."requestedBy", NEW."principals",
      NEW."permissions", NEW."tables", NEW."columns", NEW."rowFilter", NEW."purpose", NEW."namedPurpose", NEW."accessMode",
      NEW."grantTo", NEW."answers", NEW."templateId"))
  EXECUTE FUNCTION refuse_exchange();

-- Who steers the product's domain may ask for another end of a grant too: alone he may not be enough.
ALTER POLICY "AccessRequest_by_its_requester" ON "AccessRequest" WITH CHECK (
  writes_as_system()
  OR ("requestedBy" = writing_subject() AND "status" = 'PENDING' AND (writer_belongs_to("consumerDomainId")
    OR ("extendsId" IS NOT NULL AND writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}')))));
