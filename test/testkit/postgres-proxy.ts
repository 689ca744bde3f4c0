import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One statement on its way to Postgres, and those that its transaction ran before it. */
export interface Statement {
  sql: string;
  transaction: readonly string[];
}

/** Where a conversation is to be held: before Postgres sees the statement, or once Postgres has carried it out and its answer is on the way. */
export interface StatementPoint {
  when: 'before' | 'after';
  matches(statement: Statement): boolean;
  /** The how manieth match, from 1. */
  nth?: number;
}

/** A conversation that is held: the client waits for an answer that does not come. */
export interface HeldStatement {
  sql: string;
  /** Ends the connection on both sides: whatever Postgres answered never arrives. */
  cut(): void;
  /** Lets a statement that was held before Postgres go on. */
  release(): void;
}

/** A door to Postgres that can be held at a statement, slowed down, or shut. */
export interface PostgresProxy {
  /** The same URL through this door. */
  through(url: string): string;
  /** Waits until the next statement that matches comes by; others pass. */
  hold(point: StatementPoint): Promise<HeldStatement>;
  /** Forgets a point that nothing has come to. */
  disarm(): void;
  /** Ends every connection and takes no new one until it is opened again. */
  shut(): void;
  open(): void;
  close(): Promise<void>;
}

interface Armed extends StatementPoint {
  left: number;
  reached: (held: HeldStatement) => void;
}

/** A message of the frontend that runs something. */
const SIMPLE_QUERY = 'Q';
const PARSE = 'P';
const BIND = 'B';
const READY_FOR_QUERY = 'Z';

/** Opens a door on a free port of 127.0.0.1 to the Postgres at this port (PostgreSQL, Frontend/Backend Protocol, Message Flow). */
export async function openPostgresProxy(port: number): Promise<PostgresProxy> {
  const armed = new Set<Armed>();
  const sockets = new Set<Socket>();
  let isShut = false;

  const server = createServer((client) => {
    if (isShut) return void client.destroy();
    const upstream = tcpConnect({ port, host: '127.0.0.1' });
    const both = [client, upstream];
    const cut = (): void => both.forEach((socket) => void socket.destroy());
    for (const socket of both) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    converse({ client, upstream, armed, cut });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const own = typeof address === 'object' && address ? address.port : 0;
  const cutAll = (): void => sockets.forEach((socket) => void socket.destroy());
  return {
    through: (url) => url.replace(`:${port}/`, `:${own}/`),
    hold: (point) =>
      new Promise((reached) => {
        armed.add({ ...point, left: point.nth ?? 1, reached });
      }),
    disarm: () => armed.clear(),
    shut: () => {
      isShut = true;
      cutAll();
    },
    open: () => {
      isShut = false;
    },
    close: async () => {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
      await sleep(0);
    },
  };
}

interface Conversation {
  client: Socket;
  upstream: Socket;
  armed: Set<Armed>;
  cut: () => void;
}

/** Passes messages on both ways. Statements are told by Query and Bind, whose text Parse gave. */
function converse({ client, upstream, armed, cut }: Conversation): void {
  const texts = new Map<string, string>();
  let transaction: string[] = [];
  /** Set while an answer is held back. */
  let answered: (() => void) | undefined;
  let answer = Buffer.alloc(0);
  let pending = Buffer.alloc(0);
  let started = false;
  let waiting = false;

  function statementOf(type: string, body: Buffer): string | undefined {
    if (type === PARSE) {
      const [name = '', text = ''] = strings(body, 2);
      texts.set(name, text);
    }
    if (type === SIMPLE_QUERY) return strings(body, 1)[0];
    return type === BIND ? texts.get(strings(body, 2)[1] ?? '') : undefined;
  }

  function pointAt(sql: string): Armed | undefined {
    if (/^\s*BEGIN/i.test(sql)) transaction = [];
    const statement = { sql, transaction };
    const point = [...armed].find((one) => one.matches(statement) && --one.left <= 0);
    transaction = [...transaction, sql];
    if (point) armed.delete(point);
    return point;
  }

  /** Passes on whole messages, up to one that is held. */
  function forward(): void {
    while (!waiting) {
      const head = started ? 1 : 0;
      if (pending.length < head + 4) return;
      const length = head + pending.readUInt32BE(head);
      if (pending.length < length) return;
      const message = pending.subarray(0, length);
      pending = pending.subarray(length);
      const sql = started ? statementOf(String.fromCharCode(message[0]!), message.subarray(5)) : undefined;
      started = true;
      const point = sql === undefined ? undefined : pointAt(sql);
      if (!point || sql === undefined) {
        upstream.write(message);
      } else if (point.when === 'before') {
        waiting = true;
        const release = (): void => {
          waiting = false;
          upstream.write(message);
          forward();
        };
        point.reached({ sql, cut, release });
      } else {
        answered = () => point.reached({ sql, cut, release: () => undefined });
        upstream.write(message);
      }
    }
  }

  client.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk as Buffer]);
    forward();
  });
  upstream.on('data', (chunk) => {
    if (!answered) return void client.write(chunk);
    answer = Buffer.concat([answer, chunk as Buffer]);
    while (answer.length >= 5 && answer.length >= 1 + answer.readUInt32BE(1)) {
      const type = String.fromCharCode(answer[0]!);
      answer = answer.subarray(1 + answer.readUInt32BE(1));
      if (type === READY_FOR_QUERY) answered();
    }
  });
}

/** The first few zero-terminated strings of a message. */
function strings(body: Buffer, count: number): string[] {
  const found: string[] = [];
  for (let start = 0; found.length < count; ) {
    const end = body.indexOf(0, start);
    if (end < 0) return found;
    found.push(body.toString('utf8', start, end));
    start = end + 1;
  }
  return found;
}
