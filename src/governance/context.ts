import { type Actor, SYSTEM_ACTOR } from '../events/types.js';
import type { Classification, DomainRole, PrismaClient, TokenScope } from '../generated/prisma/client.js';
import type { CallsOf } from '../provisioning/plan.js';
import type { PolicyEngine } from './cedar/engine.js';

/** What a signed-in viewer came with. */
export interface SignIn {
  /** PERSON and MACHINE: a token of an issuer of that kind; the others are Meshgate's own. */
  kind: 'PERSON' | 'MACHINE' | 'PERSONAL_ACCESS_TOKEN' | 'SERVICE_ACCOUNT_SECRET';
  /** The issuer of the token; null where Meshgate made it. */
  issuer: string | null;
  /** `jti` of an issuer's token, null where it sets none; the uuid of a token or secret of Meshgate's. */
  tokenId: string | null;
  expiresAt: Date;
  /** What the token is good for; null where that is whatever its bearer may do. */
  scopes: ReadonlySet<TokenScope> | null;
}

/** One whose place somebody takes, now, where requests for a domain's products are decided. */
export interface Deputyship {
  /** uuid of its row. */
  id: string;
  /** uuid. */
  domainId: string;
  /** The subject of the owner or steward. */
  standsInFor: string;
  /** What that one is now. */
  role: DomainRole;
}

/** Who asks, as he is now. `memberships` maps a domain's uuid to his role there. */
export interface Viewer {
  subject: string;
  name: string | null;
  groups: readonly string[];
  /** Platform admin, from the token's groups. */
  admin: boolean;
  memberships: ReadonlyMap<string, DomainRole>;
  /** For whom he may decide; nobody where it was not read. */
  deputyships?: readonly Deputyship[];
  signIn: SignIn;
}

/** The mesh that this installation governs: one governance account and names that follow from configuration. */
export interface Mesh {
  /** The account that owns the central catalogue (G), 12 digits. */
  governanceAccount: string;
  region: string;
  /** IAM role (or user) under which Meshgate works in G; data lake administrator there. */
  governanceRoleArn: string;
  /** Role in G that Lake Formation uses to read registered locations; trusts lakeformation.amazonaws.com. */
  dataAccessRoleArn: string;
  /** Role in G that EventBridge uses for bus targets. */
  eventTargetRoleArn: string;
  centralBusName: string;
  /** Whether Meshgate writes the data lake settings of G; else it only checks them. */
  manageSettings: boolean;
  /** Reading who may read products of these classifications, and how, is itself an event. */
  auditedReads: readonly Classification[];
  /** Names of a domain's central databases, `{domain}` and `{account}` are replaced; default `{domain}_nrac`, `{domain}_tbac`. */
  databaseNames: { nrac: string; tbac: string };
}

/** What governance knows of webhooks: secrets are derived where they are signed with. */
export interface WebhookRules {
  /** The `version`th secret of a webhook, as its receiver is shown it. */
  secretOf(name: { webhookId: string; version: number }): string;
  /** Why events may not be sent to a URL, to be said after the field's name; null where they may. */
  urlProblem(url: string): string | null;
  /** The same of where its name leads now, for one without TLS: it may wait for name servers, 5 seconds at most. */
  nameProblem(url: string): Promise<string | null>;
}

/** What every action gets first. */
export interface Context {
  viewer: Viewer;
  actor: Actor;
  correlationId: string;
  db: PrismaClient;
  mesh: Mesh;
  /** Issuers of machines' tokens, each with what it puts before their subjects: those that a service account can be bound to. */
  machineIssuers: ReadonlyMap<string, string>;
  /** Called after a commit that changed desired state or appended events: wakes lanes and the sequencer. Must not throw. */
  committed: (lanes: { account: string; region: string }[]) => void;
  /** Undefined where the installation has no key for webhooks. */
  webhooks?: WebhookRules | undefined;
  /** What evaluates policies. */
  policies: PolicyEngine;
  /** The AWS calls that a plan leads to, as the provider of each kind states them. */
  callsOf: CallsOf;
}

/** What Meshgate needs to act by the clock. */
export type SystemContext = Pick<Context, 'db' | 'mesh' | 'committed'>;

/** What a step of an action needs: the mesh, and who does it in which request. */
export type ActingContext = Pick<Context, 'mesh' | 'actor' | 'correlationId'>;

/** Meshgate acts on its own, on behalf of a request or under a new correlation id. */
export const bySystem = (correlationId?: string | null): Omit<ActingContext, 'mesh'> => ({
  actor: SYSTEM_ACTOR,
  correlationId: correlationId ?? crypto.randomUUID(),
});

/** What a step needs that Meshgate takes on its own. */
export const asSystem = ({ mesh }: Pick<Context, 'mesh'>): ActingContext => ({ mesh, ...bySystem() });
