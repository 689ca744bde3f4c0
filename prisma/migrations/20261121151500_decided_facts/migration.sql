-- An approval is of the facts that were judged when it was given: what was approved before has none, and does not count for open requests.
ALTER TABLE "AccessApproval" ADD COLUMN     "factsDigest" TEXT NOT NULL DEFAULT repeat('0', 64);
ALTER TABLE "AccessApproval" ALTER COLUMN "factsDigest" DROP DEFAULT;
ALTER TABLE "AccessDecision" ADD COLUMN     "factsDigest" TEXT NOT NULL DEFAULT repeat('0', 64);
ALTER TABLE "AccessDecision" ALTER COLUMN "factsDigest" DROP DEFAULT;
DROP INDEX "AccessApproval_requestId_approvedBy_key";
CREATE UNIQUE INDEX "AccessApproval_requestId_approvedBy_factsDigest_key" ON "AccessApproval"("requestId", "approvedBy", "factsDigest");
ALTER TABLE "AccessApproval" ADD CONSTRAINT "AccessApproval_facts_digest" CHECK ("factsDigest" ~ '^[0-9a-f]{64}$');
ALTER TABLE "AccessDecision" ADD CONSTRAINT "AccessDecision_facts_digest" CHECK ("factsDigest" ~ '^[0-9a-f]{64}$');
GRANT UPDATE ("factsDigest") ON "AccessDecision" TO meshgate_server;

-- Somebody and his deputy approve the same once; where what is decided about has changed since, they approve it anew.
CREATE OR REPLACE FUNCTION refuse_second_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM FROM "AccessRequest" q WHERE q."id" = NEW."requestId" FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM "AccessApproval" a WHERE a."requestId" = NEW."requestId" AND a."factsDigest" = NEW."factsDigest"
      AND ARRAY[a."approvedBy", a."approvedFor"] && array_remove(ARRAY[NEW."approvedBy", NEW."approvedFor"], NULL)) THEN
    RAISE EXCEPTION 'somebody and his deputy approve once' USING ERRCODE = 'unique_violation';
  END IF;
  RETURN NEW;
END $$;

-- What a grant does not come to any more is said by who may grant it, and by Meshgate itself.
ALTER TABLE "AccessGrant" ADD COLUMN     "withheld" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];
CREATE FUNCTION refuse_reopening() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT writes_as_system() AND NOT writer_belongs_to(domain_of_product(NEW."productId"), '{OWNER,STEWARD}')
    AND row_security_active('"AccessGrant"') THEN
    RAISE EXCEPTION 'what is withheld from a grant is said by who may grant it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessGrant_withheld" BEFORE UPDATE ON "AccessGrant" FOR EACH ROW
  WHEN (OLD."withheld" IS DISTINCT FROM NEW."withheld")
  EXECUTE FUNCTION refuse_reopening();
REVOKE ALL ON FUNCTION refuse_reopening() FROM PUBLIC;

-- What the policies said is written down while the request is open: by who asks, that it waits or needs nobody; else by one whose own
-- approval stands there.
ALTER TABLE "AccessDecision" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "AccessDecision_read" ON "AccessDecision" FOR SELECT TO meshgate_server USING (true);
CREATE FUNCTION writer_asks(request uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM "AccessRequest" q WHERE q."id" = request AND q."status" = 'PENDING' AND q."requestedBy" = writing_subject());
CREATE FUNCTION writer_approved(request uuid) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM "AccessRequest" q JOIN "AccessApproval" a ON a."requestId" = q."id"
    WHERE q."id" = request AND q."status" = 'PENDING' AND a."approvedBy" = writing_subject() AND CASE WHEN a."approvedFor" IS NULL
      THEN writer_belongs_to(domain_of_product(q."productId"), '{OWNER,STEWARD}')
      ELSE writer_stands_in_for(a."approvedFor", domain_of_product(q."productId")) END);
CREATE POLICY "AccessDecision_by_who_asks" ON "AccessDecision" FOR INSERT TO meshgate_server WITH CHECK (
  writes_as_system() OR writer_approved("requestId")
  OR ("outcome" IN ('NEEDS_APPROVAL', 'AUTO_APPROVED') AND writer_asks("requestId")));
CREATE POLICY "AccessDecision_by_who_approves" ON "AccessDecision" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writes_as_system() OR writer_approved("requestId"));
