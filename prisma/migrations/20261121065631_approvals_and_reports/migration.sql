-- AlterTable
ALTER TABLE "AccessGrant" ADD COLUMN     "alarmedAt" TIMESTAMPTZ(3),
ADD COLUMN     "endingSince" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "AccessRequest" ADD COLUMN     "approvedAs" "Classification";

-- AlterTable
ALTER TABLE "DataProduct" ADD COLUMN     "provisioningReport" JSONB;
