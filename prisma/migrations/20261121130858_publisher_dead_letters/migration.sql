-- CreateEnum
CREATE TYPE "DeadLetterStatus" AS ENUM ('DEAD', 'REDRIVING', 'SENT');

-- AlterTable
ALTER TABLE "EventCursor" ADD COLUMN     "pauseReason" TEXT,
ADD COLUMN     "pausedAt" TIMESTAMPTZ(3),
ADD COLUMN     "pausedBy" TEXT;

-- CreateTable
CREATE TABLE "DeadLetter" (
    "id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "part" INTEGER NOT NULL,
    "eventId" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "entry" JSONB NOT NULL,
    "code" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "status" "DeadLetterStatus" NOT NULL DEFAULT 'DEAD',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "refusedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "redriveId" UUID,
    "redrivenBy" TEXT,
    "sentAt" TIMESTAMPTZ(3),

    CONSTRAINT "DeadLetter_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "DeadLetter_status_seq_part_idx" ON "DeadLetter"("status", "seq", "part");

-- CreateIndex
CREATE INDEX "DeadLetter_redriveId_idx" ON "DeadLetter"("redriveId");

-- CreateIndex
CREATE UNIQUE INDEX "DeadLetter_seq_part_key" ON "DeadLetter"("seq", "part");

ALTER TABLE "DeadLetter"
  ADD CONSTRAINT "DeadLetter_part" CHECK ("part" >= 0),
  ADD CONSTRAINT "DeadLetter_attempts" CHECK ("attempts" >= 1),
  ADD CONSTRAINT "DeadLetter_sent" CHECK (("status" = 'SENT') = ("sentAt" IS NOT NULL)),
  ADD CONSTRAINT "DeadLetter_redriven" CHECK (("redriveId" IS NULL) = ("redrivenBy" IS NULL) AND ("status" = 'DEAD' OR "redriveId" IS NOT NULL));
ALTER TABLE "EventCursor" ADD CONSTRAINT "EventCursor_paused"
  CHECK (("pausedAt" IS NULL) = ("pausedBy" IS NULL) AND ("pausedAt" IS NULL) = ("pauseReason" IS NULL));

-- What was refused is never forgotten and stays what it was; how it goes on is written.
GRANT SELECT, INSERT ON "DeadLetter" TO meshgate_server;
GRANT UPDATE ("code", "message", "attempts", "status", "refusedAt", "redriveId", "redrivenBy", "sentAt") ON "DeadLetter" TO meshgate_server;

-- The second wall of write_guards: only admins have something sent again.
ALTER TABLE "DeadLetter" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "DeadLetter_read" ON "DeadLetter" FOR SELECT TO meshgate_server USING (true);
CREATE POLICY "DeadLetter_by_the_publisher" ON "DeadLetter" FOR INSERT TO meshgate_server WITH CHECK ("status" = 'DEAD');
CREATE POLICY "DeadLetter_redriven_by_admins" ON "DeadLetter" FOR UPDATE TO meshgate_server USING (true)
  WITH CHECK ("status" <> 'REDRIVING' OR writes_as_admin());
CREATE TRIGGER "DeadLetter_stays_sent" BEFORE UPDATE ON "DeadLetter" FOR EACH ROW
  WHEN (OLD."status" = 'SENT') EXECUTE FUNCTION refuse_revival();

-- Only admins hold a reader of the log up, or let it go on.
CREATE FUNCTION refuse_pause() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT writes_as_admin() THEN
    RAISE EXCEPTION 'a reader of the log is paused and resumed by admins' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "EventCursor_paused_by_admins" BEFORE UPDATE ON "EventCursor" FOR EACH ROW
  WHEN ((OLD."pausedAt", OLD."pausedBy", OLD."pauseReason") IS DISTINCT FROM (NEW."pausedAt", NEW."pausedBy", NEW."pauseReason"))
  EXECUTE FUNCTION refuse_pause();
CREATE TRIGGER "EventCursor_starts_unpaused" BEFORE INSERT ON "EventCursor" FOR EACH ROW
  WHEN (NEW."pausedAt" IS NOT NULL) EXECUTE FUNCTION refuse_pause();
REVOKE ALL ON FUNCTION refuse_pause() FROM PUBLIC;
