import type { Rate } from "../../domain/value/quantities.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import type { Cells } from "./rate-limit.ts";
import { type Limit, type Limited, newLimit, over, tell } from "./rate-limits.ts";

/** A limit together with what its callers' keys are changed by, so that it is counted apart from their others. */
interface Marked {
  readonly limit: Limit;
  readonly mark: bigint;
}

/** One sandbox's, with the key it is counted under. */
interface Own {
  readonly limit: Limit;
  readonly key: bigint;
}

/**
 * Limits that only some requests meet, beside those that all do: of callers with a role, of one operation, of one sandbox.
 * Where none is set none is looked for. `callerKey`: what the caller's own limits are counted under, 0 = nobody in particular; `now` is `process.hrtime.bigint()`; `told` is told of the limit of which least is left.
 */
export class NarrowLimits {
  readonly #cells: Cells;
  readonly #rateKey: (name: string) => bigint;
  readonly #roles: ReadonlyMap<string, Marked> | null;
  readonly #operations: ReadonlyMap<string, Marked> | null;
  /** Made once for each that has one. */
  readonly #sandboxes = new WeakMap<Sandbox, Own>();

  /** Rates by the name of the role, and of the operation. `rateKey`: salted. */
  constructor(options: {
    cells: Cells;
    roles: Readonly<Record<string, Rate>>;
    operations: Readonly<Record<string, Rate>>;
    rateKey: (name: string) => bigint;
  }) {
    const { cells, roles, operations, rateKey } = options;
    this.#cells = cells;
    this.#rateKey = rateKey;
    const marked = (kind: "role" | "operation", rates: Readonly<Record<string, Rate>>): Map<string, Marked> | null => {
      const entries = Object.entries(rates).map(([name, rate]): [string, Marked] => {
        const whose = `The limit of each caller's ${kind === "role" ? "calls as" : "calls of"} ${name} (${KEYS[kind]})`;
        return [name, { limit: newLimit(kind, cells, rate, whose), mark: rateKey(markName(kind, name)) }];
      });
      return entries.length === 0 ? null : new Map(entries);
    };
    this.#roles = marked("role", roles);
    this.#operations = marked("operation", operations);
  }

  /** Counts one request of any kind. @throws GatewayError RATE_001 */
  admitRole(role: string, callerKey: bigint, now: bigint, told: Limited): void {
    if (this.#roles === null) return;
    admitMarked(this.#roles.get(role), callerKey, now, told);
  }

  /** Counts one execute call. @throws GatewayError RATE_001 */
  admitOperation(operation: string, callerKey: bigint, now: bigint, told: Limited): void {
    if (this.#operations === null) return;
    admitMarked(this.#operations.get(operation), callerKey, now, told);
  }

  /** Counts one request to a sandbox, whoever makes it. @throws GatewayError RATE_008 */
  admitSandbox(sandbox: Sandbox, now: bigint, told: Limited): void {
    const { rateLimit } = sandbox.settings;
    if (rateLimit === undefined) return;
    const { limit, key } = this.#ownOf(sandbox, rateLimit);
    const taken = limit.limiter.take(key, now);
    if (taken > 0) throw over(limit, taken, "RATE_008");
    tell(told, limit, taken);
  }

  #ownOf(sandbox: Sandbox, rate: Rate): Own {
    let own = this.#sandboxes.get(sandbox);
    if (own === undefined) {
      const limit = newLimit("sandbox", this.#cells, rate, "The limit of this sandbox's calls, whoever makes them");
      own = { limit, key: this.#rateKey(sandboxName(sandbox.id)) };
      this.#sandboxes.set(sandbox, own);
    }
    return own;
  }
}

/** The name whose key marks what is counted for a role's or an operation's limit. */
export function markName(kind: "role" | "operation", name: string): string {
  return `${kind} ${name}`;
}

/** The name under whose key a sandbox's limit is counted. */
export function sandboxName(id: string): string {
  return `sandbox ${id}`;
}

const KEYS = { role: "ROLE_RATE_LIMITS", operation: "OPERATION_RATE_LIMITS" } as const;

function admitMarked(marked: Marked | undefined, callerKey: bigint, now: bigint, told: Limited): void {
  if (marked === undefined || callerKey === 0n) return;
  const { limit, mark } = marked;
  const taken = limit.limiter.take(callerKey ^ mark, now);
  if (taken > 0) throw over(limit, taken);
  tell(told, limit, taken);
}
