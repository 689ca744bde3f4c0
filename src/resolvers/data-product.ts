import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { can } from '../governance/authorization.js';
import {
  deprecateDataProduct,
  publishDataProduct,
  registerDataProduct,
  retireDataProduct,
  updateDataProduct,
} from '../governance/data-product.js';
import { reportProvisioning } from '../governance/delegated.js';
import { accessGrantList } from '../governance/read/access-grant.js';
import { accessRequestList } from '../governance/read/access-request.js';
import { dataProductList, dataProductShape } from '../governance/read/data-product.js';
import { resourceList } from '../governance/read/resource.js';
import { readOne, sql } from '../governance/read/select.js';
import { tokenAllows } from '../governance/token-scope.js';
import { AccessGrant, AccessGrantConnection, AccessGrantFilter } from '../schema/access-grant.js';
import { AccessRequestConnection, AccessRequestFilter } from '../schema/access-request.js';
import { DataContract } from '../schema/data-contract.js';
import {
  DataProductBy,
  DataProductFilter,
  DataProductOrder,
  DeprecateDataProductInput,
  PublishDataProductInput,
  RegisterDataProductInput,
  ReportProvisioningInput,
  RetireDataProductInput,
  UpdateDataProductInput,
} from '../schema/data-product.input.js';
import { DataProduct, DataProductConnection } from '../schema/data-product.js';
import { Domain } from '../schema/domain.js';
import {
  DeprecateDataProductResult,
  PublishDataProductResult,
  RegisterDataProductResult,
  ReportProvisioningResult,
  RetireDataProductResult,
  UpdateDataProductResult,
} from '../schema/payload.js';
import { ResourceConnection } from '../schema/resource.js';
import { nestedPage, PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId, lookedUpId } from './decode.js';
import { ResourcesArgs } from './resource.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';

@ArgsType()
export class DataProductsArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description: 'Full text: words, "phrases", -not, or. In names, tags and descriptions.',
  })
  search?: string;

  @Field(() => DataProductFilter, { nullable: true, description: 'Which products; default all that you may see.' })
  filter?: DataProductFilter;

  @Field(() => DataProductOrder, { nullable: true, description: 'Default: by relevance for a search, else by name.' })
  orderBy?: DataProductOrder;
}

@ArgsType()
export class AccessRequestsArgs extends PageArgs {
  @Field(() => AccessRequestFilter, { nullable: true, description: 'Which requests; default all that you may see.' })
  filter?: AccessRequestFilter;
}

@ArgsType()
export class AccessGrantsArgs extends PageArgs {
  @Field(() => AccessGrantFilter, { nullable: true, description: 'Which grants; default all that you may see.' })
  filter?: AccessGrantFilter;
}

const productOf = ({ dataProductId }: { dataProductId: string }) => [
  { field: 'dataProduct', shape: dataProductShape, id: dataProductId },
];
const decodeProduct = <T extends { dataProduct: string }>(input: T): T => ({
  ...input,
  dataProduct: decodeId('DataProduct', input.dataProduct),
});

/** A product as it was read, with the columns that every read brings. */
type ReadDataProduct = DataProduct & { domainId: string };

@Resolver(() => DataProduct)
export class DataProductResolver {
  @Query(() => DataProduct, { nullable: true, description: 'One product; null where there is none that you may see.' })
  dataProduct(
    @Arg('by', () => DataProductBy, { description: 'Which.' }) by: DataProductBy,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    if (by.path !== undefined) {
      const [domain = '', name = ''] = by.path.split('/');
      return readOne(
        rc.read,
        dataProductShape,
        (r) =>
          sql`${r}."name" = ${name} AND ${r}."domainId" = (SELECT d."id" FROM "Domain" d WHERE d."name" = ${domain})`,
        selectionOf(info),
      );
    }
    const id = lookedUpId('DataProduct', by.id);
    if (id === null) return null;
    return readOne(rc.read, dataProductShape, (r) => sql`${r}."id" = ${id}::uuid`, selectionOf(info));
  }

  @Query(() => DataProductConnection, { description: 'The catalogue, as far as you may see it.' })
  dataProducts(
    @Args(() => DataProductsArgs) _: DataProductsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return rootPage(rc, info, dataProductList);
  }

