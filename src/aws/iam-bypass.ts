import {
  BatchRevokePermissionsCommand,
  type BatchRevokePermissionsCommandInput,
  type Permission,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import { isNothingToRevoke, PartialFailure } from './errors.js';
import { ALL_TABLES, listPermissions } from './lf-resource.js';
import type { AwsSession } from './session.js';

/**
 * IAM_ALLOWED_PRINCIPALS stands for "IAM policies alone decide": a permission of it on an object bypasses Lake Formation there
 * and keeps the object from being shared (Lake Formation developer guide, cross-account-prereqs).
 */
export const IAM_ALLOWED_PRINCIPALS = 'IAM_ALLOWED_PRINCIPALS';

/** An object of the catalogue, an id for the batch entry, and what IAM_ALLOWED_PRINCIPALS holds on it. */
export interface Bypass {
  id: string;
  resource: Resource;
  permissions: string[];
}

/** What IAM_ALLOWED_PRINCIPALS holds on databases (`db`) or tables (`db/table`, `db/ALL_TABLES`) of the account; one listing serves all of them. */
export async function openToIam(session: AwsSession, type: 'DATABASE' | 'TABLE'): Promise<Map<string, string[]>> {
  const principal = { DataLakePrincipalIdentifier: IAM_ALLOWED_PRINCIPALS };
  const open = new Map<string, string[]>();
  for (const { Resource: resource, Permissions: held = [] } of await listPermissions(session, {
    Principal: principal,
    ResourceType: type,
  })) {
    const table = resource?.Table ?? resource?.TableWithColumns;
    const wildcard = table?.Name === ALL_TABLES || resource?.Table?.TableWildcard !== undefined;
    const name =
      type === 'DATABASE' ? resource?.Database?.Name : `${table?.DatabaseName}/${wildcard ? ALL_TABLES : table?.Name}`;
    if (name) open.set(name, [...new Set([...(open.get(name) ?? []), ...held])]);
  }
  return open;
}

/** The difference that a bypass is; none where there is none. */
export function bypassDifferences(permissions: string[]): string[] {
  if (permissions.length === 0) return [];
  return [`${IAM_ALLOWED_PRINCIPALS} holds ${permissions.join(', ')} on it, which bypasses Lake Formation`];
}

/** Revokes what IAM_ALLOWED_PRINCIPALS holds; that it holds nothing is success. */
export async function closeToIam(session: AwsSession, bypass: Bypass): Promise<void> {
  const answer = await session.lakeFormation.send(
    new BatchRevokePermissionsCommand(bypassRevoke(session.account, bypass)),
  );
  const { ErrorCode: code, ErrorMessage: message } = answer.Failures?.[0]?.Error ?? {};
  if (code === undefined || isNothingToRevoke({ name: code, message })) return;
  throw new PartialFailure({ code, message, requestId: answer.$metadata.requestId });
}

function bypassRevoke(account: string, { id, resource, permissions }: Bypass): BatchRevokePermissionsCommandInput {
  const Principal = { DataLakePrincipalIdentifier: IAM_ALLOWED_PRINCIPALS };
  return {
    CatalogId: account,
    Entries: [{ Id: id, Principal, Resource: resource, Permissions: permissions as Permission[] }],
  };
}
