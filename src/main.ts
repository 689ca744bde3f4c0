#!/usr/bin/env node
import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AddHelpTextContext, Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { runTour, type TourStep } from './demo/tour.js';
import { ArchiveError } from './events/archive.js';
import { BadFolder } from './events/archive-file.js';
import { BadRange } from './events/verify.js';
import { type Ready, readReadyFile, readyFileIn } from './local/ready-file.js';
import type { StartOptions } from './local/start.js';
import { StartError } from './local/start-error.js';
import { styled } from './local/welcome.js';
import { EmbeddedPostgresError } from './sandbox/postgres.js';
import type { Roles } from './server/app.js';
import type { ArchiveFlags, ExportFlags, VerifyFlags } from './server/audit-commands.js';
import { ConfigError, defaultDataDir, readConfig, readMigrateConfig } from './server/config.js';
import { describeVariables } from './server/config-variables.js';
import { ageGiven, anchorGiven, httpUrl, logNumber, portNumber } from './server/flag-value.js';
import { endOnSignal } from './server/lifecycle.js';
import { createLog } from './server/log.js';
import { MigrationError, migrate } from './server/migrate.js';

interface FaultProxyFlags {
  target: string;
  port: number;
  dataDir: string;
  account?: string;
}

interface TourFlags {
  readyFile?: string;
  json: boolean;
  url?: string;
  adminToken?: string;
  requesterToken?: string;
  deciderToken?: string;
  sandbox?: string;
}

/** The exit code of flags, folders and variables that cannot be; 1 is what verification ends with for a log that was changed. */
const WRONG_OPTIONS = 2;

/** Each command loads what it runs: help, and what is wrong with the flags, need no server. */
const auditCommands = () => import('./server/audit-commands.js');

/** Runs the command line; resolves when the command is done, or up and running. Sets the exit code. */
export async function main(args: string[]): Promise<void> {
  try {
    await commands().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.stderr.write(`\n${explain(error)}\n`);
    const wrongOptions = [ConfigError, BadFolder, BadRange].some((kind) => error instanceof kind);
    process.exitCode ??= wrongOptions ? WRONG_OPTIONS : 1;
    // A part that was started before the failure must not keep the process alive.
    setImmediate(() => process.exit());
  }
}

/** The command line, without anything run of it yet. */
export function commands(): Command {
  const program = new Command('meshgate')
    .description('A self-hosted GraphQL control plane for data meshes on AWS.')
    .version(packageJson.version)
    .showHelpAfterError()
    .addHelpText('beforeAll', refuseUnknownCommand)
    // Wrong options are told apart from what a command finds.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : WRONG_OPTIONS));
  program
    .command('start')
    .description('everything on this machine: embedded Postgres, sandbox AWS, demo mesh, server and worker')
    .option('--port <number>', 'port of the API', portNumber, 4000)
    .option('--host <address>', 'loopback address to listen on', '127.0.0.1')
    .option('--data-dir <folder>', 'where everything is kept', defaultDataDir())
    .option('--ready-file <file>', 'written once all is up: JSON with the URLs and the demo users with tokens')
    .option('--fresh', 'delete what is kept and start over', false)
    .option('--no-demo', 'leave the mesh empty')
    .addHelpText('after', `\n${describeVariables('start')}`)
    .action(async (options: StartOptions) => (await import('./local/start.js')).start(options));
  program
    .command('serve')
    .description('the API, over DATABASE_URL')
    .addHelpText('after', `\n${describeVariables('serve')}`)
    .action(() => run({ serve: true, work: false }));
  program
    .command('work')
    .description('the worker: makes AWS agree and publishes events, against DATABASE_URL and real AWS')
    .addHelpText('after', `\n${describeVariables('work')}`)
    .action(() => run({ serve: false, work: true }));
  program
    .command('migrate')
    .description('bring the database to this version, as its owner (DATABASE_OWNER_URL); run before serve and work')
    .addHelpText('after', `\n${describeVariables('migrate')}`)
    .action(migrateDatabase);
  program
    .command('tour')
    .description('walk the main job against a running server: request, approve, read, revoke')
    .option(
      '--ready-file <file>',
      'ready file of a running "meshgate start" (default: ready.json in MESHGATE_DATA_DIR, or in .meshgate)',
    )
    .option('--json', 'one JSON line a step: { step, ok, detail }', false)
    .option('--url <url>', 'the GraphQL URL, in place of a ready file')
    .option('--admin-token <token>', 'token of a platform admin, who listens to all events')
    .option('--requester-token <token>', 'token of a member of the domain that asks')
    .option('--decider-token <token>', 'token of an owner or steward of the domain that decides')
    .option('--sandbox <url>', "the sandbox's URL: asks it what can be read")
    .action(tour);
  program
    .command('verify')
    .description(
      'whether the audit trail is as it was written, over DATABASE_URL; ends with 1 and names the first number that is not, with 2 where it cannot be verified',
    )
    .option('--from <number>', 'from this number on (default: the first that is stored)', logNumber)
    .option('--to <number>', 'up to this number (default: the last)', logNumber)
    .option('--anchor <number:hash>', 'what an AuditAnchored event said; may be given several times', anchorGiven)
    .option(
      '--archive <folder>',
      'what "meshgate archive" wrote, too: from its first number to the last in the database',
    )
    .addHelpText('after', `\n${describeVariables('audit')}`)
    .action(verify);
  program
    .command('archive')
    .description('move whole old parts of the audit trail to files, as the owner of the database (DATABASE_OWNER_URL)')
    .option('--before <date|days>', 'what is older: 2026-01-31, or 90 (default: MESHGATE_RETENTION_DAYS)', ageGiven)
    .requiredOption('--to <folder>', 'where the files go; made where it is not there')
    .addHelpText('after', `\n${describeVariables('archive')}`)
    .action(async (flags: ArchiveFlags) => {
      const { archiveAuditTrail } = await auditCommands();
      await archiveAuditTrail(flags, (line) => process.stdout.write(`${line}\n`));
    });
  program
    .command('audit')
    .description('the audit trail, over DATABASE_URL')
    .command('export')
    .description('write it as JSON Lines in the OCSF API Activity class')
    .option('--from <number>', 'from this number on (default: the first that is stored)', logNumber)
    .option('--to <number>', 'up to this number (default: the last)', logNumber)
    .option('--output <file>', 'a file that is not there yet, or - for the standard output', '-')
    .addHelpText('after', `\n${describeVariables('audit')}`)
    .action(exportAudit);
  program
    .command('fault-proxy')
    .description('the faults of the sandbox in front of any AWS-shaped endpoint, another emulator for instance')
    .requiredOption('--target <url>', 'the endpoint behind it, for example http://127.0.0.1:5000', httpUrl)
    .option('--port <number>', 'port to listen on, on 127.0.0.1', portNumber, 4566)
    .option('--data-dir <folder>', 'where faults and the call log are kept', `${defaultDataDir()}-fault-proxy`)
    .option('--account <id>', 'account of callers whose key was not issued through the proxy, for faults by account')
    .addHelpText('after', FAULT_PROXY_HELP)
    .action(faultProxy);
  return program;
}

