-- The log's next partition is made beside long reads.

-- Made as a table of its own, then attached: that takes SHARE UPDATE EXCLUSIVE of "Event", which goes with reads and writes, where
-- CREATE TABLE ... PARTITION OF takes ACCESS EXCLUSIVE and would wait for whoever reads, for example for pg_dump, and hold up all behind it
-- (PostgreSQL, CREATE TABLE and ALTER TABLE). Triggers per row come with the attachment; indexes and checks are those of "Event" already.
CREATE OR REPLACE FUNCTION ensure_event_partition(number bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first bigint := number / 1000000 * 1000000;
  partition text := 'Event_' || lpad((number / 1000000)::text, 9, '0');
BEGIN
  IF to_regclass(format('%I', partition)) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE "Event" INCLUDING ALL)', partition);
    EXECUTE format('ALTER TABLE "Event" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first, first + 1000000);
  END IF;
END $$;
