import { createHmac, hash } from "node:crypto";
import type { Sandbox } from "../../../domain/sandbox.ts";
import type { Bond } from "../../request/exchange.ts";
import type { PickRequest } from "../strategy.ts";
import { CookieBond } from "./cookie-bond.ts";
import { CookieTokens } from "./cookie-token.ts";
import { SessionBond } from "./session-bond.ts";
import { SessionTable } from "./session-table.ts";

/** What decides about a request's session. */
export interface Visit extends PickRequest {
  readonly mount: string;
  readonly scheme: "http" | "https";
}

/** What is known of a sandbox's sessions as long as the sandbox stays the same. */
interface Plan {
  readonly ttlSeconds: number;
  /** Of its cookie. */
  readonly name: string;
  /** By what of a request a session is known; undefined = the request is in none. null: by the cookie. */
  readonly sessionOf: ((visit: PickRequest) => string | undefined) | null;
  readonly window: number;
}

/** Binds requests to the instance that their session began on, for the sandboxes that want it. */
export class Stickiness {
  readonly #tokens: CookieTokens;
  readonly #sessions: SessionTable;
  /** Nobody outside can make two sessions meet, or many crowd one bucket. */
  readonly #secret: string;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #plans = new WeakMap<Sandbox, Plan>();

  constructor(options: {
    /** The same on all threads, and after a restart. */
    secret: Uint8Array;
    /** SESSION_WORDS of shared memory. */
    words: Int32Array;
    /** Of sandboxes that set none. */
    ttlMs: number;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    const key = (use: string) => createHmac("sha256", options.secret).update(`sandboxgw stickiness ${use}`);
    this.#tokens = new CookieTokens({ key: key("cookie").digest() });
    this.#secret = key("sessions").digest("base64url");
    this.#sessions = new SessionTable(options.words);
    this.#ttlMs = options.ttlMs;
    this.#now = options.now;
  }

  /** null: the sandbox wants none, or the request is in no session. */
  bind(sandbox: Sandbox, visit: Visit): Bond | null {
    if (sandbox.settings.sticky === undefined) return null;
    const { sessionOf, ttlSeconds, name, window } = this.#planOf(sandbox, sandbox.settings.sticky);
    const now = Math.floor(this.#now() / 1000);
    if (sessionOf === null) {
      const { mount, scheme } = visit;
      const sent = visit.field("cookie");
      return new CookieBond(this.#tokens, { sandbox, sent, name, mount, scheme, ttlSeconds, now });
    }
    const session = sessionOf(visit);
    if (session === undefined) return null;
    const bits = this.#bitsOf(`${sandbox.id}\n${sandbox.settings.sticky}\n${session}`);
    const [bucket, tag, check, order] = [0, 4, 8, 12].map((at) => bits.readInt32LE(at)) as [
      number,
      number,
      number,
      number,
    ];
    return new SessionBond(this.#sessions, {
      sandbox,
      key: { window, bucket, tag, check },
      hash: order,
      ttlSeconds,
      now,
    });
  }

  #planOf(sandbox: Sandbox, sticky: string): Plan {
    let plan = this.#plans.get(sandbox);
    if (plan === undefined) {
      plan = {
        ttlSeconds: Math.ceil((sandbox.settings.stickyTtl ?? this.#ttlMs) / 1000),
        name: `sandboxgw_sticky_${sandbox.id}`, // all that an id may have in it, a cookie's name may too
        sessionOf: knownBy(sticky),
        window: this.#bitsOf(sandbox.id).readInt32LE(0),
      };
      this.#plans.set(sandbox, plan);
    }
    return plan;
  }

  #bitsOf(text: string): Buffer {
    return hash("sha256", `${this.#secret}\n${text}`, "buffer");
  }
}

function knownBy(sticky: string): Plan["sessionOf"] {
  if (sticky === "cookie") return null;
  // Where everybody is the same nobody in particular, the address tells them apart.
  if (sticky === "session") return ({ principal, address }) => principal?.tokenId || address;
  if (sticky === "user") {
    return ({ principal, address }) =>
      principal === undefined || principal.tokenId === "" ? address : principal.subject;
  }
  const name = sticky.slice("header:".length).toLowerCase();
  return (visit) => visit.field(name);
}