  @Mutation(() => RegisterDataProductResult, {
    description: 'Registers a draft, from fields or from an ODCS document.',
  })
  registerDataProduct(
    @Arg('input', () => RegisterDataProductInput, { description: 'The product.' }) input: RegisterDataProductInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      productOf(await registerDataProduct(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @Mutation(() => UpdateDataProductResult, { description: 'Changes what is said about a product.' })
  updateDataProduct(
    @Arg('input', () => UpdateDataProductInput, { description: 'What to change.' }) input: UpdateDataProductInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => productOf(await updateDataProduct(rc.ctx, decodeProduct(input))));
  }

  @Mutation(() => PublishDataProductResult, {
    description: 'Puts a product into the catalogue and its tables into AWS.',
  })
  publishDataProduct(
    @Arg('input', () => PublishDataProductInput, { description: 'Which.' }) input: PublishDataProductInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => productOf(await publishDataProduct(rc.ctx, decodeProduct(input))));
  }

  @Mutation(() => ReportProvisioningResult, {
    description:
      "Says how a domain's own workflow fared with a product of its; for domains whose provisioning is DELEGATED.",
  })
  reportProvisioning(
    @Arg('input', () => ReportProvisioningInput, { description: 'How it went.' }) input: ReportProvisioningInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => productOf(await reportProvisioning(rc.ctx, decodeProduct(input))));
  }

  @Mutation(() => DeprecateDataProductResult, { description: 'Stops new requests; access that is given stays.' })
  deprecateDataProduct(
    @Arg('input', () => DeprecateDataProductInput, { description: 'Which.' }) input: DeprecateDataProductInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => productOf(await deprecateDataProduct(rc.ctx, decodeProduct(input))));
  }

  @Mutation(() => RetireDataProductResult, {
    description: 'Takes a product off the mesh and its tables out of the catalogue. Data stays.',
  })
  retireDataProduct(
    @Arg('input', () => RetireDataProductInput, { description: 'Which.' }) input: RetireDataProductInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => productOf(await retireDataProduct(rc.ctx, decodeProduct(input))));
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that offers it.' })
  domain(@Root() root: DataProduct & { domain: Domain }) {
    return root.domain;
  }

  @FieldResolver(() => DataContract, { nullable: true, description: 'The contract in force.' })
  contract(@Root() root: DataProduct & { contract: DataContract }) {
    return root.contract;
  }

  @FieldResolver(() => [DataContract], { description: 'The versions of its contract, newest first; the last 100.' })
  contracts(@Root() root: DataProduct & { contracts: DataContract[] }) {
    return root.contracts;
  }

  @FieldResolver(() => [AccessGrant], { description: 'Access that your domains have, or are about to get.' })
  viewerAccess(@Root() root: DataProduct & { viewerAccess: AccessGrant[] }) {
    return root.viewerAccess;
  }

  @FieldResolver(() => AccessRequestConnection, { description: 'Requests for it, newest first.' })
  accessRequests(
    @Root() root: DataProduct,
    @Args(() => AccessRequestsArgs) _: AccessRequestsArgs,
    @Info() info: GraphQLResolveInfo,
  ) {
    return nestedPage(root, info, accessRequestList);
  }

  @FieldResolver(() => AccessGrantConnection, { description: 'Grants on it, newest first.' })
  accessGrants(
    @Root() root: DataProduct,
    @Args(() => AccessGrantsArgs) _: AccessGrantsArgs,
    @Info() info: GraphQLResolveInfo,
  ) {
    return nestedPage(root, info, accessGrantList);
  }

  @FieldResolver(() => ResourceConnection, { description: 'The AWS objects that the product itself needs.' })
  resources(@Root() root: DataProduct, @Args(() => ResourcesArgs) _: ResourcesArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, resourceList);
  }

  @FieldResolver(() => Boolean, {
    description: 'Whether you may request access: it is published and you belong to a domain.',
  })
  viewerCanRequestAccess(@Root() root: ReadDataProduct, @Ctx() { ctx }: RequestContext) {
    return (
      root.status === 'PUBLISHED' &&
      tokenAllows(ctx.viewer, 'access-request:create') &&
      (ctx.viewer.admin || ctx.viewer.memberships.size > 0)
    );
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may change it.' })
  viewerCanUpdate(@Root() root: ReadDataProduct, @Ctx() { ctx }: RequestContext) {
    return can(ctx.viewer, 'data-product:update', {
      type: 'DataProduct',
      domainId: root.domainId,
      status: root.status,
    });
  }
}
