import { z } from 'zod';
import type { Domain, EventRoute, Prisma } from '../generated/prisma/client.js';
import { resourceId } from '../provisioning/resource.js';
import { announceDomain, changes } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context, Mesh } from './context.js';
import { desiredRule } from './desired-event-route.js';
import { declareStanding } from './domain.js';
import { conflict, notFound } from './error.js';
import {
  type AddEventRouteInput,
  addEventRoute as addEventRouteInput,
  checkPattern,
  checkTargets,
  type UpdateEventRouteInput,
  updateEventRoute as updateEventRouteInput,
} from './event-route.input.js';
import { domainSubject, lockDomain } from './rows.js';
import { lockName, mutate, type Outcome, type Tx } from './transaction.js';
import { idempotencyKey, read, uuid } from './validation.js';

/** Rules that a bus takes (EventBridge user guide, quotas); all domains share the central bus. */
const MOST_RULES = 300;
/** Of these so many may hold wildcards, which AWS raises for nobody (EventBridge user guide, quotas: "Rules containing wildcards"). */
const MOST_WILDCARD_RULES = 30;
/** Whether a rule's pattern has the operator, which stands before a text, or within anything-but; a field of that name holds a list of conditions. */
const HAS_WILDCARD =
  'strict $.pattern.** ? (exists(@.wildcard ? (@.type() == "string")) || exists(@."anything-but".wildcard))';
/** What one domain may take of them. */
const MOST_ROUTES = 20;

type Ids = { eventRouteId: string; domainId: string };

/** Sends a domain's events, as far as the pattern goes, to targets of its own besides its bus. */
export async function addEventRoute(ctx: Context, input: AddEventRouteInput): Promise<Ids> {
  const given = read(addEventRouteInput, input);
  return mutate<Ids>(ctx, { mutation: 'addEventRoute', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = await lockDomain(tx, given.domain);
    assertCan(ctx.viewer, 'domain:change-routes', domainSubject(domain));
    const data = newRoute(ctx, domain, given);
    await refuseTaken(tx, domain, given.name);
    const route = await tx.eventRoute.create({ data: { ...data, pattern: given.pattern as Prisma.JsonObject } });
    await announceRoute(ctx, tx, { domain, route, before: null, after: shown(route) });
    return declared(ctx, tx, domain, route.id);
  });
}

/** The row of a route that fits its domain; what does not is refused. */
export function newRoute(
  { mesh, viewer }: Pick<Context, 'mesh' | 'viewer'>,
  domain: Domain,
  { name, description, pattern, targets }: z.output<typeof addEventRouteInput>,
): EventRoute {
  checkPattern(mesh, domain, pattern);
  checkTargets(mesh, domain, targets);
  const now = new Date();
  const route = {
    ...{ id: crypto.randomUUID(), domainId: domain.id, name, description: description ?? null, targets, ruleId: '' },
    ...{ pattern: pattern as Prisma.JsonObject, createdAt: now, createdBy: viewer.subject, updatedAt: now },
  };
  return { ...route, ruleId: ruleIdOf(mesh, domain, route) };
}

const ruleIdOf = (mesh: Mesh, domain: Domain, route: EventRoute) => resourceId(desiredRule(mesh, domain, route));

async function refuseTaken(tx: Tx, domain: Domain, name: string): Promise<void> {
  const others = await tx.eventRoute.findMany({ where: { domainId: domain.id }, select: { name: true } });
  if (others.some((other) => other.name === name)) {
    throw conflict(`The domain ${domain.name} has a route ${name} already: change that one, or choose another name.`);
  }
  if (others.length >= MOST_ROUTES) {
    throw conflict(`A domain has ${MOST_ROUTES} routes at most: remove one, or give one more targets.`);
  }
}

/** Changes what a route carries, or where to. */
export async function updateEventRoute(ctx: Context, input: UpdateEventRouteInput): Promise<Ids> {
  const given = read(updateEventRouteInput, input);
  return changeRoute(ctx, { name: 'updateEventRoute', id: given.eventRoute, input }, async (tx, { domain, route }) => {
    if (given.pattern) checkPattern(ctx.mesh, domain, given.pattern);
    if (given.targets) checkTargets(ctx.mesh, domain, given.targets);
    const { description, pattern, targets } = { ...shown(route), ...withoutUndefined(given) };
    const difference = changes<Record<string, unknown>>(shown(route), { description, pattern, targets });
    if (difference === null) return { ids: idsOf(route) };
    await tx.eventRoute.update({
      where: { id: route.id },
      data: { description, pattern: pattern as Prisma.JsonObject, targets },
    });
    await announceRoute(ctx, tx, { domain, route, ...difference });
    return declared(ctx, tx, domain, route.id);
  });
}

