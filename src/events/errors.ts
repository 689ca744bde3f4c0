/** The cursor is not one of ours, or lies beyond the head of the log. */
export class InvalidCursor extends Error {
  readonly code = 'INVALID_CURSOR';
  override readonly name = 'InvalidCursor';
}

/** The events after the cursor are no longer stored: read the present state anew, then subscribe without a cursor. */
export class ResyncRequired extends Error {
  readonly code = 'RESYNC_REQUIRED';
  override readonly name = 'ResyncRequired';
}

/** The subscriber did not keep up; `cursor` is that of the last event delivered to it, to go on from. */
export class SlowSubscriber extends Error {
  readonly code = 'SLOW_SUBSCRIBER';
  override readonly name = 'SlowSubscriber';

  constructor(readonly cursor: string) {
    super('The subscriber fell behind the events it asked for; subscribe again after its cursor.');
  }
}

/** Something that an event's result needs could not be read just now: whoever waits for it goes on from the log once it can be. */
export class ReadFailed extends Error {
  override readonly name = 'ReadFailed';

  /** `instead`: the event's result with its errors, to be sent where this event can never be read, though the log can. */
  constructor(
    cause: unknown,
    readonly instead?: Buffer,
  ) {
    super('What the stream needs could not be read just now.', { cause });
  }
}

/** What the subscriber is to get could not be read for too long; `cursor` is that of the last event delivered to it, to go on from. */
export class StreamInterrupted extends Error {
  readonly code = 'STREAM_INTERRUPTED';
  override readonly name = 'StreamInterrupted';

  constructor(
    readonly cursor: string,
    cause: unknown,
  ) {
    super('The events cannot be read at the moment; subscribe again after the cursor.', { cause });
  }
}
