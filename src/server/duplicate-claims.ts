/**
 * Whether an object anywhere in the JSON text names a key twice. Parsers differ in which of the two they keep, so a token
 * with such a claim may say one thing to its issuer and another to us (RFC 7519, section 4). The text must be valid JSON.
 */
export function hasDuplicateKeys(json: string): boolean {
  const scopes: (Set<string> | null)[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (const [token, colon] of json.matchAll(tokens)) {
    if (token === '{') scopes.push(new Set());
    else if (token === '[') scopes.push(null);
    else if (token === '}' || token === ']') scopes.pop();
    else if (colon) {
      const key = JSON.parse(token.slice(0, -colon.length)) as string;
      const scope = scopes.at(-1);
      if (scope?.has(key)) return true;
      scope?.add(key);
    }
  }
  return false;
}
