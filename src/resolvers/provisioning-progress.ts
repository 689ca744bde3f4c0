import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, ID, Info, Resolver, Root, Subscription } from 'type-graphql';
import {
  assertMayWatch,
  failuresOf,
  type ProvisioningStep,
  type WatchedOwner,
  watchedOwner,
} from '../governance/provisioning-progress.js';
import type { ReadContext } from '../governance/read/select.js';
import { Node } from '../schema/node.js';
import { ProvisioningProgress } from '../schema/provisioning-progress.js';
import { Resource } from '../schema/resource.js';
import type { RequestContext } from './context.js';
import { expectedError } from './result.js';
import { selectionOf } from './select.js';

/** A step and whose it is. */
type WatchedStep = ProvisioningStep & { watched: WatchedOwner };

async function* steps(rc: RequestContext, watched: WatchedOwner): AsyncGenerator<WatchedStep> {
  try {
    for await (const step of rc.watchProgress(watched.owner)) {
      const viewer = rc.currentViewer();
      if (!viewer) return;
      assertMayWatch(viewer, watched);
      yield { ...step, watched };
    }
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** Opens the stream once the owner was found: a wrong id is refused before anything begins. */
async function open(rc: RequestContext, id: string): Promise<AsyncGenerator<WatchedStep>> {
  const watched = await watchedOwner(rc.read, id).catch((error: unknown) => {
    throw expectedError(error) ?? error;
  });
  return steps(rc, watched);
}

const readAsNow = (rc: RequestContext): ReadContext => ({ ...rc.read, viewer: rc.currentViewer() ?? rc.read.viewer });

@Resolver(() => ProvisioningProgress)
export class ProvisioningProgressResolver {
  @Subscription(() => ProvisioningProgress, {
    description:
      'How the AWS objects of a domain, product or grant come about or go: where they are now, then each step, four a second at most. Ends when nothing more will happen by itself. For owners and stewards of its domains.',
    subscribe: ({ args, context }) => open(context as RequestContext, String(args.owner)) as never,
  })
  provisioningProgress(
    @Root() step: WatchedStep,
    @Arg('owner', () => ID, { description: 'The domain, product or grant.' }) _: string,
  ): ProvisioningProgress {
    return step as never;
  }

  @FieldResolver(() => Node, { nullable: true })
  owner(@Root() { watched }: WatchedStep, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return watched.read(readAsNow(rc), selectionOf(info));
  }

  @FieldResolver(() => [Resource])
  failures(@Root() { watched, failed }: WatchedStep, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return failed === 0 ? [] : failuresOf(readAsNow(rc), watched.owner, selectionOf(info));
  }
}
