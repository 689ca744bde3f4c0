-- One place belongs to one product: of the products of a domain that are in AWS no two have a table of the same name, or of the same files.
-- Checked when the transaction commits: what it says is said to people before that. Two at the same moment wait for one another.
CREATE FUNCTION refuse_taken_place() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  product uuid := coalesce(to_jsonb(NEW) ->> 'productId', to_jsonb(NEW) ->> 'id')::uuid;
  home uuid;
BEGIN
  SELECT p."domainId" INTO home FROM "DataProduct" p WHERE p."id" = product AND p."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED');
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('meshgate.places ' || home, 0));
  IF EXISTS (
    SELECT FROM "ProductTable" own
    JOIN "DataProduct" p ON p."domainId" = home AND p."id" <> product AND p."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED')
    JOIN "ProductTable" x ON x."productId" = p."id"
    CROSS JOIN LATERAL (SELECT rtrim(own."location", '/') AS mine, rtrim(x."location", '/') AS theirs) place
    WHERE own."productId" = product AND NEW."id" IN (product, own."id") AND (x."name" = own."name" OR place.mine = place.theirs
      OR starts_with(place.mine, place.theirs || '/') OR starts_with(place.theirs, place.mine || '/'))) THEN
    RAISE EXCEPTION 'another product of the domain has this table, or its files' USING ERRCODE = 'unique_violation';
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION refuse_taken_place() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER "DataProduct_of_its_own_places" AFTER UPDATE OF "status" ON "DataProduct"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW."status" IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED') AND OLD."status" NOT IN ('PUBLISHING', 'PUBLISHED', 'DEPRECATED'))
  EXECUTE FUNCTION refuse_taken_place();
CREATE CONSTRAINT TRIGGER "ProductTable_of_its_own_place" AFTER INSERT OR UPDATE OF "name", "location", "productId" ON "ProductTable"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_taken_place();
