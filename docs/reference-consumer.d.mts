/** What of an event's detail the consumer reads. */
export interface Detail {
  sequence: string;
  subject: { type: string; id: string };
  data: { after?: Record<string, unknown> | null };
}

export function openMeshState(): {
  take(detail: Detail): boolean;
  state(): Record<string, unknown>[];
};
