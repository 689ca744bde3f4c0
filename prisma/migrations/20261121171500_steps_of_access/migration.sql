-- What was asked for includes its end.
DROP TRIGGER "AccessRequest_asked_once" ON "AccessRequest";
CREATE TRIGGER "AccessRequest_asked_once" BEFORE UPDATE ON "AccessRequest" FOR EACH ROW
  WHEN ((OLD."id", OLD."productId", OLD."consumerDomainId", OLD."extendsId", OLD."requestedBy", OLD."principals", OLD."permissions",
      OLD."tables", OLD."columns", OLD."rowFilter", OLD."purpose", OLD."namedPurpose", OLD."accessMode", OLD."grantTo", OLD."answers",
      OLD."templateId", OLD."expiresAt")
    IS DISTINCT FROM (NEW."id", NEW."productId", NEW."consumerDomainId", NEW."extendsId", NEW."requestedBy", NEW."principals",
      NEW."permissions", NEW."tables", NEW."columns", NEW."rowFilter", NEW."purpose", NEW."namedPurpose", NEW."accessMode",
      NEW."grantTo", NEW."answers", NEW."templateId", NEW."expiresAt"))
  EXECUTE FUNCTION refuse_exchange();

-- What was decided stays decided, and what has ended stays ended, whoever writes: the steps of governance/transitions.ts.
CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF row_security_active(TG_RELID) THEN
    RAISE EXCEPTION '% does not become %', OLD."status", NEW."status" USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessRequest_decided_once" BEFORE UPDATE ON "AccessRequest" FOR EACH ROW
  WHEN (OLD."status" <> 'PENDING' AND (OLD."status", OLD."decidedBy", OLD."decidedFor", OLD."decidedAt", OLD."approvedAs")
    IS DISTINCT FROM (NEW."status", NEW."decidedBy", NEW."decidedFor", NEW."decidedAt", NEW."approvedAs"))
  EXECUTE FUNCTION refuse_step();
CREATE TRIGGER "AccessGrant_steps" BEFORE UPDATE ON "AccessGrant" FOR EACH ROW
  WHEN (OLD."status" <> NEW."status" AND (OLD."status", NEW."status") NOT IN (
    ('PROVISIONING', 'ACTIVE'), ('PROVISIONING', 'FAILED'), ('PROVISIONING', 'REVOKING'), ('ACTIVE', 'FAILED'), ('ACTIVE', 'REVOKING'),
    ('FAILED', 'ACTIVE'), ('FAILED', 'REVOKING'), ('REVOKING', 'REVOKED'), ('REVOKING', 'EXPIRED')))
  EXECUTE FUNCTION refuse_step();

-- That access is there is said by who could give it, and by Meshgate itself; that it is gone, also by who could give it up; who begins its end is
-- for the policies of its row.
CREATE FUNCTION refuse_outcome() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF row_security_active('"AccessGrant"') AND NOT writes_as_system()
    AND NOT writer_belongs_to(domain_of_product(NEW."productId"), '{OWNER,STEWARD}')
    AND NOT (NEW."status" IN ('ACTIVE', 'FAILED') AND writer_approved_for_another(NEW."requestId"))
    AND NOT (NEW."status" = 'REVOKED' AND writer_belongs_to(NEW."consumerDomainId", '{OWNER}')) THEN
    RAISE EXCEPTION 'what became of a grant is said by who may grant it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "AccessGrant_outcome" BEFORE UPDATE ON "AccessGrant" FOR EACH ROW
  WHEN (OLD."status" <> NEW."status" AND NEW."status" <> 'REVOKING')
  EXECUTE FUNCTION refuse_outcome();
REVOKE ALL ON FUNCTION refuse_step(), refuse_outcome() FROM PUBLIC;
