import type { NewSession, SessionRecord } from "../../domain/credential/session.ts";
import type { KeyDocument, KeySource } from "../../auth/oidc/key-source.ts";
import { asGatewayError, type ErrorCode, GatewayError } from "../../errors.ts";
import type { SessionKeeper } from "../../proxy/routes/browser/keeper.ts";

/** What a data thread has the control thread do, which alone writes the state. */
export type Errand =
  | { readonly kind: "open-session"; readonly session: NewSession }
  | { readonly kind: "close-session"; readonly id: string; readonly subject: string }
  | { readonly kind: "read-keys"; readonly issuer: string };

export type SessionErrand = Exclude<Errand, { readonly kind: "read-keys" }>;

/** What came of it, as data; `null` where there is nothing to tell. */
export type Outcome =
  | { readonly session: SessionRecord | null }
  | { readonly keys: KeyDocument }
  | { readonly code: ErrorCode; readonly details: string };

/** While so many are under way no session is opened: the control thread has others to serve too. */
const MOST = 64;

/** A control thread that takes longer than this has something else on its mind. */
const PATIENCE_MS = 5_000;
/** It asks somebody else, who may take his time: see JWKS_TIMEOUT. */
const KEYS_PATIENCE_MS = 150_000;

/** The errands of one data thread that are not done yet. */
export class Errands implements SessionKeeper, KeySource {
  readonly #send: (id: number, errand: Errand) => void;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #last = 0;

  constructor(options: { send: (id: number, errand: Errand) => void }) {
    this.#send = options.send;
  }

  async open(session: NewSession): Promise<SessionRecord> {
    if (this.#waiting.size >= MOST) throw new GatewayError("RATE_002", { details: "Too many at once", retryAfter: 1 });
    const opened = await this.#run({ kind: "open-session", session }, PATIENCE_MS);
    if (!("session" in opened) || opened.session === null)
      throw new GatewayError("GW_001", { details: "a session was opened, and is not there" });
    return opened.session;
  }

  async close(id: string, subject: string): Promise<void> {
    await this.#run({ kind: "close-session", id, subject }, PATIENCE_MS);
  }

  async readKeys(issuer: string): Promise<KeyDocument> {
    const read = await this.#run({ kind: "read-keys", issuer }, KEYS_PATIENCE_MS);
    if ("keys" in read) return read.keys;
    throw new GatewayError("GW_001", { details: "keys were read, and are not there" });
  }

  /** The control thread says what came of an errand; nobody may wait for it any more. */
  done(id: number, outcome: Outcome): void {
    this.#waiting.get(id)?.(outcome);
  }

  #run(errand: Errand, patienceMs: number): Promise<Success> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.done(id, LATE), patienceMs);
      this.#waiting.set(id, (outcome) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if ("code" in outcome) reject(new GatewayError(outcome.code, { details: outcome.details }));
        else resolve(outcome);
      });
      this.#send(id, errand);
    });
  }
}

type Success = Exclude<Outcome, { readonly code: ErrorCode }>;

const LATE: Outcome = { code: "GW_008", details: "it was not stored in time" };

/** What is told of an errand that failed. */
export function failure(error: unknown): Outcome {
  const { code, details, message } = asGatewayError(error);
  return { code, details: details === "" ? message : details };
}
