-- Only the earliest delivery of a subject has a time; those behind it have none, and are not looked at until their turn comes.
ALTER TABLE "WebhookDelivery" DROP CONSTRAINT "WebhookDelivery_pending";
UPDATE "WebhookDelivery" d SET "nextAttemptAt" = NULL WHERE d."status" = 'PENDING' AND EXISTS (
  SELECT FROM "WebhookDelivery" e WHERE e."webhookId" = d."webhookId" AND e."subjectId" = d."subjectId" AND e."status" = 'PENDING'
    AND e."seq" < d."seq");
ALTER TABLE "WebhookDelivery"
  ADD CONSTRAINT "WebhookDelivery_over_is_not_tried" CHECK ("status" = 'PENDING' OR "nextAttemptAt" IS NULL),
  ADD CONSTRAINT "WebhookDelivery_ping_waits_for_none" CHECK ("kind" = 'EVENT' OR "status" <> 'PENDING' OR "nextAttemptAt" IS NOT NULL);

DROP INDEX "WebhookDelivery_due";
CREATE INDEX "WebhookDelivery_due" ON "WebhookDelivery" ("webhookId", "kind", "nextAttemptAt", "seq")
  WHERE "status" = 'PENDING' AND "nextAttemptAt" IS NOT NULL;
