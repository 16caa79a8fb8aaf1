import type { CredentialName, Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";

/** What of a request can say who makes it. */
export interface CredentialFields {
  readonly authorization: string | undefined;
  /** Authenticates in the place of Authorization, which then is the sandbox's own. */
  readonly sandboxToken: string | undefined;
  readonly cookie: string | undefined;
  /** Taken out of the query. */
  readonly link: string | undefined;
  readonly ticket: string | undefined;
  /** Of its connection: the client's, which the listener has found good; DER in base64. */
  readonly certificate: string | undefined;
}

/**
 * One kind of credential: where it stands in a request, and how it becomes a principal. How it is taken back is asked of
 * the principal that comes of it, in `standing.ts`.
 */
export interface CredentialKind {
  readonly name: CredentialName;
  /** Browsers send it by themselves: where the caller shows another, one of this kind that is not good is as good as none. */
  readonly ambient: boolean;
  /** When it was last used is of interest. */
  readonly keepsUse: boolean;
  /** Good for one request, so nobody is to remember that it was good. */
  readonly once: boolean;
  /** The credential as the request shows it, not looked at yet; undefined when it shows none of this kind. Costs next to nothing. */
  shown(fields: CredentialFields): string | undefined;
  /** @throws GatewayError AUTH_001 (not good; the details never repeat it), AUTH_005 (not even well-formed). */
  verify(shown: string, snapshot: Snapshot): Promise<Principal>;
  /** Whether it was made here, however old it is and whatever it says: then it is not for a sandbox to see. */
  isOurs(shown: string, snapshot: Snapshot): Promise<boolean>;
}
