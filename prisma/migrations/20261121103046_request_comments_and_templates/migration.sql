-- AlterTable
ALTER TABLE "AccessRequest" ADD COLUMN     "answers" JSONB,
ADD COLUMN     "templateId" UUID;

-- CreateTable
CREATE TABLE "AccessRequestComment" (
    "id" UUID NOT NULL,
    "requestId" UUID NOT NULL,
    "author" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccessRequestComment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "RequestTemplate" (
    "id" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "questions" JSON NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RequestTemplate_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "AccessRequestComment_requestId_createdAt_id_idx" ON "AccessRequestComment"("requestId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "RequestTemplate_productId_version_key" ON "RequestTemplate"("productId", "version");

-- AddForeignKey
ALTER TABLE "AccessRequest" ADD CONSTRAINT "AccessRequest_templateId_fkey" FOREIGN KEY ("templateId") REFERENCES "RequestTemplate"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessRequestComment" ADD CONSTRAINT "AccessRequestComment_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "AccessRequest"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "RequestTemplate" ADD CONSTRAINT "RequestTemplate_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "AccessRequestComment"
  ADD CONSTRAINT "AccessRequestComment_text" CHECK (char_length("text") BETWEEN 1 AND 2000);

ALTER TABLE "RequestTemplate"
  ADD CONSTRAINT "RequestTemplate_version" CHECK ("version" >= 1),
  ADD CONSTRAINT "RequestTemplate_questions" CHECK (json_typeof("questions") = 'object' AND octet_length("questions"::text) <= 32768),
  ADD CONSTRAINT "RequestTemplate_of_product" UNIQUE ("id", "productId");

-- Answers are to questions, and to those of the very product.
ALTER TABLE "AccessRequest"
  ADD CONSTRAINT "AccessRequest_answers" CHECK (("answers" IS NULL) = ("templateId" IS NULL) AND jsonb_typeof("answers") = 'object'),
  ADD CONSTRAINT "AccessRequest_template_of_product" FOREIGN KEY ("templateId", "productId") REFERENCES "RequestTemplate" ("id", "productId");

-- Nobody changes what was said or asked.
GRANT SELECT, INSERT ON "AccessRequestComment", "RequestTemplate" TO meshgate_server;

ALTER TABLE "AccessRequestComment" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "AccessRequestComment_read" ON "AccessRequestComment" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "AccessRequestComment_by_its_author" ON "AccessRequestComment" FOR INSERT TO meshgate_server WITH CHECK (
  "author" = writing_subject() AND EXISTS (SELECT FROM "AccessRequest" q WHERE q."id" = "requestId"
    AND (q."requestedBy" = writing_subject() OR writer_belongs_to(q."consumerDomainId") OR writer_belongs_to(domain_of_product(q."productId")))));

ALTER TABLE "RequestTemplate" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "RequestTemplate_read" ON "RequestTemplate" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "RequestTemplate_by_the_product" ON "RequestTemplate" FOR INSERT TO meshgate_server WITH CHECK (
  "createdBy" = writing_subject() AND writer_belongs_to(domain_of_product("productId"), '{OWNER,STEWARD}'));

-- What was answered is part of what was asked.
DROP TRIGGER "AccessRequest_asked_once" ON "AccessRequest";
CREATE TRIGGER "AccessRequest_asked_once" BEFORE UPDATE ON "AccessRequest" FOR EACH ROW
  WHEN ((OLD."id", OLD."productId", OLD."consumerDomainId", OLD."extendsId", OLD."requestedBy", OLD."principals", OLD."permissions",
      OLD."tables", OLD."columns", OLD."rowFilter", OLD."purpose", OLD."accessMode", OLD."grantTo", OLD."answers", OLD."templateId")
    IS DISTINCT FROM (NEW."id", NEW."productId", NEW."consumerDomainId", NEW."extendsId", NEW."requestedBy", NEW."principals",
      NEW."permissions", NEW."tables", NEW."columns", NEW."rowFilter", NEW."purpose", NEW."accessMode", NEW."grantTo", NEW."answers",
      NEW."templateId"))
  EXECUTE FUNCTION refuse_exchange();
