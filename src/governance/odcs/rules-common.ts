import { z } from 'zod';
import {
  anything,
  choose,
  closedSinceV310,
  date,
  listOfRule,
  number,
  optional,
  type Rule,
  type Shape,
  since,
  text,
  texts,
} from './rule.js';
import { isAtLeast, type OdcsVersion } from './version.js';

/** Rules of a contract's parts that many sections share, for one version. */
export interface CommonRules {
  version: OdcsVersion;
  /** `id`, the stable reference that v3.1.0 gave to most parts. */
  stableId: Shape;
  customProperties: Rule;
  authoritativeDefinitions: Rule;
}

const stableId: Rule = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must be made of letters, digits, _ and - only');

/** ODCS "Custom properties" and "Authoritative definitions", and what else is met in every section. */
export function commonRules(version: OdcsVersion): CommonRules {
  const id = since({ added: 'v3.1.0', version, shape: optional({ id: stableId }) });
  const added = since({ added: 'v3.1.0', version, shape: optional({ description: text }) });
  const custom = { property: text, value: anything };
  return {
    version,
    stableId: id,
    customProperties: listOfRule(
      closedSinceV310(version, { ...id, ...added, ...(isAtLeast(version, 'v3.1.0') ? custom : optional(custom)) }),
    ),
    authoritativeDefinitions: listOfRule(closedSinceV310(version, { ...id, ...added, url: text, type: text })),
  };
}

const scalar: Rule = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** ODCS "Service-level agreement": `slaProperties`. */
export function slaRule({ version, stableId }: CommonRules): Rule {
  const named = { valueExt: scalar, unit: text, element: text, driver: text };
  const added = since({ added: 'v3.1.0', version, shape: { description: text, scheduler: text, schedule: text } });
  return listOfRule(
    closedSinceV310(version, { ...stableId, property: text, value: scalar, ...optional({ ...named, ...added }) }),
  );
}

/** ODCS "Roles", of the contract and of a server. */
export function rolesRule({ version, stableId, customProperties }: CommonRules): Rule {
  const named = { description: text, access: text, firstLevelApprovers: text, secondLevelApprovers: text };
  const added = since({ added: 'v3.0.1', version, shape: { customProperties } });
  return listOfRule(closedSinceV310(version, { ...stableId, role: text, ...optional({ ...named, ...added }) }));
}

/** ODCS "Support and communication channels". */
export function supportRule({ version, stableId, customProperties }: CommonRules): Rule {
  const named = { description: text, tool: text, scope: text, invitationUrl: text };
  const url: Shape = isAtLeast(version, 'v3.1.0') ? optional({ url: text, customProperties }) : { url: text };
  return listOfRule(closedSinceV310(version, { ...stableId, channel: text, ...url, ...optional(named) }));
}

/** ODCS "Pricing". */
export function priceRule({ version, stableId }: CommonRules): Rule {
  const named = { priceAmount: number, priceCurrency: text, priceUnit: text };
  return closedSinceV310(version, { ...stableId, ...optional(named) });
}

/** ODCS "Team": a list of members; since v3.1.0 rather an object that names them. */
export function teamRule(common: CommonRules): Rule {
  const { version, stableId, customProperties, authoritativeDefinitions } = common;
  const named = { role: text, dateIn: date, dateOut: date, replacedByUsername: text };
  const since302 = since({ added: 'v3.0.2', version, shape: { name: text, description: text } });
  if (!isAtLeast(version, 'v3.1.0')) {
    return listOfRule(closedSinceV310(version, optional({ username: text, ...named, ...since302 })));
  }
  const about = { tags: texts, customProperties, authoritativeDefinitions };
  const members = listOfRule(
    closedSinceV310(version, { ...stableId, username: text, ...optional({ ...named, ...since302, ...about }) }),
  );
  const team = closedSinceV310(version, {
    ...stableId,
    ...optional({ name: text, description: text, members, ...about }),
  });
  return choose((value) => (Array.isArray(value) ? members : team));
}
