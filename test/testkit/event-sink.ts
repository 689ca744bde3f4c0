import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One entry as PutEvents sends it. */
export interface SinkEntry {
  Source: string;
  DetailType: string;
  Detail: string;
}

/** Why an entry is not taken; null: it is. */
export type Judge = (entry: SinkEntry, index: number) => { ErrorCode: string; ErrorMessage: string } | null;

/** An endpoint on loopback that answers PutEvents over the wire as the judge says; everything that came is kept, request by request. */
export async function openEventSink(judge: Judge) {
  const requests: SinkEntry[][] = [];
  const server = createServer((call, answer) => {
    void bodyOf(call).then((body) => {
      const { Entries } = JSON.parse(body) as { Entries: SinkEntry[] };
      requests.push(Entries);
      const results = Entries.map((entry, index) => judge(entry, index) ?? { EventId: crypto.randomUUID() });
      const FailedEntryCount = results.filter((result) => 'ErrorCode' in result).length;
      answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(JSON.stringify({ FailedEntryCount, Entries: results }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(call: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of call) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
