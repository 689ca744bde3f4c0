-- CreateTable
CREATE TABLE "EventRoute" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "pattern" JSONB NOT NULL,
    "targets" TEXT[],
    "ruleId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "EventRoute_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "EventRoute_domainId_name_key" ON "EventRoute"("domainId", "name");

-- AddForeignKey
ALTER TABLE "EventRoute" ADD CONSTRAINT "EventRoute_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "EventRoute"
  ADD CONSTRAINT "EventRoute_name_slug" CHECK ("name" ~ '^[a-z][a-z0-9-]{0,62}$'),
  ADD CONSTRAINT "EventRoute_pattern" CHECK (jsonb_typeof("pattern") = 'object'),
  ADD CONSTRAINT "EventRoute_targets" CHECK (cardinality("targets") BETWEEN 1 AND 5);

-- A target is of the domain's own account, whatever a rule of governance forgot: events leave for nobody else's.
CREATE FUNCTION refuse_foreign_target() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM unnest(NEW."targets") arn, "Domain" d WHERE d."id" = NEW."domainId"
    AND split_part(arn, ':', 5) <> d."awsAccountId") THEN
    RAISE EXCEPTION 'a target of a route is of the account of its domain' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "EventRoute_own_account" BEFORE INSERT OR UPDATE ON "EventRoute" FOR EACH ROW EXECUTE FUNCTION refuse_foreign_target();
REVOKE ALL ON FUNCTION refuse_foreign_target() FROM PUBLIC;
CREATE TRIGGER "EventRoute_of_one_domain" BEFORE UPDATE ON "EventRoute" FOR EACH ROW
  WHEN ((OLD."id", OLD."domainId", OLD."name") IS DISTINCT FROM (NEW."id", NEW."domainId", NEW."name"))
  EXECUTE FUNCTION refuse_exchange();

GRANT SELECT, INSERT, UPDATE, DELETE ON "EventRoute" TO meshgate_server;

-- The second wall of write_guards.
ALTER TABLE "EventRoute" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "EventRoute_read" ON "EventRoute" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "EventRoute_by_who_steers" ON "EventRoute" FOR INSERT TO meshgate_server
  WITH CHECK (writer_belongs_to("domainId", '{OWNER,STEWARD}'));
CREATE POLICY "EventRoute_changed_by_who_steers" ON "EventRoute" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writer_belongs_to("domainId", '{OWNER,STEWARD}'));
CREATE POLICY "EventRoute_removed_by_who_steers" ON "EventRoute" FOR DELETE TO meshgate_server
  USING (writer_belongs_to("domainId", '{OWNER,STEWARD}'));
