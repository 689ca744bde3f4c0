-- AlterTable
ALTER TABLE "ForeignGrant" ADD COLUMN     "lastError" JSONB,
ADD COLUMN     "tries" INTEGER NOT NULL DEFAULT 0;
