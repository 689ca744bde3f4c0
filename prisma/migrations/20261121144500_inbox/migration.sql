-- CreateEnum
CREATE TYPE "EventVisibility" AS ENUM ('DOMAIN', 'MESH');

-- CreateEnum
CREATE TYPE "QuarantineReason" AS ENUM ('NOT_JSON', 'NOT_AN_EVENT', 'TOO_LARGE', 'NOT_STORABLE', 'FORGED_SOURCE', 'UNKNOWN_ACCOUNT', 'UNKNOWN_TYPE', 'INVALID_DETAIL', 'NOT_ITS_OWN');

-- CreateEnum
CREATE TYPE "QuarantineStatus" AS ENUM ('HELD', 'RELEASED', 'DISCARDED');

-- CreateTable
CREATE TABLE "DomainEventType" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "detailType" TEXT NOT NULL,
    "description" TEXT,
    "visibility" "EventVisibility" NOT NULL DEFAULT 'DOMAIN',
    "version" INTEGER NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "removedAt" TIMESTAMPTZ(3),
    "removedBy" TEXT,

    CONSTRAINT "DomainEventType_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DomainEventTypeVersion" (
    "id" UUID NOT NULL,
    "typeId" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "schema" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,

    CONSTRAINT "DomainEventTypeVersion_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ReceivedEvent" (
    "key" TEXT NOT NULL,
    "receivedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ReceivedEvent_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "QuarantinedEvent" (
    "id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "account" TEXT,
    "eventId" TEXT,
    "source" TEXT,
    "detailType" TEXT,
    "reason" "QuarantineReason" NOT NULL,
    "explanation" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "status" "QuarantineStatus" NOT NULL DEFAULT 'HELD',
    "receivedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "resolvedAt" TIMESTAMPTZ(3),
    "resolvedBy" TEXT,
    "comment" TEXT,

    CONSTRAINT "QuarantinedEvent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "QualityResult" (
    "productId" UUID NOT NULL,
    "table" TEXT NOT NULL,
    "resultId" TEXT NOT NULL,
    "score" DOUBLE PRECISION,
    "state" TEXT NOT NULL,
    "rulesSucceeded" INTEGER NOT NULL,
    "rulesFailed" INTEGER NOT NULL,
    "rulesSkipped" INTEGER NOT NULL,
    "evaluatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "QualityResult_pkey" PRIMARY KEY ("productId","table")
);

-- CreateIndex
CREATE UNIQUE INDEX "DomainEventType_domainId_detailType_key" ON "DomainEventType"("domainId", "detailType");

-- CreateIndex
CREATE UNIQUE INDEX "DomainEventTypeVersion_typeId_number_key" ON "DomainEventTypeVersion"("typeId", "number");

-- CreateIndex
CREATE INDEX "ReceivedEvent_receivedAt_idx" ON "ReceivedEvent"("receivedAt");

-- CreateIndex
CREATE UNIQUE INDEX "QuarantinedEvent_key_key" ON "QuarantinedEvent"("key");

-- CreateIndex
CREATE INDEX "QuarantinedEvent_account_status_idx" ON "QuarantinedEvent"("account", "status");

-- CreateIndex
CREATE INDEX "QuarantinedEvent_receivedAt_id_idx" ON "QuarantinedEvent"("receivedAt", "id");

-- AddForeignKey
ALTER TABLE "DomainEventType" ADD CONSTRAINT "DomainEventType_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DomainEventTypeVersion" ADD CONSTRAINT "DomainEventTypeVersion_typeId_fkey" FOREIGN KEY ("typeId") REFERENCES "DomainEventType"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "QualityResult" ADD CONSTRAINT "QualityResult_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "DomainEventType"
  ADD CONSTRAINT "DomainEventType_detailType" CHECK ("detailType" <> '' AND length("detailType") <= 128),
  ADD CONSTRAINT "DomainEventType_version" CHECK ("version" BETWEEN 1 AND 100),
  ADD CONSTRAINT "DomainEventType_removed" CHECK (("removedAt" IS NULL) = ("removedBy" IS NULL));
ALTER TABLE "DomainEventTypeVersion"
  ADD CONSTRAINT "DomainEventTypeVersion_number" CHECK ("number" BETWEEN 1 AND 100),
  ADD CONSTRAINT "DomainEventTypeVersion_schema" CHECK (jsonb_typeof("schema") = 'object' AND octet_length("schema"::text) <= 65536);
ALTER TABLE "ReceivedEvent" ADD CONSTRAINT "ReceivedEvent_key" CHECK (length("key") BETWEEN 1 AND 255);
ALTER TABLE "QuarantinedEvent"
  ADD CONSTRAINT "QuarantinedEvent_account" CHECK ("account" ~ '^[0-9]{12}$'),
  ADD CONSTRAINT "QuarantinedEvent_bytes" CHECK ("bytes" = octet_length("body")),
  ADD CONSTRAINT "QuarantinedEvent_resolved" CHECK (("status" = 'HELD') = ("resolvedAt" IS NULL) AND ("resolvedAt" IS NULL) = ("resolvedBy" IS NULL));
ALTER TABLE "QualityResult"
  ADD CONSTRAINT "QualityResult_score" CHECK ("score" BETWEEN 0 AND 1),
  ADD CONSTRAINT "QualityResult_rules" CHECK (least("rulesSucceeded", "rulesFailed", "rulesSkipped") >= 0);

-- What was decided about a held event is decided once.
CREATE TRIGGER "QuarantinedEvent_resolved_once" BEFORE UPDATE ON "QuarantinedEvent" FOR EACH ROW
  WHEN (OLD."status" <> 'HELD') EXECUTE FUNCTION refuse_rewriting();

-- The server can neither rewrite an event that came in nor the schema that events were held against; it forgets only what is a month old.
GRANT SELECT, INSERT ON "DomainEventType", "DomainEventTypeVersion" TO meshgate_server;
GRANT UPDATE ("description", "visibility", "version", "removedAt", "removedBy") ON "DomainEventType" TO meshgate_server;
GRANT SELECT, INSERT, DELETE ON "ReceivedEvent", "QuarantinedEvent" TO meshgate_server;
GRANT UPDATE ("status", "resolvedAt", "resolvedBy", "comment") ON "QuarantinedEvent" TO meshgate_server;
GRANT SELECT, INSERT, UPDATE ON "QualityResult" TO meshgate_server;

-- The second wall of write_guards, for these tables too. Everybody may read here; who sees what is part of each statement.
ALTER TABLE "DomainEventType" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "DomainEventType_read" ON "DomainEventType" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "DomainEventType_by_who_steers" ON "DomainEventType" FOR INSERT TO meshgate_server
  WITH CHECK (writes_as_admin() OR writer_belongs_to("domainId", '{OWNER,STEWARD}'));
CREATE POLICY "DomainEventType_changed_by_who_steers" ON "DomainEventType" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writes_as_admin() OR writer_belongs_to("domainId", '{OWNER,STEWARD}'));
ALTER TABLE "ReceivedEvent" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "ReceivedEvent_read" ON "ReceivedEvent" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "ReceivedEvent_noted" ON "ReceivedEvent" FOR INSERT TO meshgate_server WITH CHECK (writes_as_system());
CREATE POLICY "ReceivedEvent_forgotten_late" ON "ReceivedEvent" FOR DELETE TO meshgate_server
  USING ("receivedAt" < now() - interval '30 days');
ALTER TABLE "QuarantinedEvent" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "QuarantinedEvent_read" ON "QuarantinedEvent" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "QuarantinedEvent_held" ON "QuarantinedEvent" FOR INSERT TO meshgate_server WITH CHECK (writes_as_system() AND "status" = 'HELD');
CREATE POLICY "QuarantinedEvent_by_who_steers" ON "QuarantinedEvent" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writes_as_admin() OR EXISTS (
    SELECT FROM "Domain" d WHERE d."awsAccountId" = "account" AND writer_belongs_to(d."id", '{OWNER,STEWARD}')));
CREATE POLICY "QuarantinedEvent_forgotten_late" ON "QuarantinedEvent" FOR DELETE TO meshgate_server
  USING ("receivedAt" < now() - interval '30 days');
