-- What Prisma cannot express: generated columns, checks, partial indexes, the log's partitions and sequencer, and roles.

-- Full-text search over a product's names, description and tags.
CREATE FUNCTION search_text(variadic parts text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  $$ SELECT translate(coalesce(array_to_string(parts, ' ', ''), ''), '-_/.', '    ') $$;

ALTER TABLE "DataProduct" ADD COLUMN "search" tsvector GENERATED ALWAYS AS (
  setweight(to_tsvector('english', search_text("name", "displayName")), 'A') ||
  setweight(to_tsvector('english', search_text(VARIADIC "tags")), 'B') ||
  setweight(to_tsvector('english', search_text("description")), 'C')
) STORED;
CREATE INDEX "DataProduct_search_idx" ON "DataProduct" USING GIN ("search");

-- Checks: a rule that the application breaks by mistake stops here.
ALTER TABLE "Domain"
  ADD CONSTRAINT "Domain_name_slug" CHECK ("name" ~ '^[a-z][a-z0-9-]{0,39}$'),
  ADD CONSTRAINT "Domain_account" CHECK ("awsAccountId" ~ '^[0-9]{12}$'),
  ADD CONSTRAINT "Domain_role_in_account" CHECK ("roleArn" ~ ('^arn:aws[a-z-]*:iam::' || "awsAccountId" || ':role/.+$')),
  ADD CONSTRAINT "Domain_ready_since" CHECK ("status" <> 'READY' OR "readyAt" IS NOT NULL);
ALTER TABLE "DomainMember"
  ADD CONSTRAINT "DomainMember_subject" CHECK ("subject" <> '');
ALTER TABLE "DataProduct"
  ADD CONSTRAINT "DataProduct_name_slug" CHECK ("name" ~ '^[a-z][a-z0-9-]{0,62}$'),
  ADD CONSTRAINT "DataProduct_published_since" CHECK ("status" NOT IN ('PUBLISHED', 'DEPRECATED') OR "publishedAt" IS NOT NULL),
  ADD CONSTRAINT "DataProduct_retired_since" CHECK ("status" <> 'RETIRED' OR "retiredAt" IS NOT NULL);
ALTER TABLE "ProductTable"
  ADD CONSTRAINT "ProductTable_name" CHECK ("name" ~ '^[a-z0-9_]{1,128}$');
ALTER TABLE "ProductColumn"
  ADD CONSTRAINT "ProductColumn_name" CHECK ("name" <> '' AND length("name") <= 255),
  ADD CONSTRAINT "ProductColumn_type" CHECK ("type" <> '');
CREATE UNIQUE INDEX "ProductTable_position" ON "ProductTable" ("productId", "position");
CREATE UNIQUE INDEX "ProductColumn_position" ON "ProductColumn" ("tableId", "position");
CREATE UNIQUE INDEX "DataContract_one_active" ON "DataContract" ("productId") WHERE "status" = 'ACTIVE';
ALTER TABLE "DataContract"
  ADD CONSTRAINT "DataContract_activated" CHECK ("status" <> 'ACTIVE' OR "activatedAt" IS NOT NULL);
ALTER TABLE "AccessRequest"
  ADD CONSTRAINT "AccessRequest_principals" CHECK (cardinality("principals") BETWEEN 1 AND 50),
  ADD CONSTRAINT "AccessRequest_permissions" CHECK (cardinality("permissions") >= 1),
  ADD CONSTRAINT "AccessRequest_purpose" CHECK (btrim("purpose") <> ''),
  ADD CONSTRAINT "AccessRequest_decided" CHECK (("status" = 'PENDING') = ("decidedAt" IS NULL)),
  ADD CONSTRAINT "AccessRequest_nobody_decides_his_own"
    CHECK ("status" NOT IN ('APPROVED', 'REJECTED') OR ("decidedBy" IS NOT NULL AND "decidedBy" <> "requestedBy"));
CREATE INDEX "AccessRequest_pending" ON "AccessRequest" ("createdAt", "id") WHERE "status" = 'PENDING';
ALTER TABLE "AccessGrant"
  ADD CONSTRAINT "AccessGrant_granted" CHECK ("status" <> 'ACTIVE' OR "grantedAt" IS NOT NULL),
  ADD CONSTRAINT "AccessGrant_ends_as" CHECK ("endsAs" IS NULL OR "endsAs" IN ('REVOKED', 'EXPIRED')),
  ADD CONSTRAINT "AccessGrant_revoking" CHECK ("status" NOT IN ('REVOKING', 'REVOKED', 'EXPIRED') OR "endsAs" IS NOT NULL),
  ADD CONSTRAINT "AccessGrant_revoked" CHECK (("status" IN ('REVOKED', 'EXPIRED')) = ("revokedAt" IS NOT NULL));
ALTER TABLE "Resource"
  ADD CONSTRAINT "Resource_generations" CHECK ("observedGeneration" BETWEEN 0 AND "generation" AND "generation" >= 1),
  ADD CONSTRAINT "Resource_attempts" CHECK ("attempts" >= 0),
  ADD CONSTRAINT "Resource_account" CHECK ("account" ~ '^[0-9]{12}$');
CREATE INDEX "Resource_unsettled" ON "Resource" ("account", "region", "nextAttemptAt") WHERE "status" NOT IN ('READY', 'REMOVED');
-- An event about a resource names it by a uuid (version 8) made of the first 16 bytes of its identity.
CREATE INDEX "Resource_event_subject"
  ON "Resource" ((left("id", 12) || '8' || substr("id", 14, 3) || '8' || substr("id", 18, 15)));
CREATE INDEX "ResourceClaim_released" ON "ResourceClaim" ("ownerType", "ownerId") WHERE "releasedAtGeneration" IS NOT NULL;
ALTER TABLE "Lane" ADD CONSTRAINT "Lane_held" CHECK (("holder" IS NULL) = ("leaseUntil" IS NULL));
ALTER TABLE "EventHead" ADD CONSTRAINT "EventHead_single" CHECK ("id" = 1);
ALTER TABLE "Event" ADD CONSTRAINT "Event_numbered_from_one" CHECK ("seq" >= 1);
ALTER TABLE "IdempotencyKey" ADD CONSTRAINT "IdempotencyKey_key" CHECK (length("key") BETWEEN 1 AND 255);

-- The log: append only, one partition for a million numbers, the first bytes of the chain are 32 zeros.
INSERT INTO "EventHead" ("id", "seq", "hash") VALUES (1, 0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION ensure_event_partition(number bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first bigint := number / 1000000 * 1000000;
  partition text := 'Event_' || lpad((number / 1000000)::text, 9, '0');
BEGIN
  IF to_regclass(format('%I', partition)) IS NULL THEN
    EXECUTE format('CREATE TABLE %I PARTITION OF "Event" FOR VALUES FROM (%L) TO (%L)', partition, first, first + 1000000);
  END IF;
END $$;
SELECT ensure_event_partition(0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event log is append only';
END $$;
CREATE TRIGGER "Event_append_only" BEFORE UPDATE OR DELETE ON "Event" FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER "Event_no_truncate" BEFORE TRUNCATE ON "Event" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Numbers committed pending events densely, in order of position, and extends the hash chain:
-- hash = sha256(previous hash || seq || newline || canonical). The counter row's lock makes any number of callers safe;
-- each statement of a volatile function has a snapshot of its own (READ COMMITTED), so what committed before the lock was had is seen.
CREATE FUNCTION sequence_events(batch integer DEFAULT 2000) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  head record;
  pending record;
  moved bigint[] := '{}';
BEGIN
  SELECT seq, hash INTO head FROM "EventHead" WHERE id = 1 FOR UPDATE;
  FOR pending IN SELECT * FROM "EventPending" ORDER BY position LIMIT batch LOOP
    head.seq := head.seq + 1;
    head.hash := sha256(head.hash || convert_to(head.seq::text || E'\n' || pending.canonical, 'UTF8'));
    IF head.seq % 1000000 = 0 THEN
      PERFORM ensure_event_partition(head.seq);
    END IF;
    INSERT INTO "Event" ("seq", "id", "type", "version", "subjectType", "subjectId", "subject", "domainId", "productId",
      "audiencePublic", "audienceDomains", "audienceSubjects", "actor", "correlationId", "causationId", "occurredAt", "data",
      "canonical", "hash")
    VALUES (head.seq, pending."id", pending."type", pending."version", pending."subjectType", pending."subjectId",
      pending."subject", pending."domainId", pending."productId", pending."audiencePublic", pending."audienceDomains",
      pending."audienceSubjects", pending."actor", pending."correlationId", pending."causationId", pending."occurredAt",
      pending."data", pending."canonical", head.hash);
    moved := moved || pending.position;
  END LOOP;
  IF cardinality(moved) > 0 THEN
    DELETE FROM "EventPending" WHERE position = ANY (moved);
    UPDATE "EventHead" SET seq = head.seq, hash = head.hash WHERE id = 1;
    -- The next partition stands ready before its first number is due.
    PERFORM ensure_event_partition(head.seq + 500000);
    PERFORM pg_notify('meshgate_events', head.seq::text);
  END IF;
  RETURN cardinality(moved);
END $$;
REVOKE ALL ON FUNCTION sequence_events(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_event_partition(bigint) FROM PUBLIC;

-- The server's role owns nothing. It is a role of the cluster, so it may exist already: made by somebody who may, or at this moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'meshgate_server') THEN
    CREATE ROLE meshgate_server NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA public TO meshgate_server;
GRANT SELECT, INSERT, UPDATE ON "Domain", "DataProduct", "DataContract", "AccessRequest", "AccessGrant", "Lane", "EventCursor"
  TO meshgate_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON "DomainMember", "ProductTable", "ProductColumn", "Resource", "ResourceClaim",
  "IdempotencyKey" TO meshgate_server;
GRANT SELECT, INSERT ON "SchemaVersion", "DataContractRevision", "EventPending" TO meshgate_server;
GRANT SELECT ON "Event", "EventHead" TO meshgate_server;
GRANT EXECUTE ON FUNCTION sequence_events(integer) TO meshgate_server;
