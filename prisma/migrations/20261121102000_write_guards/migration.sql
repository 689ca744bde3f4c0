-- A second wall behind the rules of governance: whoever writes a request or a grant must be somebody who may, also where a rule was
-- forgotten. The server says in the transaction for whom it writes (meshgate.subject, meshgate.authority); without that nothing is
-- written. Reads stay as they are: who sees what is part of each statement. The functions' bodies are bound when they are made, so no
-- table of the same name in another schema can take the place of ours.

-- In whose name this transaction writes; null: nobody's.
CREATE FUNCTION writing_subject() RETURNS text LANGUAGE sql STABLE
  RETURN nullif(current_setting('meshgate.subject', true), '');

-- SYSTEM: Meshgate itself, by the clock, by AWS's answer or by a policy.
CREATE FUNCTION writes_as_system() RETURNS boolean LANGUAGE sql STABLE
  RETURN coalesce(current_setting('meshgate.authority', true), '') = 'SYSTEM';
CREATE FUNCTION writes_as_admin() RETURNS boolean LANGUAGE sql STABLE
  RETURN coalesce(current_setting('meshgate.authority', true), '') = 'ADMIN';

CREATE FUNCTION writer_belongs_to(domain uuid, roles "DomainRole"[] DEFAULT '{OWNER,STEWARD,MEMBER}') RETURNS boolean LANGUAGE sql STABLE
  RETURN writes_as_admin() OR EXISTS (
    SELECT FROM "DomainMember" m WHERE m."domainId" = domain AND m."subject" = writing_subject() AND m."role" = ANY (roles));

CREATE FUNCTION domain_of_product(product uuid) RETURNS uuid LANGUAGE sql STABLE
  RETURN (SELECT p."domainId" FROM "DataProduct" p WHERE p."id" = product);

ALTER TABLE "AccessRequest" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "AccessRequest_read" ON "AccessRequest" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "AccessRequest_by_its_requester" ON "AccessRequest" FOR INSERT TO meshgate_server WITH CHECK (
  writes_as_system()
  OR ("requestedBy" = writing_subject() AND "status" = 'PENDING' AND writer_belongs_to("consumerDomainId")));
-- Every row may be locked; what it becomes is checked.
CREATE POLICY "AccessRequest_by_who_decides" ON "AccessRequest" FOR UPDATE TO meshgate_server USING (true) WITH CHECK (
  writes_as_system()
  OR CASE "status"
    WHEN 'PENDING' THEN "requestedBy" = writing_subject() OR writer_belongs_to("consumerDomainId")
      OR writer_belongs_to(domain_of_product("productId"))
    WHEN 'CANCELLED' THEN "decidedBy" = writing_subject() AND ("requestedBy" = writing_subject()
      OR writer_belongs_to("consumerDomainId") OR writer_belongs_to(domain_of_product("productId")))
    ELSE "decidedBy" = writing_subject() AND writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}') END);

ALTER TABLE "AccessGrant" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "AccessGrant_read" ON "AccessGrant" FOR SELECT TO meshgate_server USING (true);
-- A grant comes of an approved request for just that, whoever writes it.
CREATE POLICY "AccessGrant_by_who_decides" ON "AccessGrant" FOR INSERT TO meshgate_server WITH CHECK (
  (writes_as_system() OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}'))
  AND EXISTS (SELECT FROM "AccessRequest" q WHERE q."id" = "requestId" AND q."status" = 'APPROVED'
    AND q."productId" = "AccessGrant"."productId" AND q."consumerDomainId" = "AccessGrant"."consumerDomainId"));
CREATE POLICY "AccessGrant_by_its_domains" ON "AccessGrant" FOR UPDATE TO meshgate_server USING (true) WITH CHECK (
  writes_as_system()
  OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}')
  OR writer_belongs_to("consumerDomainId",
    CASE WHEN "status" = 'REVOKING' THEN '{OWNER}'::"DomainRole"[] ELSE '{OWNER,STEWARD,MEMBER}'::"DomainRole"[] END));

-- What was asked is what is decided: it cannot be exchanged on the way, by nobody.
CREATE FUNCTION refuse_exchange() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'what a request or a grant is for does not change' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER "AccessRequest_asked_once" BEFORE UPDATE ON "AccessRequest" FOR EACH ROW
  WHEN ((OLD."id", OLD."productId", OLD."consumerDomainId", OLD."extendsId", OLD."requestedBy", OLD."principals", OLD."permissions",
      OLD."tables", OLD."columns", OLD."rowFilter", OLD."purpose", OLD."accessMode", OLD."grantTo")
    IS DISTINCT FROM (NEW."id", NEW."productId", NEW."consumerDomainId", NEW."extendsId", NEW."requestedBy", NEW."principals",
      NEW."permissions", NEW."tables", NEW."columns", NEW."rowFilter", NEW."purpose", NEW."accessMode", NEW."grantTo"))
  EXECUTE FUNCTION refuse_exchange();
CREATE TRIGGER "AccessGrant_granted_once" BEFORE UPDATE ON "AccessGrant" FOR EACH ROW
  WHEN ((OLD."id", OLD."requestId", OLD."productId", OLD."consumerDomainId")
    IS DISTINCT FROM (NEW."id", NEW."requestId", NEW."productId", NEW."consumerDomainId"))
  EXECUTE FUNCTION refuse_exchange();

-- A later end is for those who could grant it.
CREATE FUNCTION refuse_later_end() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT writes_as_system() AND NOT writer_belongs_to(domain_of_product(NEW."productId"), '{OWNER,STEWARD}')
    AND row_security_active('"AccessGrant"') THEN
    RAISE EXCEPTION 'the end of a grant is moved by who may grant it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessGrant_later_end" BEFORE UPDATE ON "AccessGrant" FOR EACH ROW
  WHEN (OLD."expiresAt" < coalesce(NEW."expiresAt", 'infinity'))
  EXECUTE FUNCTION refuse_later_end();

-- The server's role needs no function but these and those that policies and searches call.
REVOKE ALL ON FUNCTION refuse_change(), refuse_exchange(), refuse_later_end() FROM PUBLIC;

-- What an auditor looks for. The log is written in order of time, so a BRIN index is enough for it.
CREATE INDEX "Event_occurredAt_idx" ON "Event" USING BRIN ("occurredAt");
CREATE INDEX "Event_correlationId_idx" ON "Event" ("correlationId");
CREATE INDEX "Event_actor_idx" ON "Event" (("actor" ->> 'subject'), "seq");
