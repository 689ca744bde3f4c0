-- CreateEnum
CREATE TYPE "WebhookStatus" AS ENUM ('ENABLED', 'DISABLED');

-- CreateEnum
CREATE TYPE "WebhookDeliveryKind" AS ENUM ('EVENT', 'PING');

-- CreateEnum
CREATE TYPE "WebhookDeliveryStatus" AS ENUM ('PENDING', 'SUCCEEDED', 'FAILED');

-- CreateTable
CREATE TABLE "Webhook" (
    "id" UUID NOT NULL,
    "domainId" UUID,
    "name" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "filter" JSONB NOT NULL,
    "status" "WebhookStatus" NOT NULL DEFAULT 'ENABLED',
    "disabledReason" TEXT,
    "disabledAt" TIMESTAMPTZ(3),
    "secretVersion" INTEGER NOT NULL DEFAULT 1,
    "previousSecretEndsAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "removedAt" TIMESTAMPTZ(3),
    "removedBy" TEXT,

    CONSTRAINT "Webhook_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookProgress" (
    "webhookId" UUID NOT NULL,
    "position" BIGINT NOT NULL,
    "failingSince" TIMESTAMPTZ(3),
    "failures" INTEGER NOT NULL DEFAULT 0,
    "pausedUntil" TIMESTAMPTZ(3),

    CONSTRAINT "WebhookProgress_pkey" PRIMARY KEY ("webhookId")
);

-- CreateTable
CREATE TABLE "WebhookDelivery" (
    "id" UUID NOT NULL,
    "webhookId" UUID NOT NULL,
    "kind" "WebhookDeliveryKind" NOT NULL DEFAULT 'EVENT',
    "messageId" UUID NOT NULL,
    "seq" BIGINT,
    "eventType" TEXT,
    "subjectId" UUID NOT NULL,
    "status" "WebhookDeliveryStatus" NOT NULL DEFAULT 'PENDING',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "WebhookDelivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookAttempt" (
    "id" UUID NOT NULL,
    "deliveryId" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL,
    "milliseconds" INTEGER NOT NULL,
    "statusCode" INTEGER,
    "error" TEXT,

    CONSTRAINT "WebhookAttempt_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Webhook_domainId_idx" ON "Webhook"("domainId");

-- CreateIndex
CREATE INDEX "WebhookDelivery_webhookId_createdAt_id_idx" ON "WebhookDelivery"("webhookId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "WebhookDelivery_webhookId_messageId_key" ON "WebhookDelivery"("webhookId", "messageId");

-- CreateIndex
CREATE INDEX "WebhookAttempt_deliveryId_startedAt_idx" ON "WebhookAttempt"("deliveryId", "startedAt");

-- AddForeignKey
ALTER TABLE "Webhook" ADD CONSTRAINT "Webhook_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookProgress" ADD CONSTRAINT "WebhookProgress_webhookId_fkey" FOREIGN KEY ("webhookId") REFERENCES "Webhook"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookDelivery" ADD CONSTRAINT "WebhookDelivery_webhookId_fkey" FOREIGN KEY ("webhookId") REFERENCES "Webhook"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookAttempt" ADD CONSTRAINT "WebhookAttempt_deliveryId_fkey" FOREIGN KEY ("deliveryId") REFERENCES "WebhookDelivery"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "Webhook"
  ADD CONSTRAINT "Webhook_name" CHECK (length("name") BETWEEN 1 AND 100),
  ADD CONSTRAINT "Webhook_url" CHECK ("url" ~ '^https?://[^/@]+/' AND length("url") <= 2048),
  ADD CONSTRAINT "Webhook_disabled" CHECK (("status" = 'DISABLED') = ("disabledAt" IS NOT NULL)),
  ADD CONSTRAINT "Webhook_secret" CHECK ("secretVersion" >= 1 AND ("previousSecretEndsAt" IS NULL OR "secretVersion" > 1));
CREATE UNIQUE INDEX "Webhook_name_in_domain" ON "Webhook" ("domainId", "name") NULLS NOT DISTINCT WHERE "removedAt" IS NULL;
ALTER TABLE "WebhookProgress"
  ADD CONSTRAINT "WebhookProgress_failing" CHECK ("position" >= 0 AND ("failures" = 0) = ("failingSince" IS NULL));
ALTER TABLE "WebhookDelivery"
  ADD CONSTRAINT "WebhookDelivery_of" CHECK (("kind" = 'EVENT') = ("seq" IS NOT NULL AND "eventType" IS NOT NULL)),
  ADD CONSTRAINT "WebhookDelivery_pending" CHECK (("status" = 'PENDING') = ("nextAttemptAt" IS NOT NULL)),
  ADD CONSTRAINT "WebhookDelivery_attempts" CHECK ("attempts" >= 0);
ALTER TABLE "WebhookAttempt"
  ADD CONSTRAINT "WebhookAttempt_came_to" CHECK ("statusCode" IS NOT NULL OR "error" IS NOT NULL);
CREATE INDEX "WebhookDelivery_due" ON "WebhookDelivery" ("webhookId", "nextAttemptAt") WHERE "status" = 'PENDING';
CREATE INDEX "WebhookDelivery_waiting" ON "WebhookDelivery" ("webhookId", "subjectId", "seq") WHERE "status" = 'PENDING';
CREATE INDEX "WebhookDelivery_unread" ON "WebhookDelivery" ("seq") WHERE "status" = 'PENDING';

-- Whose a webhook is decides what it is sent: it never changes, and what was removed stays so.
CREATE TRIGGER "Webhook_same_owner" BEFORE UPDATE ON "Webhook" FOR EACH ROW
  WHEN ((OLD."id", OLD."domainId", OLD."createdBy") IS DISTINCT FROM (NEW."id", NEW."domainId", NEW."createdBy"))
  EXECUTE FUNCTION refuse_exchange();
CREATE TRIGGER "Webhook_stays_removed" BEFORE UPDATE ON "Webhook" FOR EACH ROW
  WHEN (OLD."removedAt" IS NOT NULL) EXECUTE FUNCTION refuse_revival();

ALTER TABLE "Webhook" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Webhook_read" ON "Webhook" FOR SELECT TO meshgate_server USING (true);
-- Of the whole mesh: an admin's alone, as no domain is null.
CREATE POLICY "Webhook_by_who_steers_new" ON "Webhook" FOR INSERT TO meshgate_server WITH CHECK (
  "createdBy" = writing_subject() AND writer_belongs_to("domainId", '{OWNER,STEWARD}'));
CREATE POLICY "Webhook_by_who_steers" ON "Webhook" FOR UPDATE TO meshgate_server USING (true) WITH CHECK (
  (writes_as_system() AND "status" = 'DISABLED') OR writer_belongs_to("domainId", '{OWNER,STEWARD}'));

GRANT SELECT, INSERT ON "Webhook" TO meshgate_server;
GRANT UPDATE ("name", "url", "filter", "status", "disabledReason", "disabledAt", "secretVersion", "previousSecretEndsAt", "removedAt",
  "removedBy") ON "Webhook" TO meshgate_server;
GRANT SELECT, INSERT, UPDATE ON "WebhookProgress" TO meshgate_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON "WebhookDelivery" TO meshgate_server;
GRANT SELECT, INSERT, DELETE ON "WebhookAttempt" TO meshgate_server;
