export interface RuntimePackage {
  path: string;
  name: string;
  version: string;
  license: string | undefined;
  integrity: string | undefined;
  dependencies: string[];
}
export interface LockEntry {
  version: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}
export interface Lockfile {
  name: string;
  version: string;
  packages: Record<string, LockEntry>;
}
export function readLockfile(): Lockfile;
export function runtimePackages(lock?: Lockfile): RuntimePackage[];
