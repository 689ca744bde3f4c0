import { z } from 'zod';
import { closed, dateTime, oneOfTexts, open, optional, type Rule, since, text, texts } from './rule.js';
import { commonRules, priceRule, rolesRule, slaRule, supportRule, teamRule } from './rules-common.js';
import { schemaRule } from './rules-schema.js';
import { serversRule } from './rules-server.js';
import type { OdcsVersion } from './version.js';

const built = new Map<OdcsVersion, Rule>();

/** The rule of a whole document under one version of the standard; built when first asked for. */
export function contractRule(version: OdcsVersion): Rule {
  const rule = built.get(version) ?? buildContractRule(version);
  built.set(version, rule);
  return rule;
}

/** ODCS "Fundamentals", and every section where it stands in the document. */
function buildContractRule(version: OdcsVersion): Rule {
  const common = commonRules(version);
  const { customProperties, authoritativeDefinitions } = common;
  const links = since({ added: 'v3.0.1', version, shape: { authoritativeDefinitions } });
  const description = open(
    optional({
      usage: text,
      purpose: text,
      limitations: text,
      ...links,
      ...since({ added: 'v3.0.1', version, shape: { customProperties } }),
    }),
  );
  return closed({
    version: text,
    apiVersion: z.literal(version),
    kind: oneOfTexts(['DataContract']),
    id: text,
    status: text,
    ...optional({
      name: text,
      tenant: text,
      tags: texts,
      servers: serversRule(common),
      dataProduct: text,
      description,
      domain: text,
      schema: schemaRule(common),
      support: supportRule(common),
      price: priceRule(common),
      team: teamRule(common),
      roles: rolesRule(common),
      slaDefaultElement: text,
      slaProperties: slaRule(common),
      customProperties,
      contractCreatedTs: dateTime,
      ...links,
    }),
  });
}
