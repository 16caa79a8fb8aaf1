import type { Principal } from "../../domain/principal.ts";
import { GatewayError } from "../../errors.ts";
import { LINK_COOKIE, linkFrom } from "../link-text.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** More cookies of one name than this an application has put there. */
const MOST_COOKIES = 4;

/** A signed link, in the query: opens one sandbox, or a part of it, to whoever has it. */
export class LinkCredential implements CredentialKind {
  readonly name = "link";
  readonly ambient: boolean = false;
  readonly keepsUse = false;
  readonly once = false;
  readonly #hashKey: Uint8Array;

  /** `hashKey`: the data folder's, from which the links' keys are made. */
  constructor(hashKey: Uint8Array) {
    this.#hashKey = hashKey;
  }

  shown({ link }: CredentialFields): string | undefined {
    return link;
  }

  async verify(text: string): Promise<Principal> {
    const principal = this.principalOf(text);
    if (principal !== undefined) return principal;
    throw new GatewayError("AUTH_001", { details: "Link is not one of this gateway's, or not whole" });
  }

  isOurs(text: string): Promise<boolean> {
    return Promise.resolve(linkFrom(this.#hashKey, text) !== undefined);
  }

  protected principalOf(text: string): Principal | undefined {
    const link = linkFrom(this.#hashKey, text);
    if (link === undefined) return undefined;
    const { id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt } = link;
    return {
      subject,
      role: "executor",
      credential: this.name,
      tokenId: id,
      grantedBy: null,
      keyId,
      issuedAt: createdAt,
      sandboxes: [sandboxId],
      operations: null,
      scope: { sandboxId, port, methods, path },
      expiresAt,
    };
  }
}

/** The cookie that a link's first use leaves. An application can set others of that name beside it: the one that is good counts. */
export class LinkCookieCredential extends LinkCredential {
  override readonly ambient = true;

  override shown({ cookie }: CredentialFields): string | undefined {
    if (cookie === undefined || !cookie.includes(LINK_COOKIE)) return undefined;
    const values = cookiesNamed(LINK_COOKIE, cookie);
    return values.length === 0 ? undefined : values.slice(0, MOST_COOKIES).join(" ");
  }

  protected override principalOf(text: string): Principal | undefined {
    for (const value of text.split(" ")) {
      const principal = super.principalOf(value);
      if (principal !== undefined) return principal;
    }
    return undefined;
  }
}

/** All values of that name, whatever stands between them. */
function cookiesNamed(name: string, field: string): string[] {
  return field.split(";").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at >= 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
}
