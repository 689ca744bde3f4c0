import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { GlueClient } from '@aws-sdk/client-glue';
import type { LakeFormationClient } from '@aws-sdk/client-lakeformation';
import type { RAMClient } from '@aws-sdk/client-ram';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { Kind } from '../provisioning/kinds.js';
import type { Provider } from '../provisioning/provider.js';

/** The clients of one account for one lane run; each call first asks the lane for leave. */
export interface AwsSession {
  /** The account that is called, 12 digits. */
  account: string;
  region: string;
  lakeFormation: LakeFormationClient;
  glue: GlueClient;
  eventBridge: EventBridgeClient;
  ram: RAMClient;
  sqs: SQSClient;
}

/** A provider that speaks to AWS through the clients of a session. */
export type AwsProvider<K extends Kind> = Provider<AwsSession, K>;
