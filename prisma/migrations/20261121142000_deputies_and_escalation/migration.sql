-- CreateEnum
CREATE TYPE "EscalationStep" AS ENUM ('OWNERS', 'ADMINS');

-- AlterTable
ALTER TABLE "AccessRequest" ADD COLUMN     "decidedFor" TEXT,
ADD COLUMN     "escalatedAt" TIMESTAMPTZ(3),
ADD COLUMN     "escalatedTo" "EscalationStep",
ADD COLUMN     "remindedAt" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "Domain" ADD COLUMN     "escalateAfter" TEXT DEFAULT 'P5D',
ADD COLUMN     "remindAfter" TEXT DEFAULT 'P2D';

-- AlterTable
ALTER TABLE "AccessApproval" ADD COLUMN     "approvedFor" TEXT;

-- CreateTable
CREATE TABLE "Deputy" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "standsInFor" TEXT NOT NULL,
    "deputy" TEXT NOT NULL,
    "from" TIMESTAMPTZ(3) NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "endedAt" TIMESTAMPTZ(3),
    "endedBy" TEXT,

    CONSTRAINT "Deputy_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Deputy_domainId_from_id_idx" ON "Deputy"("domainId", "from", "id");

-- CreateIndex
CREATE INDEX "Deputy_deputy_idx" ON "Deputy"("deputy");

-- AddForeignKey
ALTER TABLE "Deputy" ADD CONSTRAINT "Deputy_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Checks: what the application breaks by mistake stops here.
ALTER TABLE "Deputy"
  ADD CONSTRAINT "Deputy_somebody_else" CHECK ("deputy" <> "standsInFor"),
  ADD CONSTRAINT "Deputy_span" CHECK ("from" < "until" AND "until" <= "from" + interval '366 days'),
  ADD CONSTRAINT "Deputy_ended" CHECK (("endedAt" IS NULL) = ("endedBy" IS NULL));
CREATE INDEX "Deputy_lapsing" ON "Deputy" ("until") WHERE "endedAt" IS NULL;
ALTER TABLE "Domain"
  ADD CONSTRAINT "Domain_remind_after" CHECK ("remindAfter"::interval BETWEEN interval '1 minute' AND interval '90 days'),
  ADD CONSTRAINT "Domain_escalate_after" CHECK ("escalateAfter"::interval BETWEEN interval '1 minute' AND interval '90 days');
ALTER TABLE "AccessRequest"
  ADD CONSTRAINT "AccessRequest_escalated" CHECK (("escalatedTo" IS NULL) = ("escalatedAt" IS NULL)),
  ADD CONSTRAINT "AccessRequest_decided_for"
    CHECK ("decidedFor" IS NULL OR ("status" IN ('APPROVED', 'REJECTED') AND "decidedFor" NOT IN ("requestedBy", "decidedBy")));
CREATE INDEX "AccessRequest_escalated" ON "AccessRequest" ("createdAt", "id") WHERE "escalatedAt" IS NOT NULL;
ALTER TABLE "AccessApproval"
  ADD CONSTRAINT "AccessApproval_for_somebody_else" CHECK ("approvedFor" NOT IN ("requestedBy", "approvedBy")),
  ADD CONSTRAINT "AccessApproval_admin_for_himself" CHECK ("approvedFor" IS NULL OR NOT "asAdmin");

-- Who may decide for whom, by the database's clock: while it lasts, and as what the member is now; one who is none any more lets nobody
-- decide. People alone stand in, and for people. `startsIn` and `endsIn` are milliseconds; it is in force where `startsIn` is not positive.
CREATE VIEW "Deputyship" WITH (security_invoker = true) AS
  SELECT d."id", d."domainId", d."standsInFor", d."deputy", m."role",
    extract(epoch FROM d."from" - statement_timestamp())::float8 * 1000 AS "startsIn",
    extract(epoch FROM d."until" - statement_timestamp())::float8 * 1000 AS "endsIn"
  FROM "Deputy" d JOIN "DomainMember" m ON m."domainId" = d."domainId" AND m."subject" = d."standsInFor"
  WHERE d."endedAt" IS NULL AND d."until" > statement_timestamp() AND m."role" IN ('OWNER', 'STEWARD')
    AND NOT EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" IN (d."deputy", d."standsInFor"));

GRANT SELECT, INSERT ON "Deputy" TO meshgate_server;
GRANT UPDATE ("endedAt", "endedBy") ON "Deputy" TO meshgate_server;
GRANT SELECT ON "Deputyship" TO meshgate_server;

-- One names a deputy for himself, and is a person. Its end is written by himself, the deputy, an owner, an admin or the clock, once.
ALTER TABLE "Deputy" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Deputy_read" ON "Deputy" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "Deputy_by_whom_he_stands_in_for" ON "Deputy" FOR INSERT TO meshgate_server WITH CHECK (
  "standsInFor" = writing_subject() AND "endedAt" IS NULL
  AND EXISTS (SELECT FROM "DomainMember" m WHERE m."domainId" = "Deputy"."domainId" AND m."subject" = "Deputy"."standsInFor"
    AND m."role" IN ('OWNER', 'STEWARD'))
  AND NOT EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" IN ("Deputy"."deputy", "Deputy"."standsInFor")));
CREATE POLICY "Deputy_ended_by_whom_it_concerns" ON "Deputy" FOR UPDATE TO meshgate_server USING (true) WITH CHECK (
  writes_as_system()
  OR ("endedBy" = writing_subject()
    AND (writing_subject() IN ("standsInFor", "deputy") OR writer_belongs_to("domainId", '{OWNER}'))));
