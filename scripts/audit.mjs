// Asks the registry for known advisories on what runs in production (`npm audit`). Fails where there are any; where the registry does
// not answer that question, says so and passes. usage: npm run audit
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const { stdout, stderr } = spawnSync('npm', ['audit', '--json', '--omit=dev', '--omit=optional', '--omit=peer'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  encoding: 'utf8',
  shell: process.platform === 'win32',
  maxBuffer: 64 * 1024 * 1024,
});
const report = parsed(stdout);

if (!report?.metadata) {
  const why = report?.message ?? report?.error?.summary ?? stderr.trim().split('\n').at(-1);
  process.stdout.write(`The registry in use does not tell of advisories, so nothing was checked (${why}).\n`);
} else {
  const found = Object.values(report.vulnerabilities);
  for (const { name, severity, via } of found) {
    const advisories = via.map((one) =>
      typeof one === 'string' ? `through ${one}` : `${one.title} (${one.range}) ${one.url}`,
    );
    process.stderr.write(`${severity}: ${name}: ${advisories.join('; ')}\n`);
  }
  if (found.length === 0) process.stdout.write('No known advisory on what runs in production.\n');
  else process.exitCode = 1;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
