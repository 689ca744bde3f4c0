import type { WebSocket } from 'ws';

/** Pings keep proxies awake; a peer that misses one is gone (RFC 6455, section 5.5.2). */
export interface Heartbeat {
  /** Pings it until it closes. */
  watch(socket: WebSocket): void;
  stop(): void;
}

/** Parts in which the sockets are pinged: with a timer for each the process, and its peers' machine, would wake for every single one. */
const PARTS = 48;

/** Starts it; `everyMs`: from one ping of a socket to its next. */
export function startHeartbeat(everyMs: number): Heartbeat {
  const parts = Array.from({ length: PARTS }, () => new Set<WebSocket>());
  const silent = new WeakSet<WebSocket>();
  let joining = 0;
  let beating = 0;

  const timer = setInterval(() => {
    for (const socket of parts[beating]!) {
      if (silent.has(socket)) socket.terminate();
      else {
        silent.add(socket);
        socket.ping();
      }
    }
    beating = (beating + 1) % PARTS;
  }, everyMs / PARTS);
  timer.unref();

  return {
    watch: (socket) => {
      const part = parts[joining]!;
      joining = (joining + 1) % PARTS;
      part.add(socket);
      socket.on('pong', () => silent.delete(socket));
      socket.once('close', () => part.delete(socket));
    },
    stop: () => clearInterval(timer),
  };
}
