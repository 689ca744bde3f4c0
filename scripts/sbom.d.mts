import type { Lockfile } from './runtime-packages.mjs';

interface Component {
  'bom-ref': string;
  group?: string;
  name: string;
  version: string;
  purl: string;
  licenses: ({ expression: string } | { license: { id: string } })[];
  hashes: { alg: string; content: string }[];
}
export interface BillOfMaterials {
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}
export function billOfMaterials(lock?: Lockfile): BillOfMaterials;
