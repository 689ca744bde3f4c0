import type { World } from './service.js';

/** What a service of AWS tells on the default bus of an account (EventBridge user guide, "Events from AWS services"). */
export interface ServiceEvent {
  account: string;
  region: string;
  /** Begins with `aws.`. */
  source: string;
  detailType: string;
  detail: object;
}

/** Puts an event on the account's default bus as the service itself; resolves once its rules have had it. */
export async function tellAsService(
  world: World,
  { account, region, source, detailType, detail }: ServiceEvent,
): Promise<void> {
  await world.invoke({
    account,
    region,
    principal: `${source.slice('aws.'.length)}.amazonaws.com`,
    session: undefined,
    service: 'events',
    operation: 'PutEvents',
    parameters: { Entries: [{ Source: source, DetailType: detailType, Detail: JSON.stringify(detail) }] },
  });
}
