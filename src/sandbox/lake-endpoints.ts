/** The control endpoints of the data services: who can read what, and how late and how concurrent they are. */
import { canRead, type ReadQuestion } from './can-read.js';
import { BadRequest, type ControlRequest, type Endpoint, json, ok } from './control-endpoints.js';
import type { World } from './service.js';
import { changeSandboxSettings, sandboxSettings } from './settings.js';

/** `GET /can-read`, `GET /settings` and `POST /settings`. */
export const LAKE_ENDPOINTS: Record<string, Endpoint<{ world: World }>> = {
  'GET /can-read': ({ world }, { query }) => ok(canRead(world, questionOf(query))),
  'GET /settings': ({ world }) => ok(sandboxSettings(world)),
  'POST /settings': ({ world }, request: ControlRequest) => {
    const changed = changeSandboxSettings(world, json(request));
    if (typeof changed === 'string') throw new BadRequest(changed);
    return ok(changed);
  },
};

function questionOf(query: URLSearchParams): ReadQuestion {
  const required = (name: string): string => {
    const value = query.get(name);
    if (!value) throw new BadRequest(`${name} is required`);
    return value;
  };
  const [column, permission, region] = ['column', 'permission', 'region'].map((name) => query.get(name) || undefined);
  return {
    principal: required('principal'),
    account: required('account'),
    database: required('database'),
    table: required('table'),
    ...(column && { column }),
    ...(permission && { permission: permission.toUpperCase() }),
    ...(region && { region }),
  };
}
