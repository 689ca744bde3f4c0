import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Domain, Prisma } from '../generated/prisma/client.js';
import type { Mesh } from './context.js';
import { DEFAULT_BUS, defaultEventTargetRole } from './names.js';
import {
  accountId,
  checkMesh,
  checkRole,
  description,
  domainSlug,
  idempotencyKey,
  read,
  s3Location,
  subject,
  text,
  uuid,
  waitingTime,
} from './validation.js';

const arn = z.string().max(2_048).nullish();

const registerDomain = z.object({
  name: domainSlug,
  displayName: text(255),
  description: description.nullish(),
  awsAccountId: accountId,
  awsRegion: text(32),
  roleArn: z.string(),
  dataLocation: s3Location,
  dataAccessRoleArn: arn,
  workflowRoleArn: arn,
  crawlerRoleArn: arn,
  eventTargetRoleArn: arn,
  kmsKeyArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, 'Give the ARN of a KMS key.')
    .nullish(),
  eventBusName: z
    .string()
    .regex(
      /^(?!aws\.)(?!default$)[A-Za-z0-9._-]{1,256}$/,
      'Give the name of a custom event bus: letters, digits, . _ -',
    )
    .nullish(),
  manageSettings: z.boolean().nullish(),
  provisioning: z.enum(['DIRECT', 'DELEGATED']).nullish(),
  owners: z
    .array(subject)
    .min(1, 'Name at least one owner.')
    .max(50, 'Name at most 50 owners.')
    .transform((owners) => [...new Set(owners)]),
  idempotencyKey,
});
export type RegisterDomainInput = z.input<typeof registerDomain>;

/** The new domain's row and owners; everything that does not fit this mesh is refused. The external id is made here. */
export function newDomain(
  input: RegisterDomainInput,
  mesh: Mesh,
): { row: Prisma.DomainCreateManyInput & { name: string }; owners: string[] } {
  const { owners, idempotencyKey: _, ...fields } = read(registerDomain, input);
  checkMesh(fields, mesh);
  for (const path of ['roleArn', 'workflowRoleArn', 'crawlerRoleArn', 'eventTargetRoleArn'] as const) {
    checkRole(path, fields[path], fields.awsAccountId);
  }
  const row = {
    ...fields,
    description: fields.description ?? null,
    dataAccessRoleArn: fields.dataAccessRoleArn ?? null,
    workflowRoleArn: fields.workflowRoleArn ?? null,
    crawlerRoleArn: fields.crawlerRoleArn ?? null,
    kmsKeyArn: fields.kmsKeyArn ?? null,
    externalId: randomBytes(32).toString('base64url'),
    eventTargetRoleArn: fields.eventTargetRoleArn ?? defaultEventTargetRole(mesh, fields.awsAccountId),
    eventBusName: fields.eventBusName ?? DEFAULT_BUS,
    manageSettings: fields.manageSettings ?? false,
    provisioning: fields.provisioning ?? ('DIRECT' as const),
  };
  return { row, owners };
}

/** null takes an optional role away; what is not given stays. */
const optionalArn = z.string().max(2_048).nullable().optional();
const givenArn = z.string().max(2_048).optional();

export const updateDomain = z.object({
  domain: uuid,
  displayName: text(255).optional(),
  description: description.nullable().optional(),
  driftPolicy: z.enum(['REPAIR', 'REPORT']).optional(),
  foreignGrantPolicy: z.enum(['REPORT', 'REVOKE']).optional(),
  accountRevocation: z.enum(['ALARM', 'CUT_ACCOUNT']).optional(),
  remindAfter: waitingTime.nullable().optional(),
  escalateAfter: waitingTime.nullable().optional(),
  manageSettings: z.boolean().optional(),
  roleArn: givenArn,
  eventTargetRoleArn: givenArn,
  workflowRoleArn: optionalArn,
  crawlerRoleArn: optionalArn,
  idempotencyKey,
});
export type UpdateDomainInput = z.input<typeof updateDomain>;

/** The fields that a change of a domain gives, as its row has them; roles must be of the domain's own account. */
export function changedDomain(
  { domain: _, idempotencyKey: __, ...given }: z.output<typeof updateDomain>,
  { awsAccountId }: Pick<Domain, 'awsAccountId'>,
): Partial<Domain> {
  for (const path of ['roleArn', 'workflowRoleArn', 'crawlerRoleArn', 'eventTargetRoleArn'] as const) {
    checkRole(path, given[path], awsAccountId);
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Domain>;
}

export const addDomainMember = z.object({
  domain: uuid,
  subject,
  role: z.enum(['OWNER', 'STEWARD', 'MEMBER']),
  idempotencyKey,
});
export type AddDomainMemberInput = z.input<typeof addDomainMember>;

export const removeDomainMember = z.object({ domain: uuid, subject, idempotencyKey });
export type RemoveDomainMemberInput = z.input<typeof removeDomainMember>;
