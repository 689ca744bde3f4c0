import { randomUUID } from 'node:crypto';
import { globalId } from '../../src/governance/global-id.js';
import { type Kit, rowId, SECRETS } from './cast.js';

type ByHand = Pick<Kit, 'ids'> & {
  set(text: string, values?: unknown[]): Promise<{ rows: Record<string, string>[] }>;
};

/** What only time, a failure or somebody's hand in AWS would bring. */
export async function fillByHand({ owner, ids }: Kit): Promise<void> {
  const byHand: ByHand = { ids, set: (text, values = []) => owner.query(text, values) };
  await troubleResources(byHand);
  await fillProduct(byHand);
  await fillContract(byHand);
  await endIdentities(byHand);
  await fillWebhooks(byHand);
  await holdEvents(byHand);
}

/** An AWS object of a grant that drifted, failed and was granted on, and an event that EventBridge refused. */
async function troubleResources({ ids, set }: ByHand): Promise<void> {
  await set(
    `UPDATE "Domain" SET "crawlerRoleArn" = 'arn:aws:iam::333344445555:${SECRETS.role}',
       "kmsKeyArn" = 'arn:aws:kms:eu-west-1:333344445555:key/matrix' WHERE "id" = $1`,
    [rowId(ids.logistics)],
  );
  const grantedBy = async (grant: string | undefined) => {
    const { rows } = await set(
      `SELECT r."id", r."account" FROM "Resource" r JOIN "ResourceClaim" c ON c."resourceId" = r."id"
       WHERE c."ownerId" = $1 AND r."kind" = 'LfGrant' AND r."account" = '111122223333' LIMIT 1`,
      [rowId(grant)],
    );
    return rows[0] as Record<'id' | 'account', string>;
  };
  const { id, account } = await grantedBy(ids.grant);
  ids.resource = globalId('Resource', id);
  ids.othersResource = globalId('Resource', (await grantedBy(ids.othersGrant)).id);
  const drift = {
    ...{ foundAt: new Date().toISOString(), differences: ['a permission more'], observed: { permissions: ['ALTER'] } },
    ...{ acknowledgedAt: new Date().toISOString(), acknowledgedBy: 'lena.fischer', reason: 'known' },
  };
  const error = {
    code: 'AccessDenied',
    message: `Not for ${SECRETS.principal}`,
    awsRequestId: 'r-1',
    since: drift.foundAt,
  };
  await set(
    `UPDATE "Resource" SET "drift" = $2, "lastError" = $3, "unhealthySince" = now(), "observed" = '{"seen": true}',
       "nextAttemptAt" = now() + interval '1 day' WHERE "id" = $1`,
    [id, drift, error],
  );
  const { rows: foreign } = await set(
    `INSERT INTO "ForeignGrant" ("id", "account", "region", "principal", "resource", "permissions", "resourceId", "acknowledgedAt",
       "acknowledgedBy", "reason", "lastError", "tries")
     VALUES (gen_random_uuid(), $1, 'eu-west-1', 'arn:aws:iam::123412341234:role/stranger', 'table x',
       '{"permissions": ["SELECT"], "grantable": ["SELECT"]}', $2, now(), 'lena.fischer', 'known', $3, 1) RETURNING "id"::text`,
    [account, id, error],
  );
  ids.foreign = globalId('ForeignGrant', String(foreign[0]?.id));
  const { rows: letters } = await set(
    `INSERT INTO "DeadLetter" ("id", "seq", "part", "eventId", "type", "entry", "code", "message", "attempts", "status", "redriveId",
       "redrivenBy", "sentAt")
     SELECT gen_random_uuid(), "seq", 0, "id", "type", '{"detailType": "DomainReady"}', 'MalformedDetail', 'no', 1, 'SENT',
       gen_random_uuid(), 'ada.admin', now() FROM "Event" ORDER BY "seq" LIMIT 1 RETURNING "id"::text`,
  );
  await set(
    `UPDATE "EventCursor" SET "failingSince" = now(), "failureCode" = 'Throttling', "failureMessage" = 'slow', "failedTries" = 1
     WHERE "reader" = 'eventbridge'`,
  );
  ids.letter = globalId('DeadLetter', String(letters[0]?.id));
}

async function fillProduct({ ids, set }: ByHand): Promise<void> {
  const report = {
    ...{ status: 'FAILED', message: 'no link', tables: ['shipments'], told: {} },
    ...{ reportedBy: 'lena.fischer', reportedAt: new Date().toISOString() },
  };
  await set(
    `UPDATE "DataProduct" SET "provisioningReport" = $2, "deprecatedAt" = now(), "retiredAt" = now() WHERE "id" = $1`,
    [rowId(ids.shipments), report],
  );
  await set(`UPDATE "SchemaVersion" SET "violations" = $2 WHERE "productId" = $1`, [
    rowId(ids.shipments),
    JSON.stringify([{ kind: 'missing', path: 'x', message: 'gone' }]),
  ]);
  await set(
    `UPDATE "ProductColumn" SET "classification" = 'INTERNAL' WHERE "tableId" IN (SELECT "id" FROM "ProductTable" WHERE "productId" = $1)`,
    [rowId(ids.shipments)],
  );
  await set(
    `INSERT INTO "QualityResult" ("productId", "table", "resultId", "score", "state", "rulesSucceeded", "rulesFailed", "rulesSkipped", "evaluatedAt")
     VALUES ($1, 'shipments', 'r-1', 0.9, 'FAILED', 9, 1, 1, now())`,
    [rowId(ids.shipments)],
  );
}

