import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DataContractStatus, DocumentFormat } from './enums.js';
import { MutationInput, PlannedInput } from './mutation.input.js';
import { Node } from './node.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'A place that is wrong.' })
export class ContractViolation {
  @Field(() => String, {
    description: 'Where: in a document, as a JSON pointer (RFC 6901) into it; in an input, dotted: tables.0.columns.',
  })
  path!: string;

  @Field(() => String, { description: 'What is wrong.' })
  reason!: string;
}

@ObjectType({ description: 'A service level that a contract promises (ODCS, Service-Level Agreement).' })
export class SlaProperty {
  @Field(() => String, { description: 'What is promised: freshness, retention, availability ...' })
  property!: string;

  @Field(() => JSONScalar, { nullable: true, description: 'How much.' })
  value!: unknown;

  @Field(() => String, { nullable: true, description: 'The unit of the value: h, d, percent ...' })
  unit!: string | null;

  @Field(() => String, { nullable: true, description: 'The table or column it is about.' })
  element!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it is promised: regulatory, analytics, operational.' })
  driver!: string | null;
}

@ObjectType({ description: 'A quality rule that a contract promises (ODCS, Data quality).' })
export class QualityRule {
  @Field(() => String, { nullable: true, description: 'The table it is about.' })
  table!: string | null;

  @Field(() => String, { nullable: true, description: 'The column it is about.' })
  column!: string | null;

  @Field(() => String, { nullable: true, description: 'text, library, sql or custom.' })
  type!: string | null;

  @Field(() => String, { nullable: true, description: 'accuracy, completeness, timeliness ...' })
  dimension!: string | null;

  @Field(() => String, { nullable: true, description: 'The rule in words.' })
  description!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The rule or metric of a library check: rowCount, nullValues ...',
  })
  rule!: string | null;

  @Field(() => String, { nullable: true, description: 'The query of an SQL check.' })
  query!: string | null;

  @Field(() => JSONScalar, {
    description: 'What must hold, by the operators of the standard: { "mustBeGreaterThan": 0 }.',
  })
  thresholds!: unknown;

  @Field(() => String, { nullable: true, description: 'How bad a breach is.' })
  severity!: string | null;

  @Field(() => String, { nullable: true, description: 'The unit of the thresholds: rows or percent.' })
  unit!: string | null;
}

@ObjectType({ implements: Node, description: 'One version of a data contract (Open Data Contract Standard).' })
export class DataContract extends Node {
  @Field(() => String, { description: "The document's `id`." })
  odcsId!: string;

  @Field(() => String, { nullable: true, description: "The document's `name`." })
  name!: string | null;

  @Field(() => String, { description: "The document's `version`; any text, as the standard demands no form." })
  version!: string;

  @Field(() => String, { description: "The version of the standard, the document's `apiVersion`." })
  apiVersion!: string;

  @Field(() => DataContractStatus, { description: 'Where it is.' })
  status!: DataContractStatus;

  @Field(() => Int, { description: 'Counts the documents that this version had before it was activated.' })
  revision!: number;

  @Field(() => String, { description: 'The document, byte for byte as it was imported.' })
  document!: string;

  @Field(() => DocumentFormat, { description: 'How the document is written.' })
  format!: DocumentFormat;

  @Field(() => [SlaProperty], { description: 'The service levels that it promises.' })
  sla!: SlaProperty[];

  @Field(() => [QualityRule], { description: 'The quality that it promises.' })
  quality!: QualityRule[];

  @Field(() => [ContractViolation], {
    description: 'Where it breaks the standard, if it was imported all the same (lenient).',
  })
  warnings!: ContractViolation[];

  @Field(() => [String], {
    description:
      'What the standard allows and Glue cannot say as it stands, and how it was taken; checks of quality that are part of no Glue ruleset.',
  })
  notes!: string[];

  @Field(() => String, { description: 'Who imported it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was imported.' })
  createdAt!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was activated.' })
  activatedAt!: string | null;
}

@ObjectType({ description: 'One difference between two contract versions.' })
export class ContractChange {
  @Field(() => String, { description: 'Where: table, table.column, sla/property ...' })
  path!: string;

  @Field(() => String, { description: 'What kind: COLUMN_REMOVED, COLUMN_TYPE_CHANGED ...' })
  kind!: string;

  @Field(() => Boolean, { description: 'Whether it can break those who read the product.' })
  breaking!: boolean;

  @Field(() => String, { description: 'The change in words.' })
  message!: string;
}

@InputType({ description: 'Finds a contract: by id, or by product and version.' })
export class DataContractBy {
  @Field(() => ID, { nullable: true, description: 'By id; then nothing else.' })
  id?: string;

  @Field(() => String, { nullable: true, description: 'By domain and name of its product: commerce/orders.' })
  path?: string;

  @Field(() => String, { nullable: true, description: 'With path: the version; default the active one.' })
  version?: string;
}

@InputType({ description: 'A contract document to import.' })
export class ImportDataContractInput extends MutationInput {
  @Field(() => ID, {
    nullable: true,
    description: 'The product it belongs to. Else it is found by the ODCS id, or made.',
  })
  dataProduct?: string;

  @Field(() => ID, {
    nullable: true,
    description: 'The domain in which the product is found or made; needed without dataProduct.',
  })
  domain?: string;

  @Field(() => String, { description: 'The ODCS document, v3.0.0 to v3.1.0, YAML or JSON, 1 MB at most.' })
  document!: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Import it although it breaks the standard, keeping the violations as warnings; default false.',
  })
  lenient?: boolean;
}

@InputType({ description: 'A contract version to put in force.' })
export class ActivateDataContractInput extends PlannedInput {
  @Field(() => ID, { description: 'The contract.' })
  dataContract!: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Activate it although it breaks those who read; default false.',
  })
  acknowledgeBreaking?: boolean;
}
