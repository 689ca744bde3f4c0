import { type DueRow, standingGrants } from './due.js';
import { keyOf, reconcileForeign } from './foreign-grants.js';
import { notTried } from './judge.js';
import { mergeSpecs, specText } from './merge.js';
import type { ListedGrant } from './provider.js';
import { attempt, isSilent, type Run, tally } from './run-calls.js';
import { agreed, failed, type Verdict } from './verdict.js';

/**
 * The pass over all grants of an account: one listing in pages, however many grants there are. It shows which standing grants agree,
 * and which grants nobody asked for.
 */

/** What the pass found: verdicts on what agrees (or could not be looked at), and grants that have to be looked at one by one. */
export interface Passed {
  verdicts: Verdict[];
  suspects: DueRow[];
}

/** Whether a pass is to be made: a standing grant of the lane is due, or the settings that every account has. */
export function isPassDue<Session>({ aws }: Run<Session>, rows: DueRow[]): boolean {
  const due = rows.some(
    ({ kind, status }) => status === 'READY' && (kind === 'LfGrant' || kind === 'DataLakeSettings'),
  );
  return due && aws.providers.LfGrant.listAll !== undefined;
}

/**
 * Holds every standing grant of the lane, due or not, against one listing: so all are due again together. What the listing does not
 * plainly show to agree is left to the provider. Then treats what nobody asked for.
 */
export async function passOverGrants<Session>(run: Run<Session>, due: DueRow[]): Promise<Passed> {
  const provider = run.aws.providers.LfGrant;
  if (run.stopping() || isSilent(run, 'LfGrant'))
    return { verdicts: due.map((row) => notTried(run, row)), suspects: [] };
  // Before the listing: what becomes READY later may be younger than it.
  const standing = await standingGrants(run.db, run.lease);
  run.calling.correlationIds = [];
  const answer = await attempt(run, async () => (await provider.listAll?.(run.session)) ?? []);
  tally(run, { kind: 'LfGrant', errors: [answer.ok ? null : answer.error] });
  // Nothing follows from an incomplete listing.
  if (!answer.ok) return { verdicts: due.map((row) => failed(row, answer.error, run.verdicts)), suspects: [] };
  const listed = new Map(answer.value.map((grant) => [keyOf(grant), grant]));
  // What was sent and never seen is judged with its times, not by a listing alone.
  const certain = standing.filter((row) => !row.reissue && row.unconfirmedSpec === null);
  const plain = new Set(certain.filter((row) => agreesPlainly(row, listed.get(row.key))));
  await reconcileForeign(run, answer.value);
  return {
    verdicts: [...plain].map((row) => agreed(row, null, run.verdicts)),
    suspects: standing.filter((row) => !plain.has(row)),
  };
}

/** Whether a listing shows exactly what must be. AWS lists a permission beside its grant option. */
function agreesPlainly({ spec }: DueRow, listed: ListedGrant | undefined): boolean {
  if (!listed || !('grantable' in spec)) return false;
  const beside = (grant: Pick<ListedGrant, 'permissions' | 'grantable'>) => {
    const { permissions, grantable } = grant;
    const none = { ...spec, grantable: {} };
    const merged = mergeSpecs('LfGrant', [
      { ...none, permissions },
      { ...none, permissions: grantable },
    ]);
    return specText([merged.permissions, grantable]);
  };
  return beside(spec) === beside(listed);
}
