-- What a GIN index was given last waits in a list that every look-up goes through from end to end (PostgreSQL, GIN Fast Update Technique).
-- Resources change with each try, and each row whose turn is asked for is a look-up: with a thousand of them that took half a minute.
ALTER INDEX "Resource_dependsOn_idx" SET (fastupdate = off);
ALTER INDEX "DataProduct_search_idx" SET (fastupdate = off);
SELECT gin_clean_pending_list('"Resource_dependsOn_idx"'::regclass), gin_clean_pending_list('"DataProduct_search_idx"'::regclass);
