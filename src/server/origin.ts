import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from './config.js';
import { isLoopbackHost } from './config-value.js';

/** What decides whose pages and which names this server answers to. */
export type OriginConfig = Pick<Config, 'host' | 'allowedOrigins' | 'publicUrl'>;

/** A browser's page must be ours or allowed; a client without Origin is no browser and brings its own token. */
export function isAllowedOrigin({ origin, host }: IncomingHttpHeaders, config: OriginConfig): boolean {
  if (!origin || config.allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === host || origin === originOf(config.publicUrl);
}

/** On loopback the Host header must name this machine, or the proxy in front: a page of another name that resolves here is refused (DNS rebinding). */
export function isAllowedHost({ host }: IncomingHttpHeaders, { host: bound, publicUrl }: OriginConfig): boolean {
  if (!isLoopbackHost(bound)) return true;
  if (host === undefined || !URL.canParse(`http://${host}`)) return false;
  return isLoopbackHost(new URL(`http://${host}`).hostname) || (publicUrl !== null && host === new URL(publicUrl).host);
}

function originOf(url: string | null): string | undefined {
  return url === null ? undefined : new URL(url).origin;
}
