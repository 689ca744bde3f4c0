import type { Domain } from '../generated/prisma/client.js';
import { desire } from '../provisioning/kinds.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { inAccount, inGovernance } from './desired-grants.js';
import {
  busArn,
  CRAWLER_PREFIX,
  centralRuleArn,
  DEFAULT_EVENT_BUS,
  defaultEventTargetRole,
  INBOX_OVERFLOW_QUEUE,
  INBOX_QUEUE,
  INBOX_UNDELIVERED_QUEUE,
  queueArn,
} from './names.js';

/** Two weeks, the longest that SQS keeps a message: no outage of Meshgate loses one. */
const KEPT_SECONDS = 14 * 86_400;
/** A message that a worker received and never deleted comes again; after so many times somebody has to look. */
const MOST_RECEIVES = 20;

const CRAWLS = {
  source: ['aws.glue'],
  'detail-type': ['Glue Crawler State Change'],
  detail: { crawlerName: [{ prefix: CRAWLER_PREFIX }] },
};
const QUALITY = { source: ['aws.glue-dataquality'], 'detail-type': ['Data Quality Evaluation Results Available'] };

/**
 * What brings in what the accounts of the mesh tell: the queue, with one for what an account tells beyond its share, which workers alone
 * send to, and one for what nobody could take; a rule on the central bus for what
 * domains send, told by their account, so that nothing of the mesh's own comes back; and one on the default bus of the governance account
 * for results of AWS Glue Data Quality there. The same for every domain.
 */
export function desiredInbox(mesh: Mesh): DesiredResource[] {
  const at = inGovernance(mesh);
  const target = {
    id: 'inbox',
    arn: queueArn(mesh, mesh.governanceAccount, INBOX_QUEUE),
    deadLetterArn: queueArn(mesh, mesh.governanceAccount, INBOX_UNDELIVERED_QUEUE),
  };
  const fromDomains = desire('EventRule', at, {
    bus: mesh.centralBusName,
    name: 'inbox',
    description: 'What the domains tell the mesh',
    pattern: { account: [{ 'anything-but': [mesh.governanceAccount] }] },
    targets: [target],
  });
  const quality = desire('EventRule', at, {
    bus: DEFAULT_EVENT_BUS,
    name: 'meshgate-quality',
    description: 'Results of AWS Glue Data Quality in the central catalogue, for the mesh',
    pattern: { ...QUALITY, account: [mesh.governanceAccount] },
    targets: [target],
  });
  const senders = [centralRuleArn(mesh, 'inbox'), centralRuleArn(mesh, 'meshgate-quality', DEFAULT_EVENT_BUS)];
  const redrive = { deadLetterArn: target.deadLetterArn, maxReceives: MOST_RECEIVES };
  return [
    desire('Queue', at, { name: INBOX_UNDELIVERED_QUEUE, retentionSeconds: KEPT_SECONDS, senders }),
    desire('Queue', at, { name: INBOX_QUEUE, retentionSeconds: KEPT_SECONDS, senders, redrive }),
    desire('Queue', at, { name: INBOX_OVERFLOW_QUEUE, retentionSeconds: KEPT_SECONDS, senders: [], redrive }),
    fromDomains,
    quality,
  ];
}

/** Sends on what AWS Glue tells in the domain's account about Meshgate's crawlers and about data quality; such events come to the default bus alone. */
export function desiredGlueNews(mesh: Mesh, domain: Domain): DesiredResource[] {
  const rule = (name: string, description: string, pattern: Record<string, unknown>) =>
    desire('EventRule', inAccount(domain), {
      bus: DEFAULT_EVENT_BUS,
      name,
      description,
      pattern: { ...pattern, account: [domain.awsAccountId] },
      targets: [
        {
          id: 'central-bus',
          arn: busArn(mesh, mesh.governanceAccount, mesh.centralBusName),
          roleArn: domain.eventTargetRoleArn ?? defaultEventTargetRole(mesh, domain.awsAccountId),
        },
      ],
    });
  return [
    rule('meshgate-crawls', "States of Meshgate's crawlers, for the mesh", CRAWLS),
    rule('meshgate-quality', 'Results of AWS Glue Data Quality, for the mesh', QUALITY),
  ];
}
