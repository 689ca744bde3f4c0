import { styleText } from 'node:util';
import type { Ready, ReadyUser } from './ready-file.js';

type Style = Parameters<typeof styleText>[0];

/** Colours on a terminal alone, and not where NO_COLOR is set. */
export function styled(style: Style, text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text, { validateStream: false }) : text;
}

const queries: [string, string][] = [
  [
    'What is there, and whose is it?',
    '{ dataProducts(first: 20) { nodes { id path status classification domain { displayName } } } }',
  ],
  [
    'Which requests wait for me?',
    '{ accessRequests(first: 20, filter: { awaitingMyDecision: true }) { nodes { id purpose status } } }',
  ],
  ['What happens right now?', 'subscription { meshEvents { sequence type occurredAt data } }'],
];

/** How the start went; `tour` is the command that walks the main job against it. */
export interface Started {
  seconds: string;
  logFile: string;
  tour: string;
}

/** What is printed once everything is up: where to go, as whom, and what to ask first. */
export function welcome(ready: Ready, { seconds, logFile, tour }: Started): string {
  const admin = ready.users.find(({ role }) => role === 'admin');
  const heading = (text: string): string => `\n${styled('bold', text)}\n`;
  const lines = [
    `\n${styled(['bold', 'green'], 'Meshgate is ready')} after ${seconds} s.\n`,
    heading('GraphiQL, as platform admin'),
    `  ${styled('cyan', link(ready.graphql, admin))}\n`,
    heading('Three queries to try'),
    ...queries.map(([question, query]) => `  ${styled('dim', `# ${question}`)}\n  ${query}\n`),
    heading('Demo users, with tokens for 24 hours (Authorization: Bearer ...)'),
    ...ready.users.map((user) => `  ${user.name.padEnd(16)} ${partOf(user)}\n    ${styled('dim', user.token)}\n`),
    `\n  GraphQL ${ready.graphql}   sandbox AWS ${ready.sandbox}   log ${logFile}\n`,
    `  See the main job end to end: ${styled('cyan', tour)}\n  Stop: Ctrl-C\n\n`,
  ];
  return lines.join('');
}

/** The token stands behind `#`, which browsers send to no server. */
function link(graphql: string, user: ReadyUser | undefined): string {
  return user ? `${graphql}#token=${user.token}` : graphql;
}

function partOf({ role, domain }: ReadyUser): string {
  if (role === 'admin') return 'platform admin';
  return role ? `${role} of ${domain}` : 'no membership';
}
