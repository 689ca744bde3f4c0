/** The partition of ARNs in a region: China and the US government have their own (AWS general reference, ARN format). */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
