-- What waits to be numbered is looked for above a floor, so that rows which were moved, and stay on the disk as long as anybody has an old
-- snapshot (a backup, a forgotten transaction), are not passed again and again.

-- AlterTable
ALTER TABLE "EventHead" ADD COLUMN     "floor" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "nextFloor" BIGINT,
ADD COLUMN     "nextFloorWriters" TEXT[] DEFAULT ARRAY[]::TEXT[];

ALTER TABLE "EventHead"
  ALTER COLUMN "nextFloorWriters" SET NOT NULL,
  ADD CONSTRAINT "EventHead_floor" CHECK ("floor" >= 0 AND ("nextFloor" IS NULL OR "nextFloor" >= "floor"));

-- `wait`: for whoever holds "Event" as one does who changes or analyses it. Whoever does not wait comes again.
DROP FUNCTION ensure_event_partition(bigint);
CREATE FUNCTION ensure_event_partition(number bigint, wait boolean DEFAULT true) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first bigint := number / 1000000 * 1000000;
  partition text := 'Event_' || lpad((number / 1000000)::text, 9, '0');
BEGIN
  IF to_regclass(format('%I', partition)) IS NOT NULL THEN
    RETURN;
  END IF;
  IF NOT wait THEN
    -- What the attachment takes. ANALYZE and VACUUM of "Event" hold the same to their end (PostgreSQL, Explicit Locking).
    BEGIN
      LOCK TABLE ONLY "Event" IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
      RETURN;
    END;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE "Event" INCLUDING ALL)', partition);
  EXECUTE format('ALTER TABLE "Event" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first, first + 1000000);
END $$;
REVOKE ALL ON FUNCTION ensure_event_partition(bigint, boolean) FROM PUBLIC;

-- Who may have drawn positions of "EventPending" that cannot be seen yet: the transactions beside this one that hold the lock of INSERT. One
-- that is prepared has no pid.
CREATE FUNCTION pending_event_writers() RETURNS SETOF text LANGUAGE sql VOLATILE AS $$
  SELECT virtualtransaction FROM pg_locks
  WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = '"EventPending"'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid IS DISTINCT FROM pg_backend_pid()
$$;
REVOKE ALL ON FUNCTION pending_event_writers() FROM PUBLIC;

-- Whether any of these, as pending_event_writers named them, has not ended. One that was prepared and outlived a restart has another name
-- than before (-1/...), so it may be any of them.
CREATE FUNCTION writes_pending_events(writers text[]) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT EXISTS (SELECT FROM pending_event_writers() writer WHERE writer = ANY (writers) OR writer LIKE '-1/%')
$$;
REVOKE ALL ON FUNCTION writes_pending_events(text[]) FROM PUBLIC;

-- Numbers committed pending events densely, in order of position, and extends the hash chain:
-- hash = sha256(previous hash || seq || newline || canonical). The counter row's lock makes any number of callers safe;
-- each statement of a volatile function has a snapshot of its own (READ COMMITTED), so what committed before the lock was had is seen.
--
-- It looks at positions from the floor on. Why nothing is lost: no row with a position below the floor waits, or will ever be seen to wait.
--  1. A run reads D, the last position that was drawn, and in a later statement who writes: all other transactions with the lock ROW EXCLUSIVE
--     of "EventPending". INSERT takes that lock before it draws a position, and a transaction keeps it until after its end can be
--     seen. So whoever drew a position up to D before D was read either is among the writers, or has ended for all to see. Nobody
--     draws such a position later. This transaction itself is left out: what it wrote is committed no later than this note.
--  2. A later run, under the counter's lock, finds in one statement that none of these writers has the lock any more, so all have ended.
--     A statement after that, with a newer snapshot, therefore sees every row that there will ever be up to D. It moves them all, and D + 1
--     is the next floor; or it moves a full batch, in order, and all up to its last row are moved.
-- The note, the floor and the moves are one transaction's, so they are kept or lost together, whoever dies: a run that is rolled back,
-- a crash, a backup that is restored or another machine that takes over each find a floor that belongs to the rows beside it.
-- What this rests on:
--  - D is read by pg_sequence_last_value, which locks the sequence's page. A plain SELECT from a sequence does not, and may meet the value 32
--    ahead that nextval writes to the journal (PostgreSQL, nextval_internal in sequence.c).
--  - The sequence has no cache (CACHE 1): nobody keeps positions drawn for later. After a crash it may skip some, and never goes back: what
--    was drawn was in the journal before D was noted.
--  - A sequence that was set back all the same (logical replication carries rows and no sequences) makes the floor void: it stands
--    above D + 1 then, and is laid down again, and a note likewise. Where nobody looked until D had passed them, `afresh` finds what waits
--    below, and drops the note: asked for by whoever has just begun or was interrupted. It looks before it has the counter's lock, as it may
--    pass many moved rows.
--  - Under REPEATABLE READ no later statement has a newer snapshot: then the floor is left where it is.
--  - Two who number at once: the second waits for the counter and reads note and floor as the first left them.
-- The floor follows in steps, as each costs two looks at the locks. Without sequential scans, whose plan a connection might
-- keep from when the table was empty; the index begins at the floor.
DROP FUNCTION sequence_events(integer);
CREATE FUNCTION sequence_events(batch integer DEFAULT 2000, afresh boolean DEFAULT false) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
  step CONSTANT bigint := 200;
  head record;
  pending record;
  moved bigint[] := '{}';
  drawn bigint;
  last bigint;
  settled boolean := false;
  below boolean;
BEGIN
  -- Whoever finds nothing to do writes nothing: a row's lock takes a transaction id.
  SELECT * INTO head FROM "EventHead" WHERE id = 1;
  below := afresh AND EXISTS (SELECT FROM "EventPending" WHERE position < head."floor");
  drawn := coalesce(pg_sequence_last_value('"EventPending_position_seq"'), 0);
  PERFORM FROM "EventPending" WHERE position >= head."floor" ORDER BY position LIMIT 1;
  IF NOT FOUND AND NOT below AND head."floor" <= drawn + 1
    AND (head."nextFloor" IS NULL OR NOT afresh AND writes_pending_events(head."nextFloorWriters")) THEN
    RETURN 0;
  END IF;

  SELECT * INTO head FROM "EventHead" WHERE id = 1 FOR UPDATE;
  drawn := coalesce(pg_sequence_last_value('"EventPending_position_seq"'), 0);
  IF below OR head."floor" > drawn + 1 THEN
    head."floor" := 0;
  END IF;
  IF afresh OR head."nextFloor" > drawn + 1 THEN
    head."nextFloor" := NULL;
  END IF;
  IF head."nextFloor" IS NOT NULL AND current_setting('transaction_isolation') = 'read committed' THEN
    settled := NOT writes_pending_events(head."nextFloorWriters");
  END IF;

  last := head."floor" - 1;
  FOR pending IN SELECT * FROM "EventPending" WHERE position >= head."floor" ORDER BY position LIMIT batch LOOP
    head.seq := head.seq + 1;
    head.hash := sha256(head.hash || convert_to(head.seq::text || E'\n' || pending.canonical, 'UTF8'));
    IF head.seq % 1000000 = 0 THEN
      PERFORM ensure_event_partition(head.seq);
    END IF;
    INSERT INTO "Event" ("seq", "id", "type", "version", "subjectType", "subjectId", "subject", "domainId", "productId",
      "audiencePublic", "audienceDomains", "audienceSubjects", "actor", "correlationId", "causationId", "occurredAt", "data",
      "canonical", "hash")
    VALUES (head.seq, pending."id", pending."type", pending."version", pending."subjectType", pending."subjectId",
      pending."subject", pending."domainId", pending."productId", pending."audiencePublic", pending."audienceDomains",
      pending."audienceSubjects", pending."actor", pending."correlationId", pending."causationId", pending."occurredAt",
      pending."data", pending."canonical", head.hash);
    moved := moved || pending.position;
    last := pending.position;
  END LOOP;

  IF settled THEN
    head."floor" := CASE WHEN cardinality(moved) < batch THEN head."nextFloor" ELSE least(head."nextFloor", last + 1) END;
    head."nextFloor" := NULL;
  END IF;
  IF head."nextFloor" IS NULL THEN
    head."nextFloorWriters" := '{}';
    IF last >= head."floor" + step THEN
      head."nextFloor" := drawn + 1;
      head."nextFloorWriters" := ARRAY (SELECT pending_event_writers());
    END IF;
  END IF;
  IF cardinality(moved) > 0 THEN
    DELETE FROM "EventPending" WHERE position = ANY (moved);
    -- The next partition stands ready before its first number is due: there are as many events left to try it again.
    PERFORM ensure_event_partition(head.seq + 500000, false);
    PERFORM pg_notify('meshgate_events', head.seq::text);
  END IF;
  UPDATE "EventHead" SET seq = head.seq, hash = head.hash, "floor" = head."floor", "nextFloor" = head."nextFloor",
    "nextFloorWriters" = head."nextFloorWriters"
  WHERE id = 1 AND (seq, "floor", "nextFloor") IS DISTINCT FROM (head.seq, head."floor", head."nextFloor");
  RETURN cardinality(moved);
END $$;
REVOKE ALL ON FUNCTION sequence_events(integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sequence_events(integer, boolean) TO meshgate_server;
