// Builds where sources changed, then runs the command line in this very process, so that signals and exit codes are its own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

if (process.env.npm_lifecycle_event && process.platform !== 'win32') endWithShell();

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > 22 || (major === 22 && minor >= 12)) {
  enableCompileCache?.();
  process.setSourceMapsEnabled(true);
  await buildAndRun();
} else {
  runUnderPackagedNode();
}

async function buildAndRun() {
  try {
    const { build } = await import('./build.mjs');
    await build((step) => process.stderr.write(`  ${step} ...\n`));
  } catch (error) {
    process.stderr.write(`The build failed. ${error.message}\n`);
    process.exit(1);
  }
  const { main } = await import('../dist/main.js');
  await main(process.argv.slice(2));
}

/** npm run finds node_modules/.bin/node by itself; this serves whoever calls the script with an older Node. */
function runUnderPackagedNode() {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    process.stderr.write(
      `Meshgate needs Node 22.12 or later, this is ${process.versions.node}. Run "npm ci", which brings one along.\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

/** npm runs this below a shell that passes no signal on: once the shell is gone, this ends as if it had been told to. */
function endWithShell() {
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 1_000);
  watch.unref();
  // At Ctrl-C the terminal tells both: a second signal would then force the end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      clearInterval(watch);
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}
