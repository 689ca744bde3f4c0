-- Who asked for access approves no other end of it, whoever asks for that.
CREATE FUNCTION requester_of_grant(granted uuid) RETURNS text LANGUAGE sql STABLE
  RETURN (SELECT q."requestedBy" FROM "AccessGrant" g JOIN "AccessRequest" q ON q."id" = g."requestId" WHERE g."id" = granted);
CREATE FUNCTION refuse_own_extension() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM "AccessRequest" e WHERE e."id" = NEW."requestId" AND requester_of_grant(e."extendsId") = NEW."approvedBy") THEN
    RAISE EXCEPTION 'who asked for access approves no other end of it' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessApproval_nobody_extends_his_own" BEFORE INSERT ON "AccessApproval" FOR EACH ROW
  EXECUTE FUNCTION refuse_own_extension();
REVOKE ALL ON FUNCTION refuse_own_extension() FROM PUBLIC;

-- Who steers the product's domain grants a later end to who asked for the access: the request is in that one's name.
ALTER POLICY "AccessRequest_by_its_requester" ON "AccessRequest" WITH CHECK (
  writes_as_system()
  OR ("requestedBy" = writing_subject() AND "status" = 'PENDING' AND (writer_belongs_to("consumerDomainId")
    OR ("extendsId" IS NOT NULL AND writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}'))))
  OR ("status" = 'PENDING' AND "requestedBy" = requester_of_grant("extendsId")
    AND writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}')));
