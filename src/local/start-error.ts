/** `meshgate start` cannot go on; the message is one paragraph that says what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
