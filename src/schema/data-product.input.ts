import { Field, ID, InputType } from 'type-graphql';
import {
  AccessMode,
  Classification,
  DataProductOrderField,
  DataProductStatus,
  OrderDirection,
  ReportedOutcome,
  TableFormat,
} from './enums.js';
import { MutationInput, PlannedInput } from './mutation.input.js';
import { JSONScalar } from './scalars.js';

@InputType({ description: 'Finds a product.' })
export class DataProductBy {
  @Field(() => ID, { nullable: true, description: 'By id.' })
  id?: string;

  @Field(() => String, { nullable: true, description: 'By domain and name: commerce/orders.' })
  path?: string;
}

@InputType({ description: 'Which products; conditions add up.' })
export class DataProductFilter {
  @Field(() => [ID], { nullable: true, description: 'Of one of these domains.' })
  domains?: string[];

  @Field(() => [DataProductStatus], { nullable: true, description: 'In one of these states.' })
  status?: DataProductStatus[];

  @Field(() => [AccessMode], { nullable: true, description: 'With one of these access modes.' })
  accessMode?: AccessMode[];

  @Field(() => [Classification], { nullable: true, description: 'With one of these classifications.' })
  classification?: Classification[];

  @Field(() => [String], { nullable: true, description: 'With all of these tags.' })
  tags?: string[];

  @Field(() => String, { nullable: true, description: 'Of this owner.' })
  owner?: string;

  @Field(() => Boolean, { nullable: true, description: 'Only of domains that you belong to.' })
  mine?: boolean;
}

@InputType({
  description: 'The order of a page of products. Without it: by relevance where `search` is given, else by name.',
})
export class DataProductOrder {
  @Field(() => DataProductOrderField, { description: 'What to order by.' })
  field!: 'NAME' | 'CREATED_AT' | 'UPDATED_AT';

  @Field(() => OrderDirection, { nullable: true, description: 'Default ASC.' })
  direction?: 'ASC' | 'DESC';
}

@InputType({ description: 'A column of a table.' })
export class ColumnInput {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => String, {
    description: 'Its Glue (Hive) type: string, bigint, decimal(12,2), timestamp, array<string> ...',
  })
  type!: string;

  @Field(() => String, { nullable: true, description: 'What it holds.' })
  description?: string;

  @Field(() => Boolean, { nullable: true, description: 'Whether every row has a value; default false.' })
  required?: boolean;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is part of the primary key; default false.' })
  primaryKey?: boolean;

  @Field(() => Boolean, { nullable: true, description: 'Whether the table is partitioned by it; default false.' })
  partition?: boolean;

  @Field(() => Boolean, { nullable: true, description: 'Whether it holds personal data; default false.' })
  pii?: boolean;

  @Field(() => Classification, {
    nullable: true,
    description: "Where it is more sensitive than the product's classification.",
  })
  classification?: Classification;
}

@InputType({ description: 'A table of a product.' })
export class TableInput {
  @Field(() => String, { description: 'Its name in the catalogue: lower-case letters, digits and underscores.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it holds.' })
  description?: string;

  @Field(() => String, { description: "Where its files lie: s3://bucket/prefix below the domain's data location." })
  location!: string;

  @Field(() => TableFormat, { description: 'The format of its files.' })
  format!: TableFormat;

  @Field(() => [ColumnInput], { nullable: true, description: 'Its columns, in order; default none yet.' })
  columns?: ColumnInput[];
}

@InputType({ description: 'A product to register, as a draft.' })
export class RegisterDataProductInput extends MutationInput {
  @Field(() => ID, { description: 'The domain that offers it.' })
  domain!: string;

  @Field(() => String, { description: 'Slug, unique within the domain.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Name for people; default the slug.' })
  displayName?: string;

  @Field(() => String, { description: 'What it holds and what it is for.' })
  description!: string;

  @Field(() => String, { description: 'Who answers for it.' })
  owner!: string;

  @Field(() => AccessMode, { description: 'How access is given.' })
  accessMode!: AccessMode;

  @Field(() => Classification, { description: 'How sensitive it is.' })
  classification!: Classification;

  @Field(() => [String], { nullable: true, description: 'Free words to find it by.' })
  tags?: string[];

  @Field(() => [TableInput], {
    nullable: true,
    description: 'Its tables; may be left out where a contract names them.',
  })
  tables?: TableInput[];

  @Field(() => String, { nullable: true, description: 'An ODCS contract document, YAML or JSON, to import with it.' })
  contract?: string;
}

@InputType({ description: 'What to change of a product; what is left out stays.' })
export class UpdateDataProductInput extends PlannedInput {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;

  @Field(() => String, { nullable: true, description: 'What it holds and what it is for.' })
  description?: string;

  @Field(() => String, { nullable: true, description: 'Who answers for it.' })
  owner?: string;

  @Field(() => [String], { nullable: true, description: 'Free words to find it by; replaces all.' })
  tags?: string[];

  @Field(() => Classification, { nullable: true, description: 'How sensitive it is.' })
  classification?: Classification;

  @Field(() => AccessMode, {
    nullable: true,
    description:
      'How access is given. Of a published product the old way stays until all of the new one stands in AWS: nobody loses access for an instant.',
  })
  accessMode?: AccessMode;

  @Field(() => Boolean, {
    nullable: true,
    description:
      "Crawl its tables anew with the domain's crawlerRoleArn: what is found becomes a schema version and is held against the contract in force.",
  })
  crawl?: boolean;

  @Field(() => JSONScalar, {
    nullable: true,
    description:
      'What requests for access have to answer from now on: a JSON Schema (draft 7) of one flat object. Its `properties` are string (enum, format, minLength, maxLength), number, integer (minimum, maximum), boolean (const) or array of string; `required` names those that must be answered. An empty object asks nothing.',
  })
  requestTemplate?: unknown;

  @Field(() => [TableInput], {
    nullable: true,
    description: 'Its tables; replaces all. Only while no contract is active.',
  })
  tables?: TableInput[];
}

@InputType({ description: 'A product to publish.' })
export class PublishDataProductInput extends PlannedInput {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;

  @Field(() => Boolean, {
    nullable: true,
    description:
      "Crawl all its tables with the domain's crawlerRoleArn, and hold what is found against the contract in force; default: those without columns.",
  })
  crawl?: boolean;
}

@InputType({ description: 'The word of a domain that provisions for itself.' })
export class ReportProvisioningInput extends MutationInput {
  @Field(() => ID, { description: 'The product whose tables its workflow linked, or failed to.' })
  dataProduct!: string;

  @Field(() => ReportedOutcome, { description: 'How it went.' })
  status!: keyof typeof ReportedOutcome;

  @Field(() => String, { nullable: true, description: 'What went wrong.' })
  message?: string;
}

@InputType({ description: 'A product to deprecate.' })
export class DeprecateDataProductInput extends MutationInput {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;

  @Field(() => String, { nullable: true, description: 'Why, and what to use instead.' })
  reason?: string;
}

@InputType({ description: 'A product to retire.' })
export class RetireDataProductInput extends PlannedInput {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Revoke the access that is still given; default false: refused while there is any.',
  })
  revokeGrants?: boolean;
}
