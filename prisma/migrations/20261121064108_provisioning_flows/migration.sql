-- CreateEnum
CREATE TYPE "DriftPolicy" AS ENUM ('REPAIR', 'REPORT');

-- CreateEnum
CREATE TYPE "ForeignGrantPolicy" AS ENUM ('REPORT', 'REVOKE');

-- CreateEnum
CREATE TYPE "AccountRevocation" AS ENUM ('ALARM', 'CUT_ACCOUNT');

-- CreateEnum
CREATE TYPE "ForeignGrantStatus" AS ENUM ('OPEN', 'ACKNOWLEDGED', 'REVOKING', 'GONE');

-- AlterTable
ALTER TABLE "AccessGrant" ADD COLUMN     "accountCutAt" TIMESTAMPTZ(3),
ADD COLUMN     "remindedDays" INTEGER;

-- AlterTable
ALTER TABLE "AccessRequest" ADD COLUMN     "extendsId" UUID;

-- AlterTable
ALTER TABLE "DataProduct" ADD COLUMN     "previousAccessMode" "AccessMode";

-- AlterTable
ALTER TABLE "ProductTable" ADD COLUMN     "crawlRun" TEXT;

-- AlterTable
ALTER TABLE "SchemaVersion" ADD COLUMN     "violations" JSONB;

-- AlterTable
ALTER TABLE "Domain" ADD COLUMN     "accountRevocation" "AccountRevocation" NOT NULL DEFAULT 'ALARM',
ADD COLUMN     "driftPolicy" "DriftPolicy" NOT NULL DEFAULT 'REPAIR',
ADD COLUMN     "foreignGrantPolicy" "ForeignGrantPolicy" NOT NULL DEFAULT 'REPORT';

-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "drift" JSONB,
ADD COLUMN     "unhealthySince" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "ForeignGrant" (
    "id" UUID NOT NULL,
    "account" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "resource" TEXT NOT NULL,
    "permissions" JSONB NOT NULL,
    "resourceId" TEXT NOT NULL,
    "status" "ForeignGrantStatus" NOT NULL DEFAULT 'OPEN',
    "firstSeenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastSeenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "acknowledgedBy" TEXT,
    "acknowledgedAt" TIMESTAMPTZ(3),
    "reason" TEXT,

    CONSTRAINT "ForeignGrant_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "ForeignGrant_resourceId_idx" ON "ForeignGrant"("resourceId");

-- CreateIndex
CREATE UNIQUE INDEX "ForeignGrant_account_region_principal_resource_key" ON "ForeignGrant"("account", "region", "principal", "resource");

-- CreateIndex
CREATE INDEX "AccessRequest_extendsId_idx" ON "AccessRequest"("extendsId");

-- AddForeignKey
ALTER TABLE "AccessRequest" ADD CONSTRAINT "AccessRequest_extendsId_fkey" FOREIGN KEY ("extendsId") REFERENCES "AccessGrant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ForeignGrant" ADD CONSTRAINT "ForeignGrant_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource"("id") ON DELETE CASCADE ON UPDATE CASCADE;


-- By hand below.

-- A grant that has ended says how, and its end agrees with what was begun.
ALTER TABLE "AccessGrant" ADD CONSTRAINT "AccessGrant_ended_as" CHECK (
  "status" NOT IN ('REVOKED', 'EXPIRED') OR "status" = "endsAs");
ALTER TABLE "AccessGrant" ADD CONSTRAINT "AccessGrant_reminded_days" CHECK ("remindedDays" >= 0);
-- One open request for another end is enough.
CREATE UNIQUE INDEX "AccessRequest_one_open_extension" ON "AccessRequest" ("extendsId")
  WHERE "extendsId" IS NOT NULL AND "status" = 'PENDING';
ALTER TABLE "DataProduct" ADD CONSTRAINT "DataProduct_previous_access_mode" CHECK ("previousAccessMode" <> "accessMode");
ALTER TABLE "ForeignGrant" ADD CONSTRAINT "ForeignGrant_account" CHECK ("account" ~ '^\d{12}$');
ALTER TABLE "ForeignGrant" ADD CONSTRAINT "ForeignGrant_acknowledged" CHECK (
  "status" <> 'ACKNOWLEDGED' OR ("acknowledgedBy" IS NOT NULL AND "acknowledgedAt" IS NOT NULL));
CREATE INDEX "AccessGrant_live_end" ON "AccessGrant" ("expiresAt") WHERE "status" IN ('PROVISIONING', 'ACTIVE', 'FAILED');

GRANT SELECT, INSERT, UPDATE, DELETE ON "ForeignGrant" TO meshgate_server;
