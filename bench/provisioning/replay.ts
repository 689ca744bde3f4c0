import * as glue from '@aws-sdk/client-glue';
import * as lakeFormation from '@aws-sdk/client-lakeformation';
import * as ram from '@aws-sdk/client-ram';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { type LoggedCall, REGION } from './stack.js';

interface AnyClient {
  send(command: object): Promise<object>;
}
type AnyCommand = new (input: object) => object;
interface Sdk {
  Client: new (config: object) => AnyClient;
  commands: object;
}

const SDKS: Record<string, Sdk> = {
  glue: { Client: glue.GlueClient as never, commands: glue },
  lakeformation: { Client: lakeFormation.LakeFormationClient as never, commands: lakeFormation },
  ram: { Client: ram.RAMClient as never, commands: ram },
};

/**
 * Makes logged calls anew by the SDK alone, one after the other, with what `rename` makes of their parameters; answers how long
 * that took in milliseconds. Invitations to shares that are accepted are those which the account has open.
 */
export function createReplay(
  endpoint: string,
): (calls: LoggedCall[], rename: (text: string) => string) => Promise<number> {
  const clients = new Map<string, AnyClient>();
  const clientOf = (account: string, service: string): AnyClient => {
    const key = `${account} ${service}`;
    const sdk = SDKS[service];
    if (!sdk) throw new Error(`Calls of ${service} are not made anew here.`);
    const config = { endpoint, region: REGION, credentials: governanceCredentials(account), maxAttempts: 1 };
    const client = clients.get(key) ?? new sdk.Client(config);
    clients.set(key, client);
    return client;
  };
  return async (calls, rename) => {
    const begun = performance.now();
    let invitations: string[] = [];
    for (const { account, service, operation, parameters, error } of calls) {
      const Command = (SDKS[service]?.commands as Record<string, AnyCommand> | undefined)?.[`${operation}Command`];
      if (!Command) throw new Error(`The SDK has no ${operation}.`);
      const input = JSON.parse(rename(JSON.stringify(parameters))) as Record<string, unknown>;
      if ('resourceShareInvitationArn' in input) {
        const invitation = invitations.shift();
        // A share that two accounts have already invites nobody, and the call made anew came second.
        if (invitation === undefined) continue;
        input.resourceShareInvitationArn = invitation;
      }
      const answer = await clientOf(account, service)
        .send(new Command(input))
        .catch((failure: Error) => {
          // A look at what is not there yet fails here as it failed there.
          if (error === null) throw failure;
          return {};
        });
      invitations = openInvitations(answer) ?? invitations;
    }
    return performance.now() - begun;
  };
}

/** The open ones of a listing of invitations; undefined where the answer is of something else. */
function openInvitations(answer: object): string[] | undefined {
  const { resourceShareInvitations: listed } = answer as ram.GetResourceShareInvitationsResponse;
  return listed?.flatMap(({ status, resourceShareInvitationArn: arn }) => (status === 'PENDING' && arn ? [arn] : []));
}
