import WebSocket from 'ws';

/** A socket of graphql-transport-ws that sends `connection_init` with this token, and tells how that ended. */
export interface RawSocket {
  /** `acknowledged`, or the code that the server closed it with instead. */
  outcome: Promise<'acknowledged' | number>;
  /** The code that the server closes it with, later. */
  closed: Promise<number>;
  subscribe(query: string, variables?: object): void;
  /** What came as `next`, `error` or `complete`. */
  heard: { type: string; payload?: unknown }[];
  /** Why the server closed it. */
  reason(): string;
  /** Reads nothing, or goes on reading. */
  pause(): void;
  resume(): void;
  end(): void;
}

export function openSocket(graphql: string, token: string, headers: Record<string, string> = {}): RawSocket {
  const socket = new WebSocket(graphql.replace(/^http/, 'ws'), 'graphql-transport-ws', { headers });
  const heard: RawSocket['heard'] = [];
  let reason = '';
  const closed = new Promise<number>((done) =>
    socket.once('close', (code, said) => {
      reason = String(said);
      done(code);
    }),
  );
  const acknowledged = new Promise<'acknowledged'>((done) => {
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { type: string };
      if (message.type === 'connection_ack') done('acknowledged');
      else heard.push(message);
    });
  });
  // What is too long for the server is cut off while it is sent.
  socket.on('error', () => undefined);
  socket.once('open', () => {
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  });
  return {
    outcome: Promise.race([acknowledged, closed]),
    closed,
    heard,
    reason: () => reason,
    subscribe: (query, variables = {}) =>
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } })),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => socket.terminate(),
  };
}