async function fillContract({ ids, set }: ByHand): Promise<void> {
  await set(`UPDATE "DataContract" SET "warnings" = $2, "quality" = $3, "sla" = $4 WHERE "id" = $1`, [
    rowId(ids.imported),
    JSON.stringify([{ path: 'x', reason: 'odd' }]),
    JSON.stringify([
      {
        ...{
          table: 'shipments',
          column: 'shipment_id',
          description: 'unique',
          dimension: 'uniqueness',
          type: 'library',
        },
        ...{ rule: 'duplicateCount', query: 'SELECT 1', severity: 'error', unit: 'rows', thresholds: { mustBe: 0 } },
      },
    ]),
    JSON.stringify([{ property: 'freshness', value: 2, unit: 'h', element: 'shipments', driver: 'regulatory' }]),
  ]);
}

/** Who and what is no longer what it was: accounts, secrets, deputies, tokens, types, and a request that waits. */
async function endIdentities({ ids, set }: ByHand): Promise<void> {
  const removed = async (name: string, subject: string, issuer: string | null) => {
    const { rows } = await set(
      `INSERT INTO "ServiceAccount" ("id", "domainId", "name", "subject", "issuer", "issuerSubject", "createdBy", "removedAt", "removedBy")
       VALUES (gen_random_uuid(), $1, $2, $3, $4, $4, 'lena.fischer', now(), 'lena.fischer') RETURNING "id"::text`,
      [rowId(ids.logistics), name, subject, issuer],
    );
    return String(rows[0]?.id);
  };
  ids.bound = globalId('ServiceAccount', await removed('gone-bound', 'gone', 'https://id.test'));
  await set(
    `INSERT INTO "ServiceAccountSecret" ("id", "serviceAccountId", "hash", "createdBy", "expiresAt", "revokedAt", "revokedBy")
     VALUES (gen_random_uuid(), $1, sha256('gone'), 'lena.fischer', now() + interval '1 day', now(), 'lena.fischer')`,
    [rowId(ids.machine)],
  );
  const { rows: ended } = await set(
    `UPDATE "Deputy" SET "endedAt" = now(), "endedBy" = 'lena.fischer' WHERE "deputy" = 'past.deputy' RETURNING "id"::text`,
  );
  ids.pastDeputy = globalId('Deputy', String(ended[0]?.id));
  await set(`UPDATE "AccessRequest" SET "escalatedTo" = 'OWNERS', "escalatedAt" = now() WHERE "id" = $1`, [
    rowId(ids.pending),
  ]);
  await set(`UPDATE "AccessGrant" SET "withheld" = '{shipments.weight_grams}' WHERE "id" = $1`, [rowId(ids.ended)]);
  await set(`UPDATE "DomainEventType" SET "removedAt" = now(), "removedBy" = 'lena.fischer' WHERE "id" = $1`, [
    rowId(ids.eventType),
  ]);
  await set(`UPDATE "PersonalAccessToken" SET "lastUsedAt" = now() WHERE "id" = $1`, [rowId(ids.token)]);
}

async function fillWebhooks({ ids, set }: ByHand): Promise<void> {
  const webhook = async (domainId: string | null, name: string) => {
    const id = randomUUID();
    await set(
      `WITH hook AS (
         INSERT INTO "Webhook" ("id", "domainId", "name", "url", "filter", "status", "disabledReason", "disabledAt", "secretVersion",
           "previousSecretEndsAt", "createdBy")
         VALUES ($1, $2, $3, 'https://hooks.test/matrix', '{"types": ["AccessGranted"]}', 'DISABLED', 'by hand', now(), 2, now(), 'lena.fischer')
         RETURNING "id"
       ), progress AS (
         INSERT INTO "WebhookProgress" ("webhookId", "position", "failingSince", "failures", "pausedUntil")
         SELECT "id", 1, now(), 1, now() FROM hook
       ), deliveries AS (
         INSERT INTO "WebhookDelivery" ("id", "webhookId", "kind", "messageId", "seq", "eventType", "subjectId", "status", "nextAttemptAt")
         SELECT gen_random_uuid(), "id", 'EVENT', gen_random_uuid(), 1, 'AccessGranted', gen_random_uuid(), 'PENDING', now() + interval '1 day'
         FROM hook RETURNING "id"
       ) INSERT INTO "WebhookAttempt" ("id", "deliveryId", "number", "startedAt", "milliseconds", "statusCode", "error")
         SELECT gen_random_uuid(), "id", 1, now(), 5, 500, 'no' FROM deliveries`,
      [id, domainId, name],
    );
    return globalId('Webhook', id);
  };
  ids.webhook = await webhook(rowId(ids.logistics), SECRETS.webhook);
  ids.meshWebhook = await webhook(null, 'of-all');
}

async function holdEvents({ ids, set }: ByHand): Promise<void> {
  const heldEvent = async (key: string, account: string) => {
    const { rows } = await set(
      `INSERT INTO "QuarantinedEvent" ("id", "key", "account", "eventId", "source", "detailType", "reason", "explanation", "body", "bytes",
         "status", "resolvedAt", "resolvedBy", "comment")
       VALUES (gen_random_uuid(), $1, $2, 'e-1', 'matrix', 'Matrix', 'INVALID_DETAIL', 'no', $3, octet_length($3), 'DISCARDED', now(),
         'lena.fischer', 'no use') RETURNING "id"::text`,
      [key, account, SECRETS.quarantined],
    );
    return globalId('QuarantinedEvent', String(rows[0]?.id));
  };
  ids.quarantined = await heldEvent('matrix', '333344445555');
  ids.nobodysEvent = await heldEvent('stranger', '123412341234');
}
