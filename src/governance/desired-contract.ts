import { desire } from '../provisioning/kinds.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { centralTable, inGovernance } from './desired-grants.js';
import { linkName, rulesetName, SCHEMA_REGISTRY } from './names.js';
import { qualityRulesOf } from './odcs/dqdl.js';
import { jsonSchemaOf, LONGEST_DEFINITION } from './odcs/json-schema.js';
import type { ContractInForce, ProductInForce, TableRow } from './rows.js';

/** What a contract in force comes to in AWS, and a sentence for each of its promises that AWS cannot be told. */
export interface DesiredContract {
  resources: DesiredResource[];
  leftOut: string[];
}

/**
 * What a product needs of AWS for the contract in force: the schema of each table in the registry, and a ruleset for each that has checks
 * which Glue can evaluate. A table whose columns nobody knows yet has neither.
 */
export function desiredContract(mesh: Mesh, product: ProductInForce): DesiredContract {
  const { contract } = product;
  if (contract === null) return { resources: [], leftOut: [] };
  const known = product.tables.filter(({ columns }) => columns.length > 0);
  const parts = known.flatMap((table) => [
    registration(mesh, product, table),
    ruleset(mesh, product, { table, contract }),
  ]);
  return { resources: parts.flatMap(({ resources }) => resources), leftOut: parts.flatMap(({ leftOut }) => leftOut) };
}

function registration(mesh: Mesh, product: ProductInForce, table: TableRow): DesiredContract {
  const definition = jsonSchemaOf(table.columns);
  const { length } = JSON.stringify(definition);
  if (length > LONGEST_DEFINITION) {
    const why = `has ${length} characters, and the registry takes ${LONGEST_DEFINITION}`;
    return { resources: [], leftOut: [`The schema of ${table.name} is not registered: it ${why}.`] };
  }
  const name = linkName(product.domain.name, product.name, table.name);
  const at = inGovernance(mesh);
  return {
    resources: [desire('SchemaRegistration', at, { registry: SCHEMA_REGISTRY, name, definition })],
    leftOut: [],
  };
}

function ruleset(
  mesh: Mesh,
  product: ProductInForce,
  { table, contract }: { table: TableRow; contract: ContractInForce },
): DesiredContract {
  const { rules, leftOut } = qualityRulesOf(contract.quality, table);
  if (rules.length === 0) return { resources: [], leftOut };
  const name = rulesetName(linkName(product.domain.name, product.name, table.name), product.accessMode);
  const { database } = centralTable(mesh, product, table.name, product.accessMode);
  return {
    resources: [desire('QualityRuleset', inGovernance(mesh), { name, database, table: table.name, rules })],
    leftOut,
  };
}
