import { createHmac, randomBytes } from "node:crypto";
import type { Scope } from "../../domain/credential/link.ts";
import type { Principal } from "../../domain/principal.ts";
import { GatewayError } from "../../errors.ts";
import type { TicketSlots } from "../../limits/ticket-slots.ts";
import { claimed, isProven, proven } from "../proven-text.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** The query parameter in which a ticket comes. */
export const TICKET_PARAMETER = "sgw_ticket";
/** How long one is good, ms. */
export const TICKET_MS = 30_000;

/** What a ticket says: its place and number, when it ends, and for whom it is. */
type Claims = readonly [slot: number, value: string, end: number, principal: Principal];

/**
 * Good once, for half a minute: what a page that has a token uses to open a WebSocket, which cannot carry one. It stands in
 * the query, where logs and histories may keep it, and nobody can do anything with it there. Good in this process only.
 */
export class TicketCredential implements CredentialKind {
  readonly name = "ticket";
  readonly ambient = false;
  readonly keepsUse = false;
  readonly once = true;
  readonly #key: Uint8Array;
  readonly #slots: TicketSlots;
  readonly #now: () => number;

  constructor(options: {
    /** From which the tickets' key is made. */
    hashKey: Uint8Array;
    /** Of this process. */
    salt: string;
    slots: TicketSlots;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#key = createHmac("sha256", options.hashKey).update(`sandboxgw tickets ${options.salt}`).digest();
    this.#slots = options.slots;
    this.#now = options.now;
  }

  /** A ticket for somebody who may do more. @throws GatewayError RATE_009 when too many are out. */
  issue(principal: Principal, scope: Scope): string {
    const value = randomBytes(8).readBigInt64LE() | 1n;
    const now = this.#now();
    const end = now + TICKET_MS;
    const slot = this.#slots.put(value, end, now);
    if (slot === undefined) throw new GatewayError("RATE_009", { retryAfter: 1 });
    const held = {
      ...principal,
      credential: this.name,
      sandboxes: [scope.sandboxId],
      scope,
      expiresAt: Number.isFinite(principal.expiresAt) ? principal.expiresAt : null,
    };
    return proven(this.#key, [slot, String(value), end, held]);
  }

  shown({ ticket }: CredentialFields): string | undefined {
    return ticket;
  }

  async verify(text: string): Promise<Principal> {
    if (!isProven(this.#key, text))
      throw new GatewayError("AUTH_001", { details: "Ticket is not one of this gateway's" });
    // Proven: nobody but `issue` has made it.
    const [slot, value, end, held] = claimed(text) as Claims;
    if (end <= this.#now()) throw new GatewayError("AUTH_001", { details: "Ticket has expired", reason: "expired" });
    if (!this.#slots.use(slot, BigInt(value))) {
      throw new GatewayError("AUTH_001", { details: "Ticket has been used" });
    }
    return { ...held, expiresAt: held.expiresAt ?? Number.POSITIVE_INFINITY };
  }

  isOurs(text: string): Promise<boolean> {
    return Promise.resolve(isProven(this.#key, text));
  }
}
