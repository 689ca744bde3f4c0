-- AlterTable
ALTER TABLE "EventCursor" ADD COLUMN     "arrivedSeq" BIGINT,
ADD COLUMN     "seqWhenSeen" BIGINT,
ADD COLUMN     "setBackAt" TIMESTAMPTZ(3),
ADD COLUMN     "setBacks" INTEGER NOT NULL DEFAULT 0;

ALTER TABLE "EventCursor" ADD CONSTRAINT "EventCursor_set_back" CHECK ("setBacks" >= 0 AND ("setBacks" = 0) = ("setBackAt" IS NULL));
