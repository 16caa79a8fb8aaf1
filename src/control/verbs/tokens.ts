import { activeSigner, type KeyRing } from "../../auth/keys/key-ring.ts";
import { VerificationKeys } from "../../auth/keys/verification-keys.ts";
import { apiKeyPrefix, newApiKey } from "../../auth/api-key-text.ts";
import { issueToken, tokenHash } from "../../auth/tokens/issue.ts";
import { readToken } from "../../auth/tokens/form.ts";
import { TokenVerifier } from "../../auth/tokens/verify.ts";
import type { Config } from "../../config/schema.ts";
import { newId } from "../../domain/id.ts";
import { apiKeyOf } from "../../domain/credential/api-key.ts";
import { isOperation, isSandboxPattern } from "../../domain/role/read-role.ts";
import { lacking } from "../../domain/role/holds.ts";
import { nearest } from "../../domain/value/nearest.ts";
import { NEVER, type TokenForm, type TokenRecord } from "../../domain/token.ts";
import type { Rights } from "../../domain/role/rights.ts";
import { GatewayError } from "../../errors.ts";
import type { StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted, requirePermission } from "../control.ts";
import { rightsOf, roleNames } from "./roles.ts";

export interface NewToken {
  readonly subject: string;
  readonly role: string;
  /** Opaque: an API key. Signed when left out. */
  readonly form?: TokenForm;
  /** null = AUTH_TOKEN_EXPIRY or API_KEY_EXPIRY; Infinity = never, for an API key only. */
  readonly expiresInMs: number | null;
  /** Patterns (`py-*`); null = all. */
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
}

export interface CreatedToken {
  /** In this result and nowhere else: only a keyed hash of it is stored. */
  readonly token: string;
  readonly record: TokenRecord;
  readonly revision: number;
}

const SUBJECT = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,128}$/u;

type TokenConfig = Pick<
  Config,
  "TOKEN_ISSUER" | "TOKEN_AUDIENCE" | "TOKEN_CLOCK_SKEW" | "AUTH_TOKEN_EXPIRY" | "API_KEY_EXPIRY"
>;

/** Whether somebody can be called this. */
export function isSubject(text: string): boolean {
  return SUBJECT.test(text);
}

