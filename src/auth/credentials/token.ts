import type { Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { looksLikeApiKey } from "../api-key-text.ts";
import type { SigningKeys } from "../keys/verification-keys.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** What of the state says which tokens are good. */
export type VerifyingState = Pick<Snapshot, "signingKeys" | "roles">;

export interface Verifier {
  /** Turns a token into a principal. @throws GatewayError AUTH_001 */
  verify(token: string, state: VerifyingState): Promise<Principal>;
  /** Whether a key of this gateway has signed the token, whatever it says and however old it is. */
  signed(token: string, signingKeys: SigningKeys): Promise<boolean>;
}

const TOKEN = /^[A-Za-z0-9._~+/=-]{1,8192}$/;

/** A signed token (RFC 7519), in `Authorization: Bearer` (RFC 6750) or `X-Sandbox-Token`. */
export class TokenCredential implements CredentialKind {
  readonly name = "token";
  readonly ambient = false;
  readonly keepsUse = false;
  readonly once = false;
  readonly #verifier: Verifier;

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  shown(fields: CredentialFields): string | undefined {
    const token = shownToken(fields);
    return token !== undefined && looksLikeApiKey(token) ? undefined : token;
  }

  verify(token: string, state: VerifyingState): Promise<Principal> {
    if (!TOKEN.test(token)) throw new GatewayError("AUTH_005");
    return this.#verifier.verify(token, state);
  }

  isOurs(token: string, { signingKeys }: Snapshot): Promise<boolean> {
    return this.#verifier.signed(token, signingKeys);
  }
}

/** Where a token can stand. */
type TokenFields = Pick<CredentialFields, "authorization" | "sandboxToken">;

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
