-- Deliveries that are over are forgotten after a month, the oldest first.
CREATE INDEX "WebhookDelivery_over" ON "WebhookDelivery" ("createdAt") WHERE "status" <> 'PENDING';
