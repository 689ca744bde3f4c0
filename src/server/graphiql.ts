import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** GraphiQL as one page that loads nothing from elsewhere. */
export interface GraphiqlPage {
  gzipped: Buffer;
  html: string;
  etag: string;
  /** Its Content-Security-Policy. */
  policy: string;
}

/** What the page may do: run its own scripts alone, load nothing from elsewhere, send nothing but here, in nobody's frame. */
function policyOf(html: string): string {
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script = '']) => `'${digestOf(script)}'`);
  return [
    "default-src 'none'",
    `script-src ${scripts.join(' ')} blob:`,
    "style-src 'unsafe-inline'",
    'worker-src blob:',
    "connect-src 'self'",
    'img-src data:',
    'font-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** As browsers reckon it (Content Security Policy Level 3, section 2.3.1): line ends are as the parser of HTML sees them. */
function digestOf(script: string): string {
  return `sha256-${createHash('sha256').update(script.replaceAll(/\r\n?/g, '\n')).digest('base64')}`;
}

/**
 * A link may bring a token behind `#token=`: browsers send that part to no server. It is kept for the tab alone, taken out
 * of the address, and sent with every request and with the WebSocket's first message.
 */
const takeToken = `<script>
  (() => {
    const brought = new URLSearchParams(location.hash.slice(1)).get('token');
    if (brought) {
      sessionStorage.setItem('meshgate-token', brought);
      history.replaceState(null, '', location.pathname + location.search);
    }
    const token = brought ?? sessionStorage.getItem('meshgate-token');
    const authorization = token ? { authorization: 'Bearer ' + token } : {};
    window.meshgate = { additionalHeaders: authorization, connectionParams: authorization };
  })();
</script>`;

const firstQuery = `# Three queries to begin with; the button on the left shows the whole schema.

query Catalogue {
  dataProducts(first: 20) {
    nodes { id name status classification domain { name } }
  }
}

# query Inbox { accessRequests(first: 20, filter: { awaitingMyDecision: true }) { nodes { id purpose status } } }
# subscription Stream { meshEvents { sequence type occurredAt data } }
`;

/** Builds the page, about 9 MB, some 2 MB compressed; it is wanted by browsers alone and so not built before one comes. */
export async function buildGraphiqlPage(endpoint: string): Promise<GraphiqlPage> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const options = { title: 'Meshgate', endpoint, subscriptionsProtocol: 'WS' as const, defaultQuery: firstQuery };
  const rendered = renderGraphiQL(options);
  const written = JSON.stringify(options);
  const at = rendered.lastIndexOf(written);
  const withToken = `${rendered.slice(0, at)}Object.assign(${written}, window.meshgate)${rendered.slice(at + written.length)}`;
  const html = withToken.replace('<head>', () => `<head>\n${takeToken}`);
  const gzipped = await promisify(gzip)(html, { level: 6 });
  const policy = policyOf(html);
  return { html, gzipped, policy, etag: `"${createHash('sha256').update(html).digest('base64url').slice(0, 22)}"` };
}
