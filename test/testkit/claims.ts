/** Now, or so many seconds from now, as NumericDate of a token (RFC 7519, section 2). */
export const seconds = (fromNow = 0): number => Math.floor(Date.now() / 1000) + fromNow;
