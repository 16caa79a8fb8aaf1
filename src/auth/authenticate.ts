import type { Principal } from "../domain/principal.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { lastRefusedExpiry, type Use } from "../domain/token.ts";
import { GatewayError } from "../errors.ts";
import type { SketchKey } from "../limits/sketch.ts";
import type { Caller } from "./caller.ts";
import type { CredentialFields, CredentialKind } from "./credentials/credential.ts";
import { repeatsToken } from "./credentials/token.ts";
import { KnownCallers } from "./known-callers.ts";
import { Standing } from "./standing.ts";

/** One credential that a request shows. */
interface Shown {
  readonly kind: CredentialKind;
  readonly known: KnownCallers;
  readonly text: string;
}

/**
 * Who is calling. A credential that was verified before costs one map look-up, and one comparison while nothing has changed
 * since. What is kept is bounded and never outlives a credential.
 */
export class Authenticator {
  readonly #kinds: readonly { readonly kind: CredentialKind; readonly known: KnownCallers }[];
  readonly #skewMs: number;
  readonly #rateKey: (name: string) => bigint;
  readonly #shareKey: (name: string) => SketchKey;
  readonly #now: () => number;

  constructor(options: {
    /** In the order in which they count: what a caller shows on purpose before what browsers send by themselves. */
    kinds: readonly CredentialKind[];
    /** Of each kind. */
    cacheSize: number;
    /** Clock difference that is tolerated, ms. */
    skewMs: number;
    rateKey: (name: string) => bigint;
    shareKey: (name: string) => SketchKey;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    const { kinds, cacheSize } = options;
    this.#kinds = kinds.map((kind) => ({ kind, known: new KnownCallers(cacheSize) }));
    this.#skewMs = options.skewMs;
    this.#rateKey = options.rateKey;
    this.#shareKey = options.shareKey;
    this.#now = options.now;
  }

  get cached(): number {
    return this.#kinds.reduce((sum, { known }) => sum + known.size, 0);
  }

  /**
   * The caller, if all that it shows is one credential that has been verified before.
   * @throws GatewayError AUTH_001 when that was taken back, AUTH_002 when it shows none.
   */
  known(fields: CredentialFields, snapshot: Snapshot): Caller | undefined {
    let text: string | undefined;
    let callers: KnownCallers | undefined;
    for (const { kind, known } of this.#kinds) {
      const shown = kind.shown(fields);
      if (shown === undefined) continue;
      if (text !== undefined) return undefined; // more than one: they have to agree
      text = shown;
      callers = known;
    }
    if (text === undefined) throw new GatewayError("AUTH_002");
    return this.#good(callers as KnownCallers, text, snapshot);
  }

  /**
   * What a caller shows on purpose has to agree, and what its browser sends by itself with it; a link or ticket stands in the
   * URL to be somebody else for once, so it does not have to agree with that. Of what the browser sends by itself alone, the
   * first that is good counts.
   * @throws GatewayError AUTH_001 (one is not good), AUTH_005 (one is malformed, or two speak for different callers).
   */
  async verify(fields: CredentialFields, snapshot: () => Snapshot): Promise<Caller> {
    let caller: Caller | undefined;
    let refused: unknown;
    for (const { kind, known, text } of this.#shown(fields)) {
      if (kind.ambient && caller !== undefined && (caller.ambient || caller.principal.scope !== null)) break;
      const next = await this.#verifyOne({ kind, known, text }, snapshot).catch((error: unknown) => {
        if (!kind.ambient) throw error;
        refused ??= error;
        return undefined;
      });
      if (caller !== undefined && next !== undefined && caller.principal.subject !== next.principal.subject) {
        throw new GatewayError("AUTH_005", { details: "Two credentials that speak for different callers" });
      }
      caller ??= next;
    }
    if (caller === undefined) throw refused ?? new GatewayError("AUTH_002");
    return caller;
  }

  /**
   * Whether the Authorization field beside X-Sandbox-Token is the sandbox's own and goes on to it. Not when it repeats that
   * token, which no sandbox may have.
   * @throws GatewayError AUTH_005 when it carries another token of this gateway's making: nobody can tell who calls.
   */
  async passesAuthorization(fields: CredentialFields, snapshot: Snapshot): Promise<boolean> {
    const { authorization } = fields;
    if (authorization === undefined || repeatsToken(fields)) return false;
    const alone = {
      authorization,
      sandboxToken: undefined,
      cookie: undefined,
      link: undefined,
      ticket: undefined,
      certificate: undefined,
    };
    for (const { kind, known, text } of this.#shown(alone)) {
      if (!known.has(text) && !(await kind.isOurs(text, snapshot))) continue;
      throw new GatewayError("AUTH_005", {
        details: "Authorization and X-Sandbox-Token are two tokens of this gateway",
      });
    }
    return true;
  }

  /** When each credential was last used that has been since `since` (ms since the epoch), of the kinds of which that is kept. */
  usesSince(since: number): Use[] {
    return this.#kinds.flatMap(({ kind, known }) => (kind.keepsUse ? known.usesSince(since) : []));
  }

  #shown(fields: CredentialFields): Shown[] {
    return this.#kinds.flatMap(({ kind, known }) => {
      const text = kind.shown(fields);
      return text === undefined ? [] : [{ kind, known, text }];
    });
  }

  async #verifyOne({ kind, known, text }: Shown, snapshot: () => Snapshot): Promise<Caller> {
    const before = this.#good(known, text, snapshot());
    if (before !== undefined) return before;
    const principal = await kind.verify(text, snapshot());
    if (this.#isOver(principal)) {
      throw new GatewayError("AUTH_001", { details: "Token has expired", reason: "expired" });
    }
    const name = `subject ${principal.subject}`;
    const caller = {
      principal,
      standing: new Standing(principal),
      ambient: kind.ambient,
      rateKey: this.#rateKey(name),
      proxyRateKey: this.#rateKey(`proxied ${name}`),
      shareKey: this.#shareKey(name),
      usedAt: this.#now(),
    };
    caller.standing.check(snapshot());
    if (!kind.once) known.remember(text, caller);
    return caller;
  }

  /** @throws GatewayError AUTH_001 when it was taken back. */
  #good(known: KnownCallers, text: string, snapshot: Snapshot): Caller | undefined {
    const caller = known.get(text);
    if (caller === undefined) return undefined;
    const now = this.#now();
    if (this.#isOver(caller.principal, now)) {
      known.forget(text);
      return undefined;
    }
    caller.standing.check(snapshot);
    caller.usedAt = now;
    return caller;
  }

  #isOver({ expiresAt }: Principal, now = this.#now()): boolean {
    return expiresAt <= lastRefusedExpiry(now, this.#skewMs);
  }
}
