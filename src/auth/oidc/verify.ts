import { hash } from "node:crypto";
import { jwtVerify } from "jose/jwt/verify";
import type { Principal } from "../../domain/principal.ts";
import type { Roles } from "../../domain/role/roles.ts";
import type { RoleMap } from "../../domain/value/providers.ts";
import { expiryIn, issueIn, nameIn } from "../tokens/claims.ts";
import { isRecord, type Members, type ReadToken } from "../tokens/form.ts";
import { invalid, malformed, notVerified } from "../tokens/refusal.ts";
import type { ProviderKeys } from "./provider-keys.ts";

export interface OidcVerifierOptions {
  /** Stands before its subjects and ids, so that no issuer can speak for another's. */
  readonly name: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly keys: ProviderKeys;
  readonly roleClaim: string;
  readonly roleMap: RoleMap;
  readonly clockSkewMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Turns a token of an identity provider into the principal it speaks for. */
export class OidcVerifier {
  readonly #o: OidcVerifierOptions;

  constructor(options: OidcVerifierOptions) {
    this.#o = options;
  }

  get issuer(): string {
    return this.#o.issuer;
  }

  /** @throws GatewayError AUTH_001, AUTH_009 when its keys cannot be had. */
  async verify(token: string, { header, claims }: ReadToken, roles: Roles): Promise<Principal> {
    const { kid, alg } = header;
    if (kid !== undefined && typeof kid !== "string") throw malformed();
    const key = await this.#o.keys.find(kid);
    if (key === undefined) throw invalid("Token was signed with an unknown key");
    if (alg !== key.algorithm) throw invalid("Algorithm is not allowed");
    await jwtVerify(token, await key.key(), {
      algorithms: [key.algorithm],
      issuer: this.#o.issuer,
      audience: [...this.#o.audiences],
      clockTolerance: this.#o.clockSkewMs / 1000,
      currentDate: new Date(this.#o.now()),
      requiredClaims: ["sub", "exp"],
    }).catch((error: unknown) => {
      throw notVerified(error);
    });
    const id = claims["jti"] === undefined ? hash("sha256", token, "base64url") : nameIn(claims, "jti");
    return {
      subject: `${this.#o.name}:${nameIn(claims, "sub")}`,
      role: this.#roleIn(claims, roles),
      credential: "token",
      tokenId: `${this.#o.name}:${id}`,
      grantedBy: null,
      keyId: null,
      issuedAt: issueIn(claims),
      sandboxes: null,
      operations: null,
      scope: null,
      expiresAt: expiryIn(claims),
    };
  }

  /** Whether a token is meant for this gateway: then no sandbox is to see it, good or not. */
  isFor({ aud }: Members): boolean {
    const meant = Array.isArray(aud) ? aud : [aud];
    return meant.some((audience) => this.#o.audiences.includes(audience as string));
  }

  #roleIn(claims: Members, roles: Roles): string {
    const { roleClaim, roleMap } = this.#o;
    const said = valuesAt(claims, roleClaim);
    const mapped = roleMap.find(([value]) => said.includes(value))?.[1];
    const role = roleMap.length === 0 ? said.find((name) => roles.get(name) !== undefined) : mapped;
    if (role === undefined || roles.get(role) === undefined) throw invalid(`Claim ${roleClaim} stands for no role`);
    return role;
  }
}

/** The texts of a claim: one, or a list. A name with dots is the claim of that name, else a member of a member. */
function valuesAt(claims: Members, path: string): string[] {
  const value = Object.hasOwn(claims, path)
    ? claims[path]
    : path
        .split(".")
        .reduce<unknown>((at, name) => (isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined), claims);
  return (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "string");
}
