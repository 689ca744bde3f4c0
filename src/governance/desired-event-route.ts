import type { Domain, EventRoute } from '../generated/prisma/client.js';
import { desire } from '../provisioning/kinds.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { inAccount, inGovernance } from './desired-grants.js';
import { queueArn, routeRuleName, undeliveredQueueName } from './names.js';

/** What a route's rule is made of. */
type Routed = Pick<EventRoute, 'id' | 'name' | 'pattern' | 'targets'>;

/**
 * A route's pattern as its rule has it: of what the domain may see at all, what it asked for. Its own pattern names none of the fields
 * that are added here (event-route.input.ts), so it can only narrow them.
 */
export function effectivePattern(
  mesh: Pick<Mesh, 'governanceAccount'>,
  domain: { name: string },
  pattern: unknown,
): Record<string, unknown> {
  const { detail, ...envelope } = pattern as Record<string, unknown> & { detail?: object };
  return {
    ...envelope,
    source: ['meshgate'],
    account: [mesh.governanceAccount],
    detail: { ...detail, audience: [domain.name, '*'] },
  };
}

/** The rule on the central bus; what a target does not take is kept where the domain's other undelivered events are. */
export function desiredRule(mesh: Mesh, domain: Domain, route: Routed): DesiredResource<'EventRule'> {
  const deadLetterArn = queueArn(mesh, mesh.governanceAccount, undeliveredQueueName(domain));
  return desire('EventRule', inGovernance(mesh), {
    bus: mesh.centralBusName,
    name: routeRuleName(route),
    description: `Route ${route.name} of the domain ${domain.name}`,
    pattern: effectivePattern(mesh, domain, route.pattern),
    // A queue of another account takes events from a role alone, as a bus does (EventBridge user guide, eb-service-cross-account).
    targets: route.targets.map((arn, index) => ({
      id: `target-${index + 1}`,
      arn,
      roleArn: mesh.eventTargetRoleArn,
      deadLetterArn,
    })),
  });
}

/** What the targets need in the domain's account: its buses take events from the governance account. Of its queues the policy is its own. */
export function desiredTargets(mesh: Mesh, domain: Domain, { targets }: Routed): DesiredResource[] {
  return targets.flatMap((arn) => {
    const bus = busOf(arn);
    if (bus === null) return [];
    const principalAccounts = [mesh.governanceAccount];
    return [
      desire('BusPermission', inAccount(domain), {
        bus,
        statementId: 'meshgate',
        principalAccounts,
        deniedSources: [],
      }),
    ];
  });
}

/** The name of the bus of an ARN; null where it is of something else. */
export function busOf(arn: string): string | null {
  return /^arn:aws[a-z-]*:events:[^:]+:\d{12}:event-bus\/(.+)$/.exec(arn)?.[1] ?? null;
}

/** The statement that the policy of a queue needs, so that events of the mesh come in. */
export function queueStatement(mesh: Pick<Mesh, 'eventTargetRoleArn'>, arn: string): Record<string, unknown> {
  return {
    Sid: 'MeshgateRoutes',
    Effect: 'Allow',
    Principal: { AWS: mesh.eventTargetRoleArn },
    Action: 'sqs:SendMessage',
    Resource: arn,
  };
}
