import {
  DeregisterResourceCommand,
  DescribeResourceCommand,
  RegisterResourceCommand,
  type RegisterResourceCommandInput,
  UpdateResourceCommand,
} from '@aws-sdk/client-lakeformation';
import type { SpecOf } from '../provisioning/kinds.js';
import { compared, createOrCompare, differs, gone, oneByOne } from './attempt.js';
import type { AwsProvider } from './session.js';

/** An S3 path registered with Lake Formation under a role of the same account; usable once AWS has verified the role. */
export const dataLocation: AwsProvider<'DataLocation'> = oneByOne<'DataLocation'>({
  kind: 'DataLocation',
  width: 1,
  async observe(session, { spec }) {
    const { ResourceInfo: info } = await session.lakeFormation.send(
      new DescribeResourceCommand({ ResourceArn: spec.arn }),
    );
    const status = info?.VerificationStatus;
    const observed = {
      roleArn: info?.RoleArn ?? null,
      hybridAccessEnabled: info?.HybridAccessEnabled ?? false,
      verificationStatus: status ?? null,
    };
    const differences = [
      ...differs('roleArn', observed.roleArn, spec.roleArn),
      ...differs('hybridAccessEnabled', observed.hybridAccessEnabled, false),
      // An update of the registration makes Lake Formation verify it anew.
      ...(status === 'VERIFICATION_FAILED' ? [unverified(spec)] : []),
    ];
    if (differences.length > 0) return { state: 'DIFFERS', observed, differences };
    if (status === 'NOT_VERIFIED') {
      return { state: 'WAITING', observed, waitingFor: `Lake Formation to verify ${spec.roleArn} on ${spec.arn}` };
    }
    return compared(observed, []);
  },
  async apply(session, { item, observation }) {
    const input = registration(item.spec);
    if (observation.state === 'WAITING') return;
    if (observation.state === 'DIFFERS') {
      await session.lakeFormation.send(new UpdateResourceCommand(update(item.spec)));
      return;
    }
    await createOrCompare(
      () => session.lakeFormation.send(new RegisterResourceCommand(input)),
      async () => (await dataLocation.observe(session, [item]))[0] ?? { state: 'MISSING' },
    );
  },
  remove: (session, { spec }) =>
    gone(() => session.lakeFormation.send(new DeregisterResourceCommand({ ResourceArn: spec.arn }))),
  calls: (_account, { spec }, action) => {
    if (action === 'DELETE') {
      return [{ service: 'lakeformation', operation: 'DeregisterResource', parameters: { ResourceArn: spec.arn } }];
    }
    if (action === 'UPDATE')
      return [{ service: 'lakeformation', operation: 'UpdateResource', parameters: update(spec) }];
    return [{ service: 'lakeformation', operation: 'RegisterResource', parameters: { ...registration(spec) } }];
  },
});

/** Never the service-linked role: it cannot read a bucket of another account. */
function registration(spec: SpecOf<'DataLocation'>): RegisterResourceCommandInput {
  return { ...update(spec), UseServiceLinkedRole: false };
}

function update(spec: SpecOf<'DataLocation'>) {
  return { ResourceArn: spec.arn, RoleArn: spec.roleArn, HybridAccessEnabled: false };
}

function unverified(spec: SpecOf<'DataLocation'>): string {
  return `Lake Formation could not verify ${spec.roleArn} on ${spec.arn}: it must trust lakeformation.amazonaws.com, and the policies of the bucket and of its key must allow it`;
}
