// Who may import whom (ARCHITECTURE.md, Rooms). A room may always import itself and Node's own modules.
const AWS_SDK = '^node_modules/@(aws-sdk|smithy)/';
const GRAPHQL = '^node_modules/(graphql|graphql-scalars|type-graphql|reflect-metadata|graphql-ws)(/|$)';

/** A rule: files of `room` may import, besides themselves, only what matches one of `allowed`. */
const only = (room, allowed, comment) => ({
  name: `${room} imports only its neighbours`,
  comment,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { pathNot: [`^src/${room}/`, ...allowed], dependencyTypesNot: ['core'] },
});

const LIBRARIES = '^node_modules/';
const notLibraries = (room, libraries, comment) => ({
  name: `${room} stays clear of ${comment}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: libraries },
});

module.exports = {
  forbidden: [
    {
      name: 'no cycles',
      severity: 'error',
      from: { pathNot: '^src/governance/read/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    only('schema', [LIBRARIES, '^src/generated/', '^src/events/(fields|types)'], 'What clients see, without logic.'),
    notLibraries(
      'schema',
      '^node_modules/(?!(graphql|graphql-scalars|type-graphql)/)',
      'anything but GraphQL libraries',
    ),
    only('governance', [
      LIBRARIES,
      '^src/generated/',
      '^src/events/(append|entries|event-pattern|event-pattern-match|fields|inbox-queue|read|types)',
      '^src/provisioning/(declare|drift|foreign-grants|group|headroom|kinds|lake-resource|lane|plan|provider|quotas|record|resource|reckon)',
    ]),
    notLibraries('governance', `${GRAPHQL}|${AWS_SDK}`, 'GraphQL and AWS'),
    only('provisioning', [LIBRARIES, '^src/generated/', '^src/events/(append|types)']),
    notLibraries('provisioning', `${GRAPHQL}|${AWS_SDK}`, 'GraphQL and AWS'),
    only('aws', [
      LIBRARIES,
      '^src/provisioning/(group|provider|kinds|lake-resource|quotas|resource)',
      '^src/events/(inbox-queue|put-events)',
    ]),
    notLibraries('aws', GRAPHQL, 'GraphQL'),
    only('events', [LIBRARIES, '^src/generated/']),
    notLibraries('events', `${GRAPHQL}|${AWS_SDK}`, 'GraphQL and AWS'),
    only('resolvers', [LIBRARIES, '^src/schema/', '^src/governance/', '^src/events/', '^src/generated/']),
    notLibraries('resolvers', AWS_SDK, 'AWS'),
    only('sandbox', [LIBRARIES], 'The sandbox speaks only the AWS wire protocol.'),
    notLibraries('sandbox', `${AWS_SDK}|${GRAPHQL}|^node_modules/@?prisma`, 'the SDK, GraphQL and the database client'),
    only('demo', [LIBRARIES, '^src/generated/graphql'], 'Clients of the public API.'),
    only(
      'local',
      [LIBRARIES, '^src/(server|sandbox|demo|generated)/'],
      'The embedded form: product, sandbox and demo on one machine.',
    ),
    only(
      'server',
      [LIBRARIES, '^src/(schema|resolvers|governance|provisioning|aws|events|generated)/'],
      'The product never imports its sandbox.',
    ),
    {
      name: 'the AWS SDK lives in aws alone',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/aws/' },
      to: { path: AWS_SDK },
    },
    {
      name: 'generated is a leaf',
      severity: 'error',
      from: { path: '^src/generated/' },
      to: { path: '^src/(?!generated)' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/generated/prisma/internal' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
