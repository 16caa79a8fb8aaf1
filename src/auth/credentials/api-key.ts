import type { Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { isApiKey, looksLikeApiKey } from "../api-key-text.ts";
import { tokenHash } from "../tokens/issue.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";
import { shownToken } from "./token.ts";

/** An opaque key, where a signed token may stand too. It says nothing of itself: what it may do is in the snapshot. */
export class ApiKeyCredential implements CredentialKind {
  readonly name = "key";
  readonly ambient = false;
  readonly keepsUse = true;
  readonly once = false;
  readonly #hashKey: Uint8Array;

  /** `hashKey`: under which keys are stored. */
  constructor(hashKey: Uint8Array) {
    this.#hashKey = hashKey;
  }

  shown(fields: CredentialFields): string | undefined {
    const text = shownToken(fields);
    return text !== undefined && looksLikeApiKey(text) ? text : undefined;
  }

  async verify(text: string, { apiKeys }: Snapshot): Promise<Principal> {
    const key = isApiKey(text) ? apiKeys.get(tokenHash(this.#hashKey, text)) : undefined;
    if (key === undefined) throw new GatewayError("AUTH_001", { details: "No such API key" });
    const { tokenId, subject, role, sandboxes, operations, createdAt, expiresAt } = key;
    return {
      subject,
      role,
      credential: this.name,
      tokenId,
      grantedBy: null,
      keyId: null,
      issuedAt: createdAt,
      sandboxes,
      operations,
      scope: null,
      expiresAt,
    };
  }

  /** By its form alone: one that was revoked and forgotten is no sandbox's either. */
  isOurs(text: string): Promise<boolean> {
    return Promise.resolve(isApiKey(text));
  }
}