export class TokenVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "tokens" | "roles" | "revocations" | "signingKeys">;
  readonly #keys: () => Promise<KeyRing>;
  readonly #config: TokenConfig;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "tokens" | "roles" | "revocations" | "signingKeys">;
    keys: () => Promise<KeyRing>;
    config: TokenConfig;
    now: () => number;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#keys = options.keys;
    this.#config = options.config;
    this.#now = options.now;
  }

  /** @throws GatewayError ROUTE_005 */
  async find(_actor: Actor, id: string): Promise<TokenRecord> {
    const record = await this.#store.tokens.find(id);
    if (record === undefined) throw new GatewayError("ROUTE_005", { details: id });
    return record;
  }

  /**
   * What is known of the token itself. One of ours is known by its hash, valid or not; one made elsewhere with the shared
   * secret has to prove itself. @throws GatewayError AUTH_001
   */
  async inspect(_actor: Actor, token: string): Promise<TokenRecord> {
    const keys = await this.#keys();
    const hash = tokenHash(keys.tokenHashKey, token);
    const known = await this.#store.tokens.findByHash(hash);
    if (known !== undefined) return known;
    const verifier = new TokenVerifier({
      keys: new VerificationKeys({ keys, now: this.#now }),
      issuer: this.#config.TOKEN_ISSUER,
      audience: this.#config.TOKEN_AUDIENCE,
      clockSkewMs: this.#config.TOKEN_CLOCK_SKEW,
      now: this.#now,
    });
    const {
      tokenId: id,
      subject,
      role,
      sandboxes,
      operations,
      issuedAt,
      expiresAt,
    } = await verifier.verify(
      token,
      readToken(token),
      new Map((await this.#store.signingKeys.list()).map((key) => [key.id, key])),
    );
    const revokedAt = await this.#revokedAt({ id, subject, issuedAt });
    const own = { id, subject, role, sandboxes, operations, createdAt: issuedAt, expiresAt, revokedAt, hash };
    return { ...own, form: "signed", prefix: null, lastUsedAt: null };
  }

  /** When a token was revoked that somebody else may have made; null = it is not. */
  async #revokedAt(token: { id: string; subject: string; issuedAt: number }): Promise<number | null> {
    const { tokens, revocations } = this.#store;
    const before = await revocations.findSubject(token.subject);
    if (before !== undefined && token.issuedAt < before) return before;
    return (await tokens.find(token.id))?.revokedAt ?? (await revocations.findId(token.id)) ?? null;
  }

  /** Newest first. `expired`: those that have expired too. */
  async list(_actor: Actor, { expired }: { expired: boolean }): Promise<TokenRecord[]> {
    const all = await this.#store.tokens.list();
    const now = this.#now();
    return expired ? all : all.filter((token) => token.expiresAt > now);
  }

  async create(actor: Actor, wanted: NewToken): Promise<CreatedToken> {
    const { subject, role, form = "signed", sandboxes, operations } = wanted;
    const { AUTH_TOKEN_EXPIRY, API_KEY_EXPIRY } = this.#config;
    const expiresInMs = wanted.expiresInMs ?? (form === "opaque" ? API_KEY_EXPIRY : AUTH_TOKEN_EXPIRY);
    const endless = form === "opaque" && expiresInMs === Number.POSITIVE_INFINITY;
    requirePermission(actor, "token:manage");
    const rights = await this.#rightsOf(role);
    check(isSubject(subject), `subject ${quoted(subject)}: expected 1 to 128 printable characters`);
    check(endless || (Number.isSafeInteger(expiresInMs) && expiresInMs >= 1000), "lifetime: expected at least 1 s");
    for (const pattern of sandboxes ?? []) check(isSandboxPattern(pattern), `sandbox pattern ${quoted(pattern)}`);
    for (const operation of operations ?? []) check(isOperation(operation), `operation ${quoted(operation)}`);
    const more = actor.holding && lacking(actor.holding, { rights, sandboxes, operations });
    if (more) throw new GatewayError("AUTH_010", { details: more });
    const now = this.#now();
    // Tokens count in whole seconds; rounding up never gives less than was asked for.
    const expiresAt = endless ? NEVER : Math.ceil((now + expiresInMs) / 1000) * 1000;
    check(expiresAt <= NEVER, "lifetime is too long");
    const keys = await this.#keys();
    const id = newId("tok");
    const told = { subject, role, sandboxes, operations };
    const principal = { ...told, tokenId: id };
    // A token counts in whole seconds: made in the second in which its subject was revoked, it must not look older than that.
    const issuedAt =
      Math.ceil(Math.max(now - 999, (await this.#store.revocations.findSubject(subject)) ?? 0) / 1000) * 1000;
    const { TOKEN_ISSUER: issuer, TOKEN_AUDIENCE: audience } = this.#config;
    const token =
      form === "opaque"
        ? newApiKey()
        : await issueToken({
            principal,
            key: await activeSigner(keys, this.#store.signingKeys),
            issuer,
            audience,
            expiresAt,
            now,
            issuedAt,
          });
    const record: TokenRecord = {
      id,
      ...told,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      hash: tokenHash(keys.tokenHashKey, token),
      form,
      prefix: form === "opaque" ? apiKeyPrefix(token) : null,
      lastUsedAt: null,
    };
    return await this.#control.write(actor, async (step) => {
      await step.tokens.create(record);
      step.record("token.create", id, { ...told, form, expires_at_ms: expiresAt });
      // A signed token says itself what it may do, and needs but its key to be known; of an API key the data path has to be told.
      const revision =
        form === "opaque"
          ? await step.announce({ kind: "api-key.created", apiKey: apiKeyOf(record) })
          : await step.revision();
      return { token, record, revision };
    });
  }

  async #rightsOf(role: string): Promise<Rights> {
    const rights = await rightsOf(this.#store.roles, role);
    if (rights !== undefined) return rights;
    const names = await roleNames(this.#store.roles);
    const near = nearest(role, names);
    const meant = near === undefined ? "" : ` (did you mean ${near}?)`;
    throw new GatewayError("VAL_010", { details: `role ${quoted(role)}: expected ${names.join(", ")}${meant}` });
  }

  /** Revoking twice is no error. @throws GatewayError ROUTE_005 */
  revoke(actor: Actor, id: string): Promise<{ record: TokenRecord; revision: number }> {
    return this.#control.write(actor, async (step) => {
      const token = await step.tokens.find(id);
      if (token === undefined) throw new GatewayError("ROUTE_005", { details: id });
      // Announced by whoever was first; perhaps that is not in force yet.
      if (!(await step.tokens.revoke(id, step.now))) return { record: token, revision: await step.revision() };
      const revision = await step.announce({ kind: "token.revoked", tokenId: id, expiresAt: token.expiresAt });
      step.record("token.revoke", id, { subject: token.subject });
      return { record: { ...token, revokedAt: step.now }, revision };
    });
  }
}
