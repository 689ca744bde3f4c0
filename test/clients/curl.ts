import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { FOLLOW, type Follower, follow, type Target } from './follow.js';

/** Follows by `curl -N` on server-sent events; goes on by `Last-Event-ID`, as browsers do by themselves. */
export function followByCurl({ url, token }: Target, from: string): Follower {
  return follow(from, async ({ after, take, stopping }) => {
    const headers = [`Authorization: Bearer ${token}`, 'Accept: text/event-stream', 'Content-Type: application/json'];
    const sent = [...headers, `Last-Event-ID: ${after}`].flatMap((header) => ['-H', header]);
    const body = JSON.stringify({ query: FOLLOW });
    const curl = spawn('curl', ['-sSN', '--fail-with-body', ...sent, '-d', body, `${url()}/stream`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const stop = (): void => void curl.kill();
    stopping.addEventListener('abort', stop, { once: true });
    const ended = once(curl, 'close').finally(() => stopping.removeEventListener('abort', stop));
    ended.catch(() => undefined);
    for await (const line of createInterface({ input: curl.stdout })) {
      // Refused before it began: the answer is no stream.
      if (line.startsWith('{')) throw JSON.parse(line).errors;
      if (!line.startsWith('data: ')) continue;
      const { data, errors } = JSON.parse(line.slice('data: '.length));
      if (!data) throw errors;
      take(data.meshEvents);
    }
    await ended;
  });
}
