/** How the sandbox behaves where AWS takes its time: what `POST /_sandbox/settings` changes. What stands for a fault is off at first. */
import type { World } from './service.js';

/** The settings in force; times are in milliseconds. */
export interface SandboxSettings {
  /** How long a location stays NOT_VERIFIED after it was registered or updated. */
  locationVerificationMs: number;
  /** S3 ARNs whose verification ends as VERIFICATION_FAILED. */
  verificationFails: string[];
  /** How old the state is that listings show; writes and checks always see the current one. */
  visibilityMs: number;
  /** Whether a write to the permissions of an account is refused while another one is under way there. */
  concurrentWriters: boolean;
  /** How long a run of a crawler takes. */
  crawlMs: number;
  /** How long a new schema version is PENDING. */
  schemaCheckMs: number;
}

const DEFAULTS: SandboxSettings = {
  locationVerificationMs: 0,
  verificationFails: [],
  visibilityMs: 0,
  concurrentWriters: false,
  crawlMs: 200,
  schemaCheckMs: 100,
};

const KINDS: Record<keyof SandboxSettings, { is: (value: unknown) => boolean; told: string }> = {
  locationVerificationMs: { is: isDuration, told: 'a number of milliseconds' },
  visibilityMs: { is: isDuration, told: 'a number of milliseconds' },
  crawlMs: { is: isDuration, told: 'a number of milliseconds' },
  schemaCheckMs: { is: isDuration, told: 'a number of milliseconds' },
  verificationFails: {
    is: (value) => Array.isArray(value) && value.every((arn) => typeof arn === 'string' && arn.startsWith('arn:')),
    told: 'a list of S3 ARNs',
  },
  concurrentWriters: { is: (value) => typeof value === 'boolean', told: 'true or false' },
};

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function table(world: World) {
  return world.table<Partial<SandboxSettings>>('sandbox/settings');
}

/** The settings in force; they are kept over restarts. */
export function sandboxSettings(world: World): SandboxSettings {
  return { ...DEFAULTS, ...table(world).get('settings') };
}

/** Changes the settings that are named and answers all of them; a text names the first that cannot be. */
export function changeSandboxSettings(world: World, given: unknown): SandboxSettings | string {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'an object of settings is expected';
  for (const [name, value] of Object.entries(given)) {
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name as keyof SandboxSettings] : undefined;
    if (!kind) return `there is no setting ${name}; there are ${Object.keys(KINDS).join(', ')}`;
    if (!kind.is(value)) return `${name} must be ${kind.told}`;
  }
  table(world).put('settings', { ...sandboxSettings(world), ...given });
  return sandboxSettings(world);
}
