import type { SpecOf } from '../provisioning/kinds.js';

type TableFormat = SpecOf<'GlueTable'>['format'];

/** How Athena and Glue read and write a file format (Athena user guide, supported SerDes). */
interface Layout {
  inputFormat: string;
  outputFormat: string;
  serde: string;
  serdeParameters: Record<string, string>;
  classification: string;
}

const TEXT = {
  inputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
  outputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
};

/** Iceberg has none: its layout belongs to its metadata. */
export const LAYOUTS: Record<Exclude<TableFormat, 'ICEBERG'>, Layout> = {
  PARQUET: {
    inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
    outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
    serde: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
    serdeParameters: { 'serialization.format': '1' },
    classification: 'parquet',
  },
  ORC: {
    inputFormat: 'org.apache.hadoop.hive.ql.io.orc.OrcInputFormat',
    outputFormat: 'org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat',
    serde: 'org.apache.hadoop.hive.ql.io.orc.OrcSerde',
    serdeParameters: { 'serialization.format': '1' },
    classification: 'orc',
  },
  AVRO: {
    inputFormat: 'org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat',
    outputFormat: 'org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat',
    serde: 'org.apache.hadoop.hive.serde2.avro.AvroSerDe',
    serdeParameters: { 'serialization.format': '1' },
    classification: 'avro',
  },
  JSON: { ...TEXT, serde: 'org.openx.data.jsonserde.JsonSerDe', serdeParameters: {}, classification: 'json' },
  CSV: {
    ...TEXT,
    // LazySimpleSerDe reads ISO dates and timestamps, which OpenCSVSerDe takes as numbers.
    serde: 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe',
    serdeParameters: { 'field.delim': ',', 'serialization.format': ',' },
    classification: 'csv',
  },
};
