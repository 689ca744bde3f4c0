import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, Field, FieldResolver, ID, Info, Mutation, ObjectType, Query, Resolver, Root } from 'type-graphql';
import { activateDataContract, diffDataContracts, importDataContract } from '../governance/data-contract.js';
import { invalid } from '../governance/error.js';
import { accessGrantShape } from '../governance/read/access-grant.js';
import { dataContractShape } from '../governance/read/data-contract.js';
import { dataProductShape } from '../governance/read/data-product.js';
import { readList, readOne, type Sql, sql } from '../governance/read/select.js';
import { AccessGrant } from '../schema/access-grant.js';
import {
  ActivateDataContractInput,
  ContractChange,
  DataContract,
  DataContractBy,
  ImportDataContractInput,
} from '../schema/data-contract.js';
import { DataProduct } from '../schema/data-product.js';
import { ActivateDataContractResult, ImportDataContractResult } from '../schema/payload.js';
import type { RequestContext } from './context.js';
import { decodeId, lookedUpId } from './decode.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';

@ObjectType({ description: 'How two contract versions differ, seen by those who read the product.' })
class ContractDiff {
  @Field(() => Boolean, { description: 'Whether nothing that was read before breaks.' })
  compatible!: boolean;

  @Field(() => [ContractChange], { description: 'Every difference.' })
  changes!: ContractChange[];

  @Field(() => [AccessGrant], {
    description: 'The grants alive on the product that a breaking change would touch; those that you may see.',
  })
  affectedGrants!: AccessGrant[];
}

const contractOf = ({ dataContractId, dataProductId }: { dataContractId: string; dataProductId: string }) => [
  { field: 'dataContract', shape: dataContractShape, id: dataContractId },
  { field: 'dataProduct', shape: dataProductShape, id: dataProductId },
];

/** The condition that names the contract; null where an id can name none. */
function named({ id, path, version }: DataContractBy): ((r: Sql) => Sql) | null {
  if (Boolean(id) === Boolean(path)) throw invalid('by', 'Name the contract by `id`, or by `path` and `version`.');
  if (id) {
    const rowId = lookedUpId('DataContract', id);
    return rowId === null ? null : (r) => sql`${r}."id" = ${rowId}::uuid`;
  }
  const [domain = '', name = ''] = (path ?? '').split('/');
  const product = sql`(SELECT p."id" FROM "DataProduct" p JOIN "Domain" d ON d."id" = p."domainId" WHERE d."name" = ${domain} AND p."name" = ${name})`;
  const wanted = (r: Sql) => (version ? sql`${r}."version" = ${version}` : sql`${r}."status" = 'ACTIVE'`);
  return (r) => sql`${r}."productId" = ${product} AND ${wanted(r)}`;
}

@Resolver(() => DataContract)
export class DataContractResolver {
  @Query(() => DataContract, {
    nullable: true,
    description: 'One contract version; null where there is none that you may see.',
  })
  dataContract(
    @Arg('by', () => DataContractBy, { description: 'Which.' }) by: DataContractBy,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const where = named(by);
    return where && readOne(rc.read, dataContractShape, where, selectionOf(info));
  }

  @Query(() => ContractDiff, { description: 'How a contract version differs from another, and whom that touches.' })
  async diffDataContracts(
    @Arg('from', () => ID, { description: 'The version that is read now.' }) from: string,
    @Arg('to', () => ID, { description: 'The version to come.' }) to: string,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const ids = [decodeId('DataContract', from), decodeId('DataContract', to)] as const;
    const { compatible, changes, affectedGrantIds } = await diffDataContracts(rc.ctx, ...ids);
    const asked = selectionOf(info)
      .on('ContractDiff')
      .filter(({ field }) => field === 'affectedGrants');
    const affectedGrants = asked.length > 0 ? await readList(rc.read, accessGrantShape, affectedGrantIds, asked) : [];
    return { compatible, changes, affectedGrants };
  }

  @Mutation(() => ImportDataContractResult, {
    description: 'Takes an ODCS document as a contract version of a product.',
  })
  importDataContract(
    @Arg('input', () => ImportDataContractInput, { description: 'The document.' }) input: ImportDataContractInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const dataProduct = input.dataProduct ? decodeId('DataProduct', input.dataProduct) : undefined;
      const domain = input.domain ? decodeId('Domain', input.domain) : undefined;
      return contractOf(await importDataContract(rc.ctx, { ...input, dataProduct, domain }));
    });
  }

  @Mutation(() => ActivateDataContractResult, {
    description: 'Puts a contract version in force; the one before is deprecated.',
  })
  activateDataContract(
    @Arg('input', () => ActivateDataContractInput, { description: 'Which.' }) input: ActivateDataContractInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      contractOf(
        await activateDataContract(rc.ctx, { ...input, dataContract: decodeId('DataContract', input.dataContract) }),
      ),
    );
  }

  @FieldResolver(() => DataProduct, { nullable: true, description: 'The product that it is about.' })
  dataProduct(@Root() root: DataContract & { dataProduct: DataProduct }) {
    return root.dataProduct;
  }
}
