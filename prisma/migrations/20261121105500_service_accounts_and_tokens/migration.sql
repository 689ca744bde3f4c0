-- CreateEnum
CREATE TYPE "TokenScope" AS ENUM ('CATALOGUE_READ', 'ACCESS_READ', 'ACCESS_REQUEST', 'ACCESS_DECIDE', 'PRODUCT_WRITE', 'DOMAIN_WRITE', 'RESOURCE_READ', 'RESOURCE_WRITE');

-- CreateTable
CREATE TABLE "PersonalAccessToken" (
    "id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "holderName" TEXT,
    "name" TEXT NOT NULL,
    "scopes" "TokenScope"[],
    "hash" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "lastUsedAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "revokedBy" TEXT,

    CONSTRAINT "PersonalAccessToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ServiceAccount" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "subject" TEXT NOT NULL,
    "issuer" TEXT,
    "issuerSubject" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "removedAt" TIMESTAMPTZ(3),
    "removedBy" TEXT,

    CONSTRAINT "ServiceAccount_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ServiceAccountSecret" (
    "id" UUID NOT NULL,
    "serviceAccountId" UUID NOT NULL,
    "slot" SMALLINT,
    "hash" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "lastUsedAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "revokedBy" TEXT,

    CONSTRAINT "ServiceAccountSecret_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "PersonalAccessToken_subject_createdAt_idx" ON "PersonalAccessToken"("subject", "createdAt");

-- CreateIndex
CREATE INDEX "ServiceAccount_subject_idx" ON "ServiceAccount"("subject");

-- CreateIndex
CREATE UNIQUE INDEX "ServiceAccount_domainId_name_key" ON "ServiceAccount"("domainId", "name");

-- CreateIndex
CREATE UNIQUE INDEX "ServiceAccountSecret_serviceAccountId_slot_key" ON "ServiceAccountSecret"("serviceAccountId", "slot");

-- AddForeignKey
ALTER TABLE "ServiceAccount" ADD CONSTRAINT "ServiceAccount_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ServiceAccountSecret" ADD CONSTRAINT "ServiceAccountSecret_serviceAccountId_fkey" FOREIGN KEY ("serviceAccountId") REFERENCES "ServiceAccount"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A token lives 365 days at most, and is good for something.
ALTER TABLE "PersonalAccessToken"
  ADD CONSTRAINT "PersonalAccessToken_subject" CHECK ("subject" <> '' AND "subject" NOT LIKE 'service-account:%'),
  ADD CONSTRAINT "PersonalAccessToken_hash" CHECK (length("hash") = 32),
  ADD CONSTRAINT "PersonalAccessToken_scopes" CHECK (cardinality("scopes") >= 1),
  ADD CONSTRAINT "PersonalAccessToken_life" CHECK ("expiresAt" > "createdAt" AND "expiresAt" <= "createdAt" + interval '8760 hours'),
  ADD CONSTRAINT "PersonalAccessToken_revoked" CHECK (("revokedAt" IS NULL) = ("revokedBy" IS NULL));

-- An account signs in as itself by secrets, or as a subject of an issuer: a secret must never sign in as a subject of an issuer.
ALTER TABLE "ServiceAccount"
  ADD CONSTRAINT "ServiceAccount_name_slug" CHECK ("name" ~ '^[a-z][a-z0-9-]{0,62}$'),
  ADD CONSTRAINT "ServiceAccount_issuer" CHECK (("issuer" IS NULL) = ("issuerSubject" IS NULL)),
  ADD CONSTRAINT "ServiceAccount_subject" CHECK ("subject" <> '' AND ("issuer" IS NULL) = ("subject" LIKE 'service-account:%')),
  ADD CONSTRAINT "ServiceAccount_removed" CHECK (("removedAt" IS NULL) = ("removedBy" IS NULL));
CREATE UNIQUE INDEX "ServiceAccount_live_subject" ON "ServiceAccount" ("subject") WHERE "removedAt" IS NULL;

ALTER TABLE "ServiceAccountSecret"
  ADD CONSTRAINT "ServiceAccountSecret_hash" CHECK (length("hash") = 32),
  ADD CONSTRAINT "ServiceAccountSecret_two_at_once" CHECK ("slot" IN (1, 2) AND "revokedAt" IS NULL OR "slot" IS NULL AND "revokedAt" IS NOT NULL),
  ADD CONSTRAINT "ServiceAccountSecret_life" CHECK ("expiresAt" > "createdAt" AND "expiresAt" <= "createdAt" + interval '8760 hours'),
  ADD CONSTRAINT "ServiceAccountSecret_revoked" CHECK (("revokedAt" IS NULL) = ("revokedBy" IS NULL));

CREATE FUNCTION refuse_secret_of_issuer() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM "ServiceAccount" WHERE "id" = NEW."serviceAccountId" AND "issuer" IS NULL AND "removedAt" IS NULL) THEN
    RAISE EXCEPTION 'a service account that is removed, or signs in with an issuer, has no secrets';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "ServiceAccountSecret_own" BEFORE INSERT ON "ServiceAccountSecret" FOR EACH ROW EXECUTE FUNCTION refuse_secret_of_issuer();

-- What has ended stays ended.
CREATE FUNCTION refuse_revival() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'what was revoked or removed stays so' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER "PersonalAccessToken_stays_revoked" BEFORE UPDATE ON "PersonalAccessToken" FOR EACH ROW
  WHEN (OLD."revokedAt" IS NOT NULL AND OLD."revokedAt" IS DISTINCT FROM NEW."revokedAt") EXECUTE FUNCTION refuse_revival();
CREATE TRIGGER "ServiceAccountSecret_stays_revoked" BEFORE UPDATE ON "ServiceAccountSecret" FOR EACH ROW
  WHEN (OLD."revokedAt" IS NOT NULL AND OLD."revokedAt" IS DISTINCT FROM NEW."revokedAt") EXECUTE FUNCTION refuse_revival();
CREATE TRIGGER "ServiceAccount_stays_removed" BEFORE UPDATE ON "ServiceAccount" FOR EACH ROW
  WHEN (OLD."removedAt" IS NOT NULL AND OLD."removedAt" IS DISTINCT FROM NEW."removedAt") EXECUTE FUNCTION refuse_revival();

-- The server ends tokens and notes their use; it can neither widen one nor change whose it is, nor exchange its hash.
GRANT SELECT, INSERT ON "PersonalAccessToken", "ServiceAccount", "ServiceAccountSecret" TO meshgate_server;
GRANT UPDATE ("lastUsedAt", "revokedAt", "revokedBy") ON "PersonalAccessToken" TO meshgate_server;
GRANT UPDATE ("removedAt", "removedBy") ON "ServiceAccount" TO meshgate_server;
GRANT UPDATE ("slot", "lastUsedAt", "revokedAt", "revokedBy") ON "ServiceAccountSecret" TO meshgate_server;
REVOKE ALL ON FUNCTION refuse_secret_of_issuer(), refuse_revival() FROM PUBLIC;
