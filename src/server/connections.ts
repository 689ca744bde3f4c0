import { refusal } from './error.js';

/** How many sockets and streams each viewer holds open in this process. */
export interface Connections {
  /** Counts one more of a viewer's, until what it answers is called; throws TOO_MANY_CONNECTIONS (HTTP 429). */
  open(subject: string): () => void;
}

/** `most` is for each viewer. */
export function createConnections(most: number): Connections {
  const held = new Map<string, number>();
  return {
    open: (subject) => {
      const count = (held.get(subject) ?? 0) + 1;
      if (count > most) {
        const message = `You hold ${most} sockets and streams open here, which is the most: close some first.`;
        throw refusal('TOO_MANY_CONNECTIONS', message, { status: 429 });
      }
      held.set(subject, count);
      let isOpen = true;
      return () => {
        if (!isOpen) return;
        isOpen = false;
        const left = (held.get(subject) ?? 1) - 1;
        if (left > 0) held.set(subject, left);
        else held.delete(subject);
      };
    },
  };
}
