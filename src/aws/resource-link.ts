import type { SpecOf } from '../provisioning/kinds.js';
import { compared, createOrCompare, differs, gone, oneByOne, sameJson } from './attempt.js';
import { PermanentFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type LinkKind = 'DatabaseLink' | 'TableLink';

/** What links to databases and links to tables differ in. */
interface LinkType<K extends LinkKind> {
  kind: K;
  /** What else may stand under the name. */
  noun: 'database' | 'table';
  nameOf(spec: SpecOf<K>): string;
  /** The link's target; null where the name belongs to an object of its own. */
  readTarget(session: AwsSession, spec: SpecOf<K>): Promise<SpecOf<K>['target'] | null>;
  create(session: AwsSession, spec: SpecOf<K>): Promise<unknown>;
  delete(session: AwsSession, spec: SpecOf<K>): Promise<unknown>;
  calls: AwsProvider<K>['calls'];
}

/**
 * A provider of resource links. They are never updated, as an update would change the target, but deleted and made anew; and deleted
 * only once their target was compared (Lake Formation developer guide, resource-links-glue-apis).
 */
export function resourceLink<K extends LinkKind>(link: LinkType<K>): AwsProvider<K> {
  const observe = async (session: AwsSession, spec: SpecOf<K>) => {
    const [target, wanted] = [await link.readTarget(session, spec), text(spec.target)];
    if (target !== null) return compared({ target }, differs('target', text(target), wanted));
    return compared({ target }, [`${link.nameOf(spec)} is a ${link.noun}, not a link to ${wanted}`]);
  };
  /** The target of what is about to be deleted; what is no link is refused. */
  const linkedTo = async (session: AwsSession, spec: SpecOf<K>) => {
    const target = await link.readTarget(session, spec);
    if (target !== null) return target;
    throw leftAlone(`${link.nameOf(spec)} is a ${link.noun} of its own, not a resource link`);
  };
  return oneByOne<K>({
    kind: link.kind,
    width: 4,
    observe: (session, { spec }) => observe(session, spec),
    async apply(session, { item: { spec }, observation: seen }) {
      if (seen.state === 'DIFFERS') {
        await linkedTo(session, spec);
        await link.delete(session, spec);
      }
      await createOrCompare(
        () => link.create(session, spec),
        () => observe(session, spec),
      );
    },
    remove: (session, { spec }) =>
      gone(async () => {
        const target = await linkedTo(session, spec);
        if (!sameJson(target, spec.target)) {
          throw leftAlone(`${link.nameOf(spec)} links to ${text(target)}, not to ${text(spec.target)}`);
        }
        await link.delete(session, spec);
      }),
    calls: link.calls,
  });
}

const leftAlone = (why: string) => new PermanentFailure('Conflict', `${why}: it is left alone.`);

function text({ catalogId, database, ...rest }: SpecOf<LinkKind>['target']): string {
  return [catalogId, database, ...Object.values(rest)].join('/');
}
