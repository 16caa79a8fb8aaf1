import type { KeyRing } from "../../auth/keys.ts";
import { issueToken, TokenVerifier, tokenHash } from "../../auth/tokens.ts";
import type { Config } from "../../config/schema.ts";
import { newId } from "../../domain/id.ts";
import { isRole, ROLES } from "../../domain/role.ts";
import type { TokenRecord } from "../../domain/token.ts";
import { GatewayError } from "../../errors.ts";
import type { StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted } from "../control.ts";

export interface NewToken {
  readonly subject: string;
  readonly role: string;
  /** null = AUTH_TOKEN_EXPIRY. */
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
const PATTERN = /^[A-Za-z0-9*][A-Za-z0-9._*-]{0,127}$/;
const OPERATION = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** The last second of the year 9999: RFC 3339 has four digits for the year. */
const LAST_TIME = 253_402_300_799_000;

type TokenConfig = Pick<Config, "TOKEN_ISSUER" | "TOKEN_AUDIENCE" | "TOKEN_CLOCK_SKEW" | "AUTH_TOKEN_EXPIRY">;

export class TokenVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "tokens">;
  readonly #keys: () => Promise<KeyRing>;
  readonly #config: TokenConfig;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "tokens">;
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
      keys: [keys.signing],
      issuer: this.#config.TOKEN_ISSUER,
      audience: this.#config.TOKEN_AUDIENCE,
      clockSkewMs: this.#config.TOKEN_CLOCK_SKEW,
      now: this.#now,
    });
    const { tokenId: id, subject, role, sandboxes, operations, issuedAt, expiresAt } = await verifier.verify(token);
    const revokedAt = (await this.#store.tokens.find(id))?.revokedAt ?? null;
    return { id, subject, role, sandboxes, operations, createdAt: issuedAt, expiresAt, revokedAt, hash };
  }

  /** Newest first. `expired`: those that have expired too. */
  async list(_actor: Actor, { expired }: { expired: boolean }): Promise<TokenRecord[]> {
    const all = await this.#store.tokens.list();
    const now = this.#now();
    return expired ? all : all.filter((token) => token.expiresAt > now);
  }

  async create(actor: Actor, wanted: NewToken): Promise<CreatedToken> {
    const { subject, role, sandboxes, operations } = wanted;
    const expiresInMs = wanted.expiresInMs ?? this.#config.AUTH_TOKEN_EXPIRY;
    check(isRole(role), `role ${quoted(role)}: expected ${ROLES.join(", ")}`);
    check(SUBJECT.test(subject), `subject ${quoted(subject)}: expected 1 to 128 printable characters`);
    check(Number.isSafeInteger(expiresInMs) && expiresInMs >= 1000, "lifetime: expected at least 1 s");
    for (const pattern of sandboxes ?? []) check(PATTERN.test(pattern), `sandbox pattern ${quoted(pattern)}`);
    for (const operation of operations ?? []) check(OPERATION.test(operation), `operation ${quoted(operation)}`);
    const now = this.#now();
    // Tokens count in whole seconds; rounding up never gives less than was asked for.
    const expiresAt = Math.ceil((now + expiresInMs) / 1000) * 1000;
    check(expiresAt <= LAST_TIME, "lifetime is too long");
    const { signing: key, tokenHashKey } = await this.#keys();
    const { TOKEN_ISSUER: issuer, TOKEN_AUDIENCE: audience } = this.#config;
    const id = newId("tok");
    const principal = { subject, role, tokenId: id, sandboxes, operations };
    const token = await issueToken({ principal, key, issuer, audience, expiresAt, now });
    const record: TokenRecord = {
      id,
      subject,
      role,
      sandboxes,
      operations,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      hash: tokenHash(tokenHashKey, token),
    };
    await this.#control.write(actor, async (step) => {
      await step.tokens.create(record);
      step.record("token.create", id, { subject, role, sandboxes, operations, expires_at_ms: expiresAt });
    });
    return { token, record, revision: 0 };
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
