-- AlterTable
ALTER TABLE "EventCursor" ADD COLUMN     "failedTries" INTEGER,
ADD COLUMN     "failingSince" TIMESTAMPTZ(3),
ADD COLUMN     "failureCode" TEXT,
ADD COLUMN     "failureMessage" TEXT;

ALTER TABLE "EventCursor" ADD CONSTRAINT "EventCursor_failing"
  CHECK (num_nonnulls("failingSince", "failureCode", "failureMessage", "failedTries") IN (0, 4) AND "failedTries" >= 1);

-- The second wall of write_guards: the schemas that events are held against, and what came of data quality, which others read.
ALTER TABLE "DomainEventTypeVersion" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "DomainEventTypeVersion_read" ON "DomainEventTypeVersion" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "DomainEventTypeVersion_by_who_steers" ON "DomainEventTypeVersion" FOR INSERT TO meshgate_server
  WITH CHECK ("createdBy" = writing_subject() AND EXISTS (
    SELECT FROM "DomainEventType" t WHERE t."id" = "typeId" AND writer_belongs_to(t."domainId", '{OWNER,STEWARD}')));
ALTER TABLE "QualityResult" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "QualityResult_read" ON "QualityResult" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "QualityResult_told" ON "QualityResult" FOR INSERT TO meshgate_server
  WITH CHECK (writes_as_system() OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}'));
CREATE POLICY "QualityResult_told_anew" ON "QualityResult" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK (writes_as_system() OR writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}'));
