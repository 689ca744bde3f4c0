-- Who may act as a machine: whoever registered it or made a secret of it, and where that is a machine, whoever made that one.
CREATE FUNCTION direct_makers_of(machine text) RETURNS SETOF text LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT s."createdBy" FROM "ServiceAccount" s WHERE s."subject" = machine
  UNION SELECT x."createdBy" FROM "ServiceAccountSecret" x JOIN "ServiceAccount" s ON s."id" = x."serviceAccountId" WHERE s."subject" = machine;
END;
CREATE FUNCTION makers_of(machine text) RETURNS text[] LANGUAGE sql STABLE
  RETURN (WITH RECURSIVE made (maker) AS (
      SELECT direct_makers_of(machine)
      UNION SELECT d FROM made CROSS JOIN LATERAL direct_makers_of(made.maker) d)
    SELECT coalesce(array_agg(maker), '{}') FROM made);

-- Machines approve nothing, also once they are removed; nor does who made the one that asks, himself or through a deputy.
ALTER POLICY "AccessApproval_by_who_decides" ON "AccessApproval" WITH CHECK (
  "approvedBy" = writing_subject() AND ("asAdmin" = writes_as_admin())
  AND NOT EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" = "AccessApproval"."approvedBy")
  AND NOT ARRAY["approvedBy", "approvedFor"] && makers_of("requestedBy")
  AND EXISTS (
    SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'PENDING' AND CASE WHEN "approvedFor" IS NULL
      THEN writer_belongs_to(domain_of_product(q."productId"), '{OWNER,STEWARD}')
      ELSE writer_stands_in_for("approvedFor", domain_of_product(q."productId")) END));

-- The same of another end of what a machine asked for.
CREATE OR REPLACE FUNCTION refuse_own_extension() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM "AccessRequest" e CROSS JOIN LATERAL requester_of_grant(e."extendsId") asked WHERE e."id" = NEW."requestId"
      AND asked || makers_of(asked) && ARRAY[NEW."approvedBy", NEW."approvedFor"]) THEN
    RAISE EXCEPTION 'who asked for access approves no other end of it' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- A machine whose last account was removed is a member of nothing, whatever other domains made it.
CREATE FUNCTION is_removed_machine(machine text) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" = machine)
    AND NOT EXISTS (SELECT FROM "ServiceAccount" s WHERE s."subject" = machine AND s."removedAt" IS NULL);
CREATE OR REPLACE FUNCTION writer_belongs_to(domain uuid, roles "DomainRole"[] DEFAULT '{OWNER,STEWARD,MEMBER}') RETURNS boolean
  LANGUAGE sql STABLE
  RETURN writes_as_admin() OR EXISTS (
    SELECT FROM "DomainMember" m WHERE m."domainId" = domain AND m."subject" = writing_subject() AND m."role" = ANY (roles)
      AND NOT is_removed_machine(m."subject"));
