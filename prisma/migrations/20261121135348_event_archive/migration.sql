-- CreateTable
CREATE TABLE "EventArchive" (
    "firstSeq" BIGINT NOT NULL,
    "lastSeq" BIGINT NOT NULL,
    "count" BIGINT NOT NULL,
    "file" TEXT NOT NULL,
    "sha256" BYTEA NOT NULL,
    "headHash" BYTEA NOT NULL,
    "archivedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "EventArchive_pkey" PRIMARY KEY ("firstSeq")
);

-- CreateIndex
CREATE UNIQUE INDEX "EventArchive_lastSeq_key" ON "EventArchive"("lastSeq");

-- What stands in it is all that is left of that part of the log here: it is written with the partition's end, and stays.
ALTER TABLE "EventArchive"
  ADD CONSTRAINT "EventArchive_whole" CHECK ("firstSeq" >= 1 AND "count" = "lastSeq" - "firstSeq" + 1),
  ADD CONSTRAINT "EventArchive_hashes" CHECK (length("sha256") = 32 AND length("headHash") = 32);
CREATE TRIGGER "EventArchive_append_only" BEFORE UPDATE OR DELETE ON "EventArchive" FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER "EventArchive_no_truncate" BEFORE TRUNCATE ON "EventArchive" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The server verifies what is left, and archives nothing.
GRANT SELECT ON "EventArchive" TO meshgate_server;
