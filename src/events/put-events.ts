/** One entry of a PutEvents request (AWS: PutEventsRequestEntry). */
export interface PutEventsEntry {
  /** Name or ARN of the bus. */
  bus: string;
  source: string;
  detailType: string;
  /** JSON text. */
  detail: string;
  resources: string[];
  time: Date;
}

/**
 * What sending an entry again may come to. REFUSED: never taken, however often. DENIED: taken once whoever sends has the permission.
 * PASSING: taken later. UNKNOWN: AWS documents no such code, so nobody can say.
 */
export type FailureKind = 'REFUSED' | 'DENIED' | 'PASSING' | 'UNKNOWN';

/** An entry that did not arrive. */
export interface PutEventsFailure {
  ok: false;
  code: string;
  message: string;
  kind: FailureKind;
}

/** What became of one entry. */
export type PutEventsOutcome = { ok: true } | PutEventsFailure;

/** A request that is made and waits to be sent, once. One that is never sent is forgotten. */
export interface ReadyRequest {
  /**
   * Answers what became of its entries, in their order. Throws where nothing was taken for a reason that lies in no entry: all are to
   * be sent again, in a new request.
   */
  send(): Promise<PutEventsOutcome[]>;
}

/** Makes a request of up to ten entries: what making it costs can be spent while its turn has not come. Never throws. */
export type PutEvents = (entries: PutEventsEntry[]) => ReadyRequest;
