/**
 * Glue, Lake Formation and RAM keep an account's state per region: what is made in one region does not exist in another.
 * AWS page: Lake Formation developer guide, "Accessing tables across Regions".
 */
import { writeAlone } from './lf-writers.js';
import type { Operation, Service, Table, World } from './service.js';
import { sandboxSettings } from './settings.js';
import { asOf, recorded } from './visibility.js';

const REGIONAL = /^(glue|lakeformation|ram)\//;
const DEFAULT_REGION = 'us-east-1';

/** The world below each regional one, so that a world is never bound to a region twice. */
const bases = new WeakMap<World, World>();

/**
 * The region whose tables bear no region in their names: that of the sandbox when its state was begun, so that a state from
 * before regions were told apart is that region's.
 */
export function homeRegion(world: World): string {
  return world.table<{ region: string }>('sandbox/region').get('home')?.region ?? DEFAULT_REGION;
}

/** Fixes the home region of a state that has none yet. */
export function settleHomeRegion(world: World, region: string): void {
  const table = world.table<{ region: string }>('sandbox/region');
  if (!table.get('home')) table.put('home', { region });
}

function suffixOf(base: World, region: string): string {
  return region === homeRegion(base) ? '' : `@${region}`;
}

/** The world as the services of this region see it. */
export function inRegion(world: World, region: string): World {
  const base = bases.get(world) ?? world;
  const suffix = suffixOf(base, region);
  const { visibilityMs } = sandboxSettings(base);
  const regional: World = {
    ...base,
    table<T>(name: string): Table<T> {
      const full = REGIONAL.test(name) ? `${name}${suffix}` : name;
      const rows = base.table<T>(full);
      return visibilityMs > 0 && REGIONAL.test(name) ? recorded(base, { name: full, rows, visibilityMs }) : rows;
    },
  };
  bases.set(regional, base);
  return regional;
}

/** What a service has beside its operations: the tables that each listing shows late, and what writes permissions. */
interface RegionalOptions {
  /** By operation, the names of the tables. */
  listings: Record<string, string[]>;
  writers?: ReadonlySet<string>;
}

/** The service with every operation bound to the region of its call. */
export function regionalService(service: Service, { listings, writers }: RegionalOptions): Service {
  const bound = Object.entries(service).map(([name, run]): [string, Operation] => {
    const shown = listings[name];
    return [
      name,
      (call, world) => {
        const here = inRegion(world, call.region);
        const base = bases.get(here) ?? world;
        const { visibilityMs, concurrentWriters } = sandboxSettings(base);
        if (shown && visibilityMs > 0) return run(call, lateView(here, { region: call.region, shown, visibilityMs }));
        if (concurrentWriters && writers?.has(name)) return writeAlone(base, call, () => run(call, here));
        return run(call, here);
      },
    ];
  });
  return Object.fromEntries(bound);
}

/** The world in which the named tables are what they were a while ago. */
function lateView(here: World, at: { region: string; shown: string[]; visibilityMs: number }): World {
  const base = bases.get(here) ?? here;
  const late: World = {
    ...here,
    table<T>(name: string): Table<T> {
      if (!at.shown.includes(name)) return here.table<T>(name);
      const full = `${name}${suffixOf(base, at.region)}`;
      return asOf(base, { name: full, rows: base.table<T>(full), visibilityMs: at.visibilityMs });
    },
  };
  bases.set(late, base);
  return late;
}
