interface Delivery {
  n: number;
  kind: string;
  bus: string;
  event: { 'detail-type'?: string; detail?: { subject?: { id?: string } } };
}

/** The embedded AWS, asked over its control endpoints. */
export class Sandbox {
  constructor(private readonly url: string) {}

  private async get<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, this.url));
    if (!response.ok) throw new Error(`The sandbox answered ${response.status} to ${path}.`);
    return (await response.json()) as T;
  }

  canRead(question: Record<string, string>): Promise<{ allowed: boolean; reason: string }> {
    return this.get(`/_sandbox/can-read?${new URLSearchParams(question)}`);
  }

  async lastCall(): Promise<number> {
    const calls = await this.get<{ n: number }[]>('/_sandbox/calls?after=0&limit=100000');
    return calls.at(-1)?.n ?? 0;
  }

  /** The calls that changed something, counted by account and operation. */
  async callsSince(after: number): Promise<string> {
    const calls = await this.get<{ account: string; operation: string }[]>(`/_sandbox/calls?after=${after}`);
    const counts = new Map<string, number>();
    for (const { account, operation } of calls) {
      if (/^(Get|List|Describe|AssumeRole|PutEvents|InvokeTarget|ReceiveMessage)/.test(operation)) continue;
      const key = `${operation} in ${account}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return [...counts].map(([key, count]) => `${count} x ${key}`).join(', ') || 'nothing had to change';
  }

  async arrival(account: string, type: string, subject: string): Promise<Delivery | undefined> {
    const deliveries = await this.get<Delivery[]>(`/_sandbox/deliveries?account=${account}`);
    return deliveries.find(
      ({ kind, event }) => kind === 'arrival' && event['detail-type'] === type && event.detail?.subject?.id === subject,
    );
  }
}