const withoutUndefined = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<EventRoute>;

const removeEventRouteInput = z.object({ eventRoute: uuid, idempotencyKey });
export type RemoveEventRouteInput = z.input<typeof removeEventRouteInput>;

/** Ends a route: its rule goes. */
export async function removeEventRoute(ctx: Context, input: RemoveEventRouteInput): Promise<Ids> {
  const { eventRoute: id } = read(removeEventRouteInput, input);
  return changeRoute(ctx, { name: 'removeEventRoute', id, input }, async (tx, { domain, route }) => {
    await tx.eventRoute.delete({ where: { id } });
    await announceRoute(ctx, tx, { domain, route, before: shown(route), after: null });
    return declared(ctx, tx, domain, id);
  });
}

const shown = ({ description, pattern, targets }: EventRoute) => ({ description, pattern, targets });
const idsOf = ({ id, domainId }: Pick<EventRoute, 'id' | 'domainId'>): Ids => ({ eventRouteId: id, domainId });

interface RouteChange {
  name: string;
  id: string;
  input: { idempotencyKey?: string | null | undefined };
}

/** Locks the route's domain, as its routes are declared together, authorizes once, then does the work. */
function changeRoute(
  ctx: Context,
  { name, id, input }: RouteChange,
  work: (tx: Tx, found: { domain: Domain; route: EventRoute }) => Promise<Outcome<Ids>>,
): Promise<Ids> {
  return mutate<Ids>(ctx, { mutation: name, idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const found = await tx.eventRoute.findUnique({ where: { id }, select: { domainId: true } });
    // Who does not belong to its domain does not see it.
    if (found === null || !(ctx.viewer.admin || ctx.viewer.memberships.has(found.domainId)))
      throw notFound('The route');
    const domain = await lockDomain(tx, found.domainId);
    assertCan(ctx.viewer, 'domain:change-routes', domainSubject(domain));
    const route = await tx.eventRoute.findUnique({ where: { id } });
    if (route === null) throw notFound('The route');
    return work(tx, { domain, route });
  });
}

async function declared(ctx: Context, tx: Tx, domain: Domain, eventRouteId: string): Promise<Outcome<Ids>> {
  const lanes = await declareStanding(ctx, tx, { domain, products: false });
  await refuseTooManyRules(ctx, tx);
  return { ids: { eventRouteId, domainId: domain.id }, lanes };
}

/** Counted with this one, one after another: two at once must not both be the last that fits. */
async function refuseTooManyRules({ mesh }: Context, tx: Tx): Promise<void> {
  await lockName(tx, 'centralRules');
  const [row] = await tx.$queryRaw<{ rules: number; wildcards: number }[]>`
    SELECT count(*)::int AS rules, count(*) FILTER (WHERE jsonb_path_exists("spec", ${HAS_WILDCARD}::jsonpath, '{}', true))::int AS wildcards
    FROM "Resource" WHERE "kind" = 'EventRule' AND "account" = ${mesh.governanceAccount}
      AND "region" = ${mesh.region} AND starts_with("key", ${`${mesh.centralBusName}/`}) AND "desired" = 'PRESENT'`;
  if ((row?.rules ?? 0) > MOST_RULES) {
    throw conflict(
      `The central bus has ${MOST_RULES} rules, as many as EventBridge takes: somebody has to remove a route first.`,
    );
  }
  if ((row?.wildcards ?? 0) > MOST_WILDCARD_RULES) {
    throw conflict(
      `The central bus has ${MOST_WILDCARD_RULES} rules with \`wildcard\`, as many as EventBridge takes: say it by \`prefix\` or \`suffix\`, or have such a route removed first.`,
    );
  }
}

interface RouteNews {
  domain: Domain;
  route: Pick<EventRoute, 'id' | 'name'>;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

/** Where its events go is the domain's own affair. */
function announceRoute(ctx: Context, tx: Tx, { domain, route, before, after }: RouteNews): Promise<void> {
  const data = { eventRoute: route.name, before, after };
  return announceDomain(tx, ctx, { type: 'DomainUpdated', domain, subjects: [], data });
}
