import type { Log } from './log.js';

/** How a process ends. `graceMs`: closing takes this long at most. */
export interface Lifecycle {
  close: () => Promise<void>;
  log: Log;
  /** Says to a person what goes on. */
  tell: (line: string) => void;
  graceMs?: number;
}

/** Signals this close together are one: at Ctrl-C, npm passes on what the terminal has sent to the process already. */
const oneKeystroke = 1_000;

/**
 * Waits for SIGINT, SIGTERM or SIGHUP, closes in order and ends the process with code 0; a second signal ends it at once. An error
 * that nobody caught is logged, and the process closes and ends with code 1, as what it holds in memory cannot be trusted.
 */
export function endOnSignal({ close, log, tell, graceMs = 30_000 }: Lifecycle): void {
  let closingSince: number | undefined;
  const end = (code: number): void => {
    closingSince = performance.now();
    const late = setTimeout(() => {
      log.error('closing takes too long');
      process.exit(1);
    }, graceMs);
    late.unref();
    close().then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ err: error }, 'closing failed');
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (closingSince === undefined) {
        tell('Stopping; once more to force it.');
        log.info({ signal }, 'stopping');
        end(0);
      } else if (performance.now() - closingSince > oneKeystroke) {
        tell('Stopped by force.');
        process.exit(130);
      }
    });
  }
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'an error that nobody caught');
    tell(`Stopping after an unexpected error: ${error instanceof Error ? error.message : String(error)}`);
    if (closingSince === undefined) end(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}
