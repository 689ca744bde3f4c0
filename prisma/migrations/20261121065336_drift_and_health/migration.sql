-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "freshUntil" TIMESTAMPTZ(3),
ADD COLUMN     "ours" BOOLEAN NOT NULL DEFAULT false;

-- What stands, or may stand, by our doing so far.
UPDATE "Resource" SET "ours" = true
WHERE "status" <> 'REMOVED' AND ("observedGeneration" > 0 OR "unconfirmedSpec" IS NOT NULL);

-- What operators ask for: few rows of many.
CREATE INDEX "Resource_unhealthySince_idx" ON "Resource" ("unhealthySince") WHERE "unhealthySince" IS NOT NULL;
