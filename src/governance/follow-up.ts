import { alarmUnconfirmed, restoreCutAccounts } from './account-revocation.js';
import { finishModeChanges } from './change-of-mode.js';
import { type CrawlContext, finishCrawls } from './crawl.js';
import { tellWorkflows } from './delegated.js';
import { endLapsedDeputies } from './deputy.js';
import { oneByOne } from './one-by-one.js';

/**
 * What Meshgate does by itself once AWS has come so far: ends changes of access mode, takes over what crawlers found, tells the workflows of
 * domains that provision for themselves, acts upon ends that an account does not confirm, and tells of deputies whose time is over. Each is found by its rows alone, so that
 * nothing is lost with a process. Returns whether there was anything.
 */
export async function followUp(ctx: CrawlContext): Promise<boolean> {
  const acts = [
    finishModeChanges,
    finishCrawls,
    tellWorkflows,
    alarmUnconfirmed,
    restoreCutAccounts,
    endLapsedDeputies,
  ];
  return (await oneByOne(acts, async (act) => (await act(ctx)) > 0)) > 0;
}