/** Commander shows help to whoever asks for it, also beside a command that there is not. */
function refuseUnknownCommand({ command, error }: AddHelpTextContext): string {
  const [name = 'help'] = command.args;
  const group = command.commands.length > 0;
  if (group && !error && name !== 'help' && !name.startsWith('-')) command.error(`error: unknown command '${name}'`);
  return '';
}

const FAULT_PROXY_HELP = `
Point clients at it as their AWS endpoint. Set faults as in the sandbox: POST a list of
{ "service", "operation", "account", "kind", "rate", "seed", "count", "latencyMs" } to /_sandbox/faults; GET shows them, DELETE ends them;
kinds are throttle, internal, timeout-applied, timeout-not-applied, partial, concurrent, latency, access-denied and outage.
GET /_sandbox/calls shows what was called.

Host is passed on as it came, since signatures cover it, and emulators do not look at it. AWS does: before AWS itself,
sign for the Host of the endpoint; a "partial" fault changes the body, which AWS then refuses.`;

async function faultProxy(flags: FaultProxyFlags): Promise<void> {
  const { startFaultProxy } = await import('./sandbox/proxy.js');
  const { url, close } = await startFaultProxy(flags);
  const tell = (line: string): boolean => process.stderr.write(`${line}\n`);
  endOnSignal({ close, log: createLog({ level: 'info' }), tell });
  process.stdout.write(`${url} -> ${flags.target}\n`);
}

async function run(roles: Roles): Promise<void> {
  const config = readConfig(process.env, roles);
  const log = createLog({ level: config.logLevel });
  const { createApp } = await import('./server/app.js');
  const app = await createApp({ config, roles, log });
  endOnSignal({ close: app.close, log, tell: () => undefined });
  const port = await app.listen();
  const { host, introspection, graphiql } = config;
  log.info({ ...roles, host, port, ...(roles.serve ? { introspection, graphiql } : {}) }, 'ready');
}

