import { NEVER } from "../../domain/token.ts";
import type { Actor, Control } from "../control.ts";
import { check, quoted } from "../control.ts";

/** Longer than those of tokens made here: an identity provider's subjects and ids have its name before them. */
const SUBJECT = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,320}$/u;
const TOKEN_ID = /^[^\p{Cc}]{1,320}$/u;

/** Takes back what may have been made elsewhere with a key that is known here, and all that somebody has at once. */
export class RevocationVerbs {
  readonly #control: Control;

  constructor(options: { control: Control }) {
    this.#control = options.control;
  }

  /**
   * Revokes all that was issued to a subject before a moment: tokens of ours and of others, API keys, and what was made
   * from them. What is issued afterwards is good. `issuedBefore`: ms since the epoch; null = now. Returns how many
   * tokens of ours that were good are not any more.
   */
  async revokeSubject(
    actor: Actor,
    wanted: { readonly subject: string; readonly issuedBefore: number | null },
  ): Promise<{ subject: string; issuedBefore: number; tokens: number; revision: number }> {
    const { subject } = wanted;
    check(SUBJECT.test(subject), `subject ${quoted(subject)}: expected 1 to 320 printable characters`);
    return await this.#control.write(actor, async (step) => {
      const issuedBefore = wanted.issuedBefore ?? step.now;
      check(issuedBefore <= step.now, "issued before: expected a moment that has been");
      const before = (await step.revocations.findSubject(subject)) ?? 0;
      const latest = Math.max(before, issuedBefore);
      await step.revocations.revokeSubject({ subject, issuedBefore: latest }, step.now);
      const tokens = await step.tokens.revokeOf(subject, latest, step.now);
      const revision = await step.announce({ kind: "subject.revoked", subject, issuedBefore: latest });
      step.record("subject.revoke", subject, { issued_before_ms: latest, tokens });
      return { subject, issuedBefore: latest, tokens, revision };
    });
  }

  /** Revokes a token that was made elsewhere, by its `jti`. `expiresAt`: ms since the epoch; null = nobody knows. */
  async revokeForeign(
    actor: Actor,
    wanted: { readonly tokenId: string; readonly expiresAt: number | null },
  ): Promise<{ tokenId: string; expiresAt: number; revision: number }> {
    const { tokenId } = wanted;
    const expiresAt = wanted.expiresAt ?? NEVER;
    check(
      TOKEN_ID.test(tokenId),
      `token id ${quoted(tokenId)}: expected 1 to 320 characters, none a control character`,
    );
    return await this.#control.write(actor, async (step) => {
      await step.revocations.revokeId({ tokenId, expiresAt }, step.now);
      const revision = await step.announce({ kind: "token.revoked", tokenId, expiresAt });
      step.record("token.revoke", tokenId, { foreign: true, expires_at_ms: expiresAt });
      return { tokenId, expiresAt, revision };
    });
  }
}
