-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "AccessGrantStatus" AS ENUM ('PROVISIONING', 'ACTIVE', 'REVOKING', 'REVOKED', 'EXPIRED', 'FAILED');

-- CreateEnum
CREATE TYPE "Permission" AS ENUM ('SELECT', 'DESCRIBE', 'INSERT', 'DELETE', 'ALTER');

-- CreateEnum
CREATE TYPE "GrantTarget" AS ENUM ('PRINCIPALS', 'ACCOUNT');

-- CreateEnum
CREATE TYPE "AccessRequestStatus" AS ENUM ('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "DataContractStatus" AS ENUM ('PROPOSED', 'ACTIVE', 'DEPRECATED');

-- CreateEnum
CREATE TYPE "DocumentFormat" AS ENUM ('YAML', 'JSON');

-- CreateEnum
CREATE TYPE "AccessMode" AS ENUM ('NRAC', 'LF_TBAC');

-- CreateEnum
CREATE TYPE "Classification" AS ENUM ('PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED');

-- CreateEnum
CREATE TYPE "DataProductStatus" AS ENUM ('DRAFT', 'PUBLISHING', 'PUBLISHED', 'DEPRECATED', 'RETIRED');

-- CreateEnum
CREATE TYPE "TableFormat" AS ENUM ('PARQUET', 'ORC', 'AVRO', 'JSON', 'CSV', 'ICEBERG');

-- CreateEnum
CREATE TYPE "SchemaSource" AS ENUM ('FIELDS', 'CONTRACT', 'CRAWLER');

-- CreateEnum
CREATE TYPE "DomainStatus" AS ENUM ('REGISTERING', 'READY', 'SUSPENDED');

-- CreateEnum
CREATE TYPE "ProvisioningMode" AS ENUM ('DIRECT', 'DELEGATED');

-- CreateEnum
CREATE TYPE "DomainRole" AS ENUM ('OWNER', 'STEWARD', 'MEMBER');

-- CreateEnum
CREATE TYPE "Desired" AS ENUM ('PRESENT', 'ABSENT');

-- CreateEnum
CREATE TYPE "ResourceStatus" AS ENUM ('PENDING', 'APPLYING', 'READY', 'REMOVING', 'REMOVED', 'FAILED', 'STUCK');

-- CreateEnum
CREATE TYPE "ClaimOwner" AS ENUM ('DOMAIN', 'DATA_PRODUCT', 'ACCESS_GRANT');

-- CreateTable
CREATE TABLE "AccessGrant" (
    "id" UUID NOT NULL,
    "requestId" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "consumerDomainId" UUID NOT NULL,
    "status" "AccessGrantStatus" NOT NULL DEFAULT 'PROVISIONING',
    "expiresAt" TIMESTAMPTZ(3),
    "endsAs" "AccessGrantStatus",
    "grantedAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "revokedBy" TEXT,
    "reason" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccessGrant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AccessRequest" (
    "id" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "consumerDomainId" UUID NOT NULL,
    "requestedBy" TEXT NOT NULL,
    "principals" TEXT[],
    "permissions" "Permission"[],
    "tables" TEXT[],
    "columns" TEXT[],
    "rowFilter" TEXT,
    "purpose" TEXT NOT NULL,
    "accessMode" "AccessMode" NOT NULL,
    "grantTo" "GrantTarget" NOT NULL DEFAULT 'PRINCIPALS',
    "expiresAt" TIMESTAMPTZ(3),
    "status" "AccessRequestStatus" NOT NULL DEFAULT 'PENDING',
    "decidedBy" TEXT,
    "decidedAt" TIMESTAMPTZ(3),
    "comment" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccessRequest_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DataContract" (
    "id" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "odcsId" TEXT NOT NULL,
    "name" TEXT,
    "version" TEXT NOT NULL,
    "apiVersion" TEXT NOT NULL,
    "status" "DataContractStatus" NOT NULL DEFAULT 'PROPOSED',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "document" TEXT NOT NULL,
    "format" "DocumentFormat" NOT NULL,
    "digest" TEXT NOT NULL,
    "parsed" JSONB NOT NULL,
    "sla" JSONB NOT NULL,
    "quality" JSONB NOT NULL,
    "warnings" JSONB NOT NULL,
    "notes" TEXT[],
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "activatedAt" TIMESTAMPTZ(3),

    CONSTRAINT "DataContract_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DataContractRevision" (
    "contractId" UUID NOT NULL,
    "revision" INTEGER NOT NULL,
    "document" TEXT NOT NULL,
    "format" "DocumentFormat" NOT NULL,
    "digest" TEXT NOT NULL,
    "replacedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DataContractRevision_pkey" PRIMARY KEY ("contractId","revision")
);

-- CreateTable
CREATE TABLE "DataProduct" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "owner" TEXT,
    "accessMode" "AccessMode" NOT NULL,
    "classification" "Classification" NOT NULL,
    "status" "DataProductStatus" NOT NULL DEFAULT 'DRAFT',
    "tags" TEXT[],
    "odcsId" TEXT,
    "publishedAt" TIMESTAMPTZ(3),
    "deprecatedAt" TIMESTAMPTZ(3),
    "retiredAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DataProduct_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ProductTable" (
    "id" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "location" TEXT,
    "format" "TableFormat",

    CONSTRAINT "ProductTable_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ProductColumn" (
    "id" UUID NOT NULL,
    "tableId" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "description" TEXT,
    "required" BOOLEAN NOT NULL DEFAULT false,
    "primaryKey" BOOLEAN NOT NULL DEFAULT false,
    "partition" BOOLEAN NOT NULL DEFAULT false,
    "pii" BOOLEAN NOT NULL DEFAULT false,
    "classification" "Classification",

    CONSTRAINT "ProductColumn_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SchemaVersion" (
    "id" UUID NOT NULL,
    "productId" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "source" "SchemaSource" NOT NULL,
    "tables" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "SchemaVersion_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Domain" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "description" TEXT,
    "awsAccountId" TEXT NOT NULL,
    "awsRegion" TEXT NOT NULL,
    "roleArn" TEXT NOT NULL,
    "externalId" TEXT NOT NULL,
    "dataLocation" TEXT NOT NULL,
    "dataAccessRoleArn" TEXT,
    "workflowRoleArn" TEXT,
    "crawlerRoleArn" TEXT,
    "eventTargetRoleArn" TEXT,
    "kmsKeyArn" TEXT,
    "eventBusName" TEXT NOT NULL,
    "manageSettings" BOOLEAN NOT NULL DEFAULT false,
    "provisioning" "ProvisioningMode" NOT NULL DEFAULT 'DIRECT',
    "status" "DomainStatus" NOT NULL DEFAULT 'REGISTERING',
    "readyAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Domain_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DomainMember" (
    "id" UUID NOT NULL,
    "domainId" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "role" "DomainRole" NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,

    CONSTRAINT "DomainMember_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EventPending" (
    "position" BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1),
    "id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "subjectType" TEXT NOT NULL,
    "subjectId" UUID NOT NULL,
    "subject" JSONB NOT NULL,
    "domainId" UUID,
    "productId" UUID,
    "audiencePublic" BOOLEAN NOT NULL,
    "audienceDomains" UUID[],
    "audienceSubjects" TEXT[],
    "actor" JSONB NOT NULL,
    "correlationId" TEXT NOT NULL,
    "causationId" TEXT,
    "occurredAt" TIMESTAMPTZ(3) NOT NULL,
    "data" JSONB NOT NULL,
    "canonical" TEXT NOT NULL,

    CONSTRAINT "EventPending_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "Event" (
    "seq" BIGINT NOT NULL,
    "id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "subjectType" TEXT NOT NULL,
    "subjectId" UUID NOT NULL,
    "subject" JSONB NOT NULL,
    "domainId" UUID,
    "productId" UUID,
    "audiencePublic" BOOLEAN NOT NULL,
    "audienceDomains" UUID[],
    "audienceSubjects" TEXT[],
    "actor" JSONB NOT NULL,
    "correlationId" TEXT NOT NULL,
    "causationId" TEXT,
    "occurredAt" TIMESTAMPTZ(3) NOT NULL,
    "data" JSONB NOT NULL,
    "canonical" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "Event_pkey" PRIMARY KEY ("seq")
) PARTITION BY RANGE ("seq");

-- CreateTable
CREATE TABLE "EventHead" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "EventHead_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EventCursor" (
    "reader" TEXT NOT NULL,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "EventCursor_pkey" PRIMARY KEY ("reader")
);

-- CreateTable
CREATE TABLE "IdempotencyKey" (
    "subject" TEXT NOT NULL,
    "mutation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "inputHash" TEXT NOT NULL,
    "resultId" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "IdempotencyKey_pkey" PRIMARY KEY ("subject","mutation","key")
);

-- CreateTable
CREATE TABLE "Resource" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "account" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "dependsOn" TEXT[],
    "desired" "Desired" NOT NULL DEFAULT 'PRESENT',
    "generation" INTEGER NOT NULL DEFAULT 1,
    "status" "ResourceStatus" NOT NULL DEFAULT 'PENDING',
    "observedGeneration" INTEGER NOT NULL DEFAULT 0,
    "observed" JSONB,
    "observedAt" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastError" JSONB,
    "unconfirmedSpec" JSONB,
    "unconfirmedAt" TIMESTAMPTZ(3),
    "takenAwayAt" TIMESTAMPTZ(3),
    "narrowedAtGeneration" INTEGER,
    "reissue" BOOLEAN NOT NULL DEFAULT false,
    "reissuedAt" TIMESTAMPTZ(3),
    "correlationId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Resource_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ResourceClaim" (
    "resourceId" TEXT NOT NULL,
    "ownerType" "ClaimOwner" NOT NULL,
    "ownerId" UUID NOT NULL,
    "spec" JSONB NOT NULL,
    "releasedAtGeneration" INTEGER,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ResourceClaim_pkey" PRIMARY KEY ("resourceId","ownerType","ownerId")
);

-- CreateTable
CREATE TABLE "Lane" (
    "account" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "holder" TEXT,
    "fence" BIGINT NOT NULL DEFAULT 0,
    "leaseUntil" TIMESTAMPTZ(3),

    CONSTRAINT "Lane_pkey" PRIMARY KEY ("account","region")
);

-- CreateIndex
CREATE UNIQUE INDEX "AccessGrant_requestId_key" ON "AccessGrant"("requestId");

-- CreateIndex
CREATE INDEX "AccessGrant_productId_createdAt_id_idx" ON "AccessGrant"("productId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessGrant_consumerDomainId_createdAt_id_idx" ON "AccessGrant"("consumerDomainId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessGrant_createdAt_id_idx" ON "AccessGrant"("createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessGrant_expiresAt_idx" ON "AccessGrant"("expiresAt");

-- CreateIndex
CREATE INDEX "AccessRequest_productId_createdAt_id_idx" ON "AccessRequest"("productId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessRequest_consumerDomainId_createdAt_id_idx" ON "AccessRequest"("consumerDomainId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessRequest_requestedBy_createdAt_id_idx" ON "AccessRequest"("requestedBy", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessRequest_status_createdAt_id_idx" ON "AccessRequest"("status", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AccessRequest_createdAt_id_idx" ON "AccessRequest"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "DataContract_productId_version_key" ON "DataContract"("productId", "version");

-- CreateIndex
CREATE INDEX "DataProduct_name_id_idx" ON "DataProduct"("name", "id");

-- CreateIndex
CREATE INDEX "DataProduct_createdAt_id_idx" ON "DataProduct"("createdAt", "id");

-- CreateIndex
CREATE INDEX "DataProduct_updatedAt_id_idx" ON "DataProduct"("updatedAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "DataProduct_domainId_name_key" ON "DataProduct"("domainId", "name");

-- CreateIndex
CREATE UNIQUE INDEX "DataProduct_domainId_odcsId_key" ON "DataProduct"("domainId", "odcsId");

-- CreateIndex
CREATE UNIQUE INDEX "ProductTable_productId_name_key" ON "ProductTable"("productId", "name");

-- CreateIndex
CREATE UNIQUE INDEX "ProductColumn_tableId_name_key" ON "ProductColumn"("tableId", "name");

-- CreateIndex
CREATE UNIQUE INDEX "SchemaVersion_productId_number_key" ON "SchemaVersion"("productId", "number");

-- CreateIndex
CREATE UNIQUE INDEX "Domain_name_key" ON "Domain"("name");

-- CreateIndex
CREATE UNIQUE INDEX "Domain_awsAccountId_key" ON "Domain"("awsAccountId");

-- CreateIndex
CREATE UNIQUE INDEX "Domain_dataLocation_key" ON "Domain"("dataLocation");

-- CreateIndex
CREATE INDEX "DomainMember_subject_idx" ON "DomainMember"("subject");

-- CreateIndex
CREATE UNIQUE INDEX "DomainMember_domainId_subject_key" ON "DomainMember"("domainId", "subject");

-- CreateIndex
CREATE UNIQUE INDEX "EventPending_id_key" ON "EventPending"("id");

-- CreateIndex
CREATE INDEX "Event_subjectId_seq_idx" ON "Event"("subjectId", "seq");

-- CreateIndex
CREATE INDEX "Event_domainId_seq_idx" ON "Event"("domainId", "seq");

-- CreateIndex
CREATE INDEX "Event_type_seq_idx" ON "Event"("type", "seq");

-- CreateIndex
CREATE INDEX "Event_id_idx" ON "Event"("id");

-- CreateIndex
CREATE INDEX "IdempotencyKey_createdAt_idx" ON "IdempotencyKey"("createdAt");

-- CreateIndex
CREATE INDEX "Resource_account_region_nextAttemptAt_idx" ON "Resource"("account", "region", "nextAttemptAt");

-- CreateIndex
CREATE INDEX "Resource_dependsOn_idx" ON "Resource" USING GIN ("dependsOn");

-- CreateIndex
CREATE UNIQUE INDEX "Resource_kind_account_region_key_key" ON "Resource"("kind", "account", "region", "key");

-- CreateIndex
CREATE INDEX "ResourceClaim_ownerType_ownerId_idx" ON "ResourceClaim"("ownerType", "ownerId");

-- AddForeignKey
ALTER TABLE "AccessGrant" ADD CONSTRAINT "AccessGrant_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "AccessRequest"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessGrant" ADD CONSTRAINT "AccessGrant_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessGrant" ADD CONSTRAINT "AccessGrant_consumerDomainId_fkey" FOREIGN KEY ("consumerDomainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessRequest" ADD CONSTRAINT "AccessRequest_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessRequest" ADD CONSTRAINT "AccessRequest_consumerDomainId_fkey" FOREIGN KEY ("consumerDomainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DataContract" ADD CONSTRAINT "DataContract_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DataContractRevision" ADD CONSTRAINT "DataContractRevision_contractId_fkey" FOREIGN KEY ("contractId") REFERENCES "DataContract"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DataProduct" ADD CONSTRAINT "DataProduct_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ProductTable" ADD CONSTRAINT "ProductTable_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ProductColumn" ADD CONSTRAINT "ProductColumn_tableId_fkey" FOREIGN KEY ("tableId") REFERENCES "ProductTable"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SchemaVersion" ADD CONSTRAINT "SchemaVersion_productId_fkey" FOREIGN KEY ("productId") REFERENCES "DataProduct"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DomainMember" ADD CONSTRAINT "DomainMember_domainId_fkey" FOREIGN KEY ("domainId") REFERENCES "Domain"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ResourceClaim" ADD CONSTRAINT "ResourceClaim_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource"("id") ON DELETE CASCADE ON UPDATE CASCADE;
