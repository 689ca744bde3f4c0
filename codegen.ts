import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'src/schema/schema.graphql',
  documents: ['src/demo/**/*.ts', 'test/**/*.ts'],
  ignoreNoDocuments: true,
  silent: true,
  generates: {
    'src/generated/graphql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        emitLegacyCommonJSImports: false,
        importExtension: '.js',
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          Arn: 'string',
          AwsAccountId: 'string',
          DateTime: 'string',
          DateTimeISO: 'string',
          Duration: 'string',
          EventCursor: 'string',
          JSON: 'unknown',
          SemVer: 'string',
          URL: 'string',
        },
      },
    },
  },
};

// The code generator loads the default export and no other.
export default config;
