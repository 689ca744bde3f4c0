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

/** An entry that did not arrive. `permanent`: AWS will refuse it however often it is sent. */
export interface PutEventsFailure {
  ok: false;
  code: string;
  message: string;
  permanent: boolean;
}

/** What became of one entry. */
export type PutEventsOutcome = { ok: true } | PutEventsFailure;

/** Sends up to ten entries and answers in their order. Throws where nothing was taken for a reason that lies in no entry: all are to be sent again. */
export type PutEvents = (entries: PutEventsEntry[]) => Promise<PutEventsOutcome[]>;
