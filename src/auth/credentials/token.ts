// The token that a request shows, and whose its Authorization field is.

/** The fields of a request that can carry a token. */
export interface TokenFields {
  readonly authorization: string | undefined;
  /** Authenticates in the place of Authorization, which then is the sandbox's own. */
  readonly sandboxToken: string | undefined;
}

const SCHEME = "Bearer ";
const SPACE = 0x20;
const BEARER = /^Bearer +(\S+)$/i;

/** The token by which a request is authenticated, not looked at yet; undefined when there is none, "" when it is another scheme's. */
export function shownToken({ authorization, sandboxToken }: TokenFields): string | undefined {
  if (sandboxToken !== undefined) return sandboxToken;
  return authorization === undefined ? undefined : bearerToken(authorization);
}

/** The token of an Authorization field, not looked at yet; "" when the field is another scheme's. */
export function bearerToken(authorization: string): string {
  // What nearly everybody sends, without a regular expression over the whole token.
  if (authorization.startsWith(SCHEME) && authorization.charCodeAt(SCHEME.length) !== SPACE) {
    return authorization.slice(SCHEME.length);
  }
  return BEARER.exec(authorization)?.[1] ?? "";
}

/** Whether the Authorization field only says again what X-Sandbox-Token says. */
export function repeatsToken({ authorization, sandboxToken }: TokenFields): boolean {
  return authorization !== undefined && bearerToken(authorization) === sandboxToken;
}
