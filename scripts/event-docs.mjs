// Writes docs/events from the definitions of the event types. A published schema takes nothing but new optional fields: anything else is
// refused, and needs a new version of the type.
// usage: npm run events:docs
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const folder = fileURLToPath(new URL('../docs/events', import.meta.url));
await build((step) => process.stderr.write(`  ${step} ...\n`));
const { eventDocuments, incompatibilities } = await import('../dist/events/json-schema.js');

mkdirSync(folder, { recursive: true });
for (const [name, text] of eventDocuments()) {
  const file = join(folder, name);
  const broken = name.endsWith('.json') && existsSync(file) ? breaks(file, text) : [];
  if (broken.length > 0) {
    process.stderr.write(`${name} is published, and not changed:\n${broken.map((one) => `  ${one}`).join('\n')}\n`);
    process.exitCode = 1;
  } else writeFileSync(file, text);
}

function breaks(file, text) {
  return incompatibilities(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(text));
}
