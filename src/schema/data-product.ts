import { Field, Float, Int, ObjectType } from 'type-graphql';
import { Progress } from './domain.js';
import {
  AccessMode,
  Classification,
  DataProductStatus,
  ProvisioningOutcome,
  SchemaSource,
  TableFormat,
} from './enums.js';
import { Health } from './health.js';
import { connectionType, Node } from './node.js';
import { RequestTemplate } from './request-template.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'A column of a table.' })
export class ProductColumn {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => String, { description: 'Its Glue (Hive) type, for example decimal(12,2).' })
  type!: string;

  @Field(() => String, { nullable: true, description: 'What it holds.' })
  description!: string | null;

  @Field(() => Boolean, { description: 'Whether every row has a value.' })
  required!: boolean;

  @Field(() => Boolean, { description: 'Whether it is part of the primary key.' })
  primaryKey!: boolean;

  @Field(() => Boolean, { description: 'Whether the table is partitioned by it.' })
  partition!: boolean;

  @Field(() => Boolean, { description: 'Whether it holds personal data.' })
  pii!: boolean;

  @Field(() => Classification, {
    nullable: true,
    description: "Where it is more sensitive than the product's classification.",
  })
  classification!: Classification | null;
}

@ObjectType({ description: 'A table of a product.' })
export class ProductTable {
  @Field(() => String, { description: 'Its name in the catalogue.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it holds.' })
  description!: string | null;

  @Field(() => String, { nullable: true, description: 'Where its files lie, s3://bucket/prefix.' })
  location!: string | null;

  @Field(() => TableFormat, { nullable: true, description: 'The format of its files.' })
  format!: TableFormat | null;

  @Field(() => [ProductColumn], { description: 'Its columns, in order.' })
  columns!: ProductColumn[];
}

@ObjectType({ description: 'How what a crawler found breaks a contract.' })
export class SchemaViolation {
  @Field(() => String, { description: 'Where, as ODCS writes references: schema/orders/properties/id.' })
  path!: string;

  @Field(() => String, {
    description:
      'What kind of change it is, as in ContractDiff (COLUMN_REMOVED), or COLUMN_REFUSED: a column that a product cannot have.',
  })
  kind!: string;

  @Field(() => String, { description: 'What is broken, for a person.' })
  message!: string;
}

@ObjectType({ description: "What a product's tables looked like from one moment on." })
export class SchemaVersion {
  @Field(() => Int, { description: 'Counts from 1.' })
  number!: number;

  @Field(() => SchemaSource, { description: 'Where it came from.' })
  source!: SchemaSource;

  @Field(() => JSONScalar, { description: 'The tables with their columns.' })
  tables!: unknown;

  @Field(() => [SchemaViolation], {
    description: 'What of it breaks the contract that was in force; of what a crawler found.',
  })
  violations!: SchemaViolation[];

  @Field(() => DateTime, { description: 'From when on.' })
  createdAt!: string;
}

@ObjectType({ description: 'How a domain that provisions for itself fared with a product.' })
export class ProvisioningReport {
  @Field(() => ProvisioningOutcome, { description: 'How it went.' })
  status!: keyof typeof ProvisioningOutcome;

  @Field(() => String, { nullable: true, description: 'What its workflow said.' })
  message!: string | null;

  @Field(() => [String], { description: 'The tables that its workflow was told of.' })
  tables!: string[];

  @Field(() => String, { nullable: true, description: 'Who reported.' })
  reportedBy!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When.' })
  reportedAt!: string | null;
}

@ObjectType({ description: 'The newest result of AWS Glue Data Quality for a table.' })
export class QualityResult {
  @Field(() => String, { description: "The table's name." })
  table!: string;

  @Field(() => Float, {
    nullable: true,
    description: 'From 0 to 1: how much of its rules held; null where the evaluation failed.',
  })
  score!: number | null;

  @Field(() => String, { description: 'How the evaluation went, as AWS says: SUCCEEDED, FAILED.' })
  state!: string;

  @Field(() => String, { description: "AWS's id of the result, for GetDataQualityResult." })
  resultId!: string;

  @Field(() => Int, { description: 'How many rules held.' })
  rulesSucceeded!: number;

  @Field(() => Int, { description: 'How many did not.' })
  rulesFailed!: number;

  @Field(() => Int, { description: 'How many were not evaluated.' })
  rulesSkipped!: number;

  @Field(() => DateTime, { description: 'When.' })
  evaluatedAt!: string;
}

@ObjectType({ implements: Node, description: 'Tables that a domain offers to others under one name and one promise.' })
export class DataProduct extends Node {
  @Field(() => String, { description: 'Slug, unique within its domain.' })
  name!: string;

  @Field(() => String, { description: 'Name for people.' })
  displayName!: string;

  @Field(() => String, { description: 'domain/name.' })
  path!: string;

  @Field(() => String, { description: 'What it holds and what it is for.' })
  description!: string;

  @Field(() => String, { nullable: true, description: 'Who answers for it.' })
  owner!: string | null;

  @Field(() => AccessMode, { description: 'How access is given.' })
  accessMode!: AccessMode;

  @Field(() => Classification, { description: 'How sensitive it is.' })
  classification!: Classification;

  @Field(() => DataProductStatus, { description: 'Where it is in its life.' })
  status!: DataProductStatus;

  @Field(() => AccessMode, {
    nullable: true,
    description: 'The access mode that it comes from, until all of the new one stands in AWS; meanwhile both hold.',
  })
  previousAccessMode!: AccessMode | null;

  @Field(() => ProvisioningReport, {
    nullable: true,
    description: "What the product's domain answered last, where it provisions for itself; for its members.",
  })
  provisioningReport!: ProvisioningReport | null;

  @Field(() => RequestTemplate, {
    nullable: true,
    description: 'What it asks those who request access; null where it asks nothing.',
  })
  requestTemplate!: RequestTemplate | null;

  @Field(() => [String], { description: 'Free words to find it by.' })
  tags!: string[];

  @Field(() => String, { nullable: true, description: 'The id of its contract documents (ODCS, `id`).' })
  odcsId!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When its tables first stood in AWS.' })
  publishedAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was deprecated.' })
  deprecatedAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was retired.' })
  retiredAt!: string | null;

  @Field(() => DateTime, { description: 'When it was registered.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;

  @Field(() => [ProductTable], { description: 'Its tables, in order; the first 1,000.' })
  tables!: ProductTable[];

  @Field(() => [SchemaVersion], { description: 'How its tables changed, newest first; the last 100.' })
  schemaVersions!: SchemaVersion[];

  @Field(() => Float, { description: 'Changes of its schema a month, since the first version.' })
  schemaChangesPerMonth!: number;

  @Field(() => Float, {
    nullable: true,
    description: "From 0 to 1: the mean of its tables' newest data quality scores; null where none was evaluated.",
  })
  qualityScore!: number | null;

  @Field(() => [QualityResult], { description: 'The newest data quality result of each table; the first 1,000.' })
  qualityResults!: QualityResult[];

  @Field(() => Progress, { description: "How far the product's AWS objects are." })
  progress!: Progress;

  @Field(() => Health, {
    nullable: true,
    description: "How the product's AWS objects are now; null where it needs none.",
  })
  health!: Health | null;
}

export const DataProductConnection = connectionType('DataProduct', () => DataProduct, { facets: true });