async function migrateDatabase(): Promise<void> {
  const { ownerUrl, logLevel } = readMigrateConfig();
  const applied = await migrate(ownerUrl, createLog({ level: logLevel }));
  process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}.\n` : 'The database is up to date.\n');
}

async function verify(flags: VerifyFlags): Promise<void> {
  // However it ends: 1 says what verification found, and nothing else may say it.
  process.exitCode = WRONG_OPTIONS;
  const { verifyAuditTrail } = await auditCommands();
  const intact = await verifyAuditTrail(flags, (line) => process.stdout.write(`${line}\n`));
  process.exitCode = intact ? 0 : 1;
}

async function exportAudit(flags: ExportFlags): Promise<void> {
  const { exportAuditTrail } = await auditCommands();
  const count = await exportAuditTrail(flags, packageJson.version);
  process.stderr.write(`Exported ${count} entries.\n`);
}

async function tour(flags: TourFlags): Promise<void> {
  const ready = flags.url ? undefined : readyFor(flags);
  const graphql = flags.url ?? ready?.graphql ?? '';
  const { adminToken, requesterToken, deciderToken } = { ...castOf(ready), ...given(flags) };
  if (!adminToken || !requesterToken || !deciderToken) {
    throw new StartError(
      ready
        ? `The server at ${graphql} has no demo users: it was started with --no-demo. Start one without it, or give --admin-token, --requester-token and --decider-token.`
        : '--url needs --admin-token, --requester-token and --decider-token with it: tokens of those whom the tour plays.',
    );
  }
  await assertAnswers(graphql, ready ? ' that the ready file names' : '');
  const sandbox = flags.sandbox ?? ready?.sandbox;
  const tell = flags.json ? tellJson : tellPerson;
  const ok = await runTour({ graphql, adminToken, requesterToken, deciderToken, sandbox }, tell);
  if (!ok) process.exitCode = 1;
}

function readyFor(flags: TourFlags): Ready {
  const path = resolve(flags.readyFile ?? readyFileIn(defaultDataDir()));
  const ready = readReadyFile(path);
  if (ready) return ready;
  throw new StartError(
    existsSync(path)
      ? `${path} is no ready file of "meshgate start". Name the right one with --ready-file.`
      : `There is no ready file ${path}, so no server is running over that data folder. Start one with "npm start", or name the ready file of one that runs with --ready-file, or give --url with --admin-token, --requester-token and --decider-token.`,
  );
}

async function assertAnswers(graphql: string, origin: string): Promise<void> {
  try {
    await fetch(new URL('/healthz', graphql), { signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    const why = error instanceof TypeError && error.cause instanceof Error ? error.cause.message : String(error);
    throw new StartError(
      `The server${origin} does not answer at ${graphql} (${why}). It may have been killed: start one with "npm start", or name another with --ready-file or --url.`,
    );
  }
}

type Cast = Partial<Record<'adminToken' | 'requesterToken' | 'deciderToken', string>>;

function given({ adminToken, requesterToken, deciderToken }: TourFlags): Cast {
  const cast = { adminToken, requesterToken, deciderToken };
  return Object.fromEntries(Object.entries(cast).filter(([, token]) => token !== undefined));
}

/** The demo's admin, a steward who decides, and a member of another domain who asks. */
function castOf(ready: Ready | undefined): Cast {
  const users = ready?.users ?? [];
  const admin = users.find(({ role }) => role === 'admin');
  const decider = users.find(({ role }) => role === 'steward');
  const requester = users.find(({ role, domain }) => role === 'member' && domain !== decider?.domain);
  if (!admin || !decider || !requester) return {};
  return { adminToken: admin.token, requesterToken: requester.token, deciderToken: decider.token };
}

function tellJson(step: TourStep): void {
  process.stdout.write(`${JSON.stringify(step)}\n`);
}

function tellPerson({ step, ok, detail }: TourStep): void {
  const mark = ok ? styled('green', '✓') : styled('red', '✗');
  process.stdout.write(`${mark} ${styled('bold', step)}\n  ${detail.replaceAll('\n', '\n  ')}\n`);
}

/** What a person can act on is a paragraph; anything else is a bug and comes with its stack. */
function explain(error: unknown): string {
  const known = [StartError, ConfigError, MigrationError, EmbeddedPostgresError, ArchiveError, BadFolder, BadRange];
  if (known.some((kind) => error instanceof kind)) return (error as Error).message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  if (code === 'EPIPE') return 'What read the standard output is gone: not all of it was written.';
  if (code === 'EADDRINUSE') return `The port is taken by another program (${message}). Choose another one.`;
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', '28P01', '28000', '3D000'].includes(code ?? '')) {
    return `The database cannot be reached: ${message || code}. Check DATABASE_URL (for migrate and archive, DATABASE_OWNER_URL).`;
  }
  // PostgreSQL error codes: undefined_table and insufficient_privilege.
  if (code === '42P01') return `This is no database of Meshgate, or it was not migrated: ${message}.`;
  if (code === '42501')
    return `This login may not do that: ${message}. migrate and archive need the owner's (DATABASE_OWNER_URL), all else the server's (DATABASE_URL).`;
  return stack ?? String(error);
}

/** True where this file is the program, also through the link that npm makes for it. */
function isProgram(): boolean {
  const [, program] = process.argv;
  return program !== undefined && realpathSync(program) === fileURLToPath(import.meta.url);
}

if (isProgram()) await main(process.argv.slice(2));