CREATE FUNCTION refuse_second_end() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'what has ended does not begin again' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER "Deputy_ends_once" BEFORE UPDATE ON "Deputy" FOR EACH ROW
  WHEN (OLD."endedAt" IS NOT NULL) EXECUTE FUNCTION refuse_second_end();
REVOKE ALL ON FUNCTION refuse_second_end() FROM PUBLIC;

-- Whether the writer may decide for this person now. Nothing but decisions of requests asks for it.
CREATE FUNCTION writer_stands_in_for(person text, domain uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN NOT writes_as_admin() AND EXISTS (SELECT FROM "Deputyship" d
    WHERE d."domainId" = domain AND d."standsInFor" = person AND d."deputy" = writing_subject() AND d."startsIn" <= 0);

-- Whether the writer approved this request for somebody else, in whose place he still stands.
CREATE FUNCTION writer_approved_for_another(request uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM "AccessRequest" q WHERE q."id" = request AND q."status" = 'APPROVED' AND q."decidedBy" = writing_subject()
    AND writer_stands_in_for(q."decidedFor", domain_of_product(q."productId")));

-- The same of another end that a grant was asked for: how far such a request lets its end be moved.
CREATE FUNCTION writer_approved_end_for_another(granted uuid, ending timestamptz) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM "AccessRequest" q WHERE q."extendsId" = granted
    AND (q."expiresAt" IS NULL OR ending <= q."expiresAt") AND writer_approved_for_another(q."id"));

ALTER POLICY "AccessRequest_by_who_decides" ON "AccessRequest" WITH CHECK (
  writes_as_system()
  OR CASE "status"
    WHEN 'PENDING' THEN "requestedBy" = writing_subject() OR writer_belongs_to("consumerDomainId")
      OR writer_belongs_to(domain_of_product("productId"))
    WHEN 'CANCELLED' THEN "decidedBy" = writing_subject() AND ("requestedBy" = writing_subject()
      OR writer_belongs_to("consumerDomainId") OR writer_belongs_to(domain_of_product("productId")))
    ELSE "decidedBy" = writing_subject() AND CASE WHEN "decidedFor" IS NULL
      THEN writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}')
      ELSE writer_stands_in_for("decidedFor", domain_of_product("productId")) END END);

ALTER POLICY "AccessApproval_by_who_decides" ON "AccessApproval" WITH CHECK (
  "approvedBy" = writing_subject() AND ("asAdmin" = writes_as_admin())
  AND NOT EXISTS (
    SELECT FROM "ServiceAccount" s WHERE s."subject" = "AccessApproval"."approvedBy" AND s."removedAt" IS NULL
    OR s."subject" = "AccessApproval"."requestedBy"
      AND s."createdBy" IN ("AccessApproval"."approvedBy", "AccessApproval"."approvedFor"))
  AND EXISTS (
    SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'PENDING' AND CASE WHEN "approvedFor" IS NULL
      THEN writer_belongs_to(domain_of_product(q."productId"), '{OWNER,STEWARD}')
      ELSE writer_stands_in_for("approvedFor", domain_of_product(q."productId")) END));

-- Somebody and his deputy are one: nobody stands behind two approvals of a request, himself or through another. The request's row orders
-- those who come at once.
CREATE FUNCTION refuse_second_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM FROM "AccessRequest" q WHERE q."id" = NEW."requestId" FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM "AccessApproval" a WHERE a."requestId" = NEW."requestId"
      AND ARRAY[a."approvedBy", a."approvedFor"] && array_remove(ARRAY[NEW."approvedBy", NEW."approvedFor"], NULL)) THEN
    RAISE EXCEPTION 'somebody and his deputy approve once' USING ERRCODE = 'unique_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessApproval_one_for_each" BEFORE INSERT ON "AccessApproval" FOR EACH ROW EXECUTE FUNCTION refuse_second_approval();
REVOKE ALL ON FUNCTION refuse_second_approval() FROM PUBLIC;

-- A deputy makes the grant of what he approved, and moves the end that he approved; he takes nothing away.
ALTER POLICY "AccessGrant_by_who_decides" ON "AccessGrant" WITH CHECK (
  (writes_as_system() OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}') OR writer_approved_for_another("requestId"))
  AND EXISTS (SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'APPROVED'
    AND q."productId" = "AccessGrant"."productId" AND q."consumerDomainId" = "AccessGrant"."consumerDomainId"));
ALTER POLICY "AccessGrant_by_its_domains" ON "AccessGrant" WITH CHECK (
  writes_as_system()
  OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}')
  OR writer_belongs_to("consumerDomainId",
    CASE WHEN "status" = 'REVOKING' THEN '{OWNER}'::"DomainRole"[] ELSE '{OWNER,STEWARD,MEMBER}'::"DomainRole"[] END)
  OR ("status" IN ('PROVISIONING', 'ACTIVE')
    AND (writer_approved_for_another("requestId") OR writer_approved_end_for_another("id", "expiresAt"))));
CREATE OR REPLACE FUNCTION refuse_later_end() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT writes_as_system() AND NOT writer_belongs_to(domain_of_product(NEW."productId"), '{OWNER,STEWARD}')
    AND NOT writer_approved_end_for_another(NEW."id", NEW."expiresAt")
    AND row_security_active('"AccessGrant"') THEN
    RAISE EXCEPTION 'the end of a grant is moved by who may grant it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

-- Nor does somebody's deputy approve another end of what that one asked for.
CREATE OR REPLACE FUNCTION refuse_own_extension() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM "AccessRequest" e WHERE e."id" = NEW."requestId"
      AND requester_of_grant(e."extendsId") IN (NEW."approvedBy", NEW."approvedFor")) THEN
    RAISE EXCEPTION 'who asked for access approves no other end of it' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
