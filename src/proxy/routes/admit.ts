import type { Caller } from "../../auth/caller.ts";
import type { SandboxAddresses } from "../../auth/addresses/sandbox-addresses.ts";
import type { Standing } from "../../auth/standing.ts";
import { authorize, authorizeExecution, authorizeHttp, findSandbox } from "../../auth/authorize.ts";
import { portOf } from "../../domain/port.ts";
import type { Permission } from "../../domain/role/role.ts";
import type { CustomRoute } from "../../domain/route/route.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import { NO_SETTINGS, type Settings } from "../../domain/settings/settings.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { IpAccess } from "../../auth/ip-access.ts";
import { lastRefusedExpiry } from "../../domain/token.ts";
import { GatewayError } from "../../errors.ts";
import type { ConcurrencyGate } from "../../limits/concurrency.ts";
import type { NarrowLimits } from "../../limits/rate/narrow-limits.ts";
import type { SketchKey } from "../../limits/sketch.ts";
import { Streams } from "../../limits/streams.ts";
import type { Exchange } from "../request/exchange.ts";
import type { InFlight } from "../request/in-flight.ts";

/** Room for a call, and the last question before it is dispatched, whatever kind it is. */
export class Admission {
  readonly #snapshot: () => Snapshot;
  readonly #gate: ConcurrencyGate;
  readonly #shareKey: (name: string) => SketchKey;
  /** Of sandboxes, made once for each. */
  readonly #shareKeys = new WeakMap<Sandbox, SketchKey>();
  readonly #narrow: NarrowLimits | null;
  readonly #addresses: SandboxAddresses;
  readonly #skewMs: number;
  readonly #now: () => number;

  constructor(options: {
    snapshot: () => Snapshot;
    gate: ConcurrencyGate;
    shareKey: (name: string) => SketchKey;
    addresses: SandboxAddresses;
    /** null: nothing is limited in how often it comes. */
    narrow: NarrowLimits | null;
    /** Clock difference that is tolerated in a token's end, ms. */
    skewMs: number;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#snapshot = options.snapshot;
    this.#gate = options.gate;
    this.#shareKey = options.shareKey;
    this.#narrow = options.narrow;
    this.#addresses = options.addresses;
    this.#skewMs = options.skewMs;
    this.#now = options.now;
  }

  /**
   * `address`: where the call comes from.
   * @throws GatewayError ROUTE_001 when there is no such sandbox for this caller, AUTH_003 when there is for other things,
   *   AUTH_006 when not from there.
   */
  find(standing: Standing, permission: Permission, sandboxId: string, address: string): Sandbox {
    return this.#findIn(this.#snapshot(), standing, permission, sandboxId, address);
  }

  /**
   * Counts a call to a sandbox that has a limit of its own, and of an operation that has one.
   * @throws GatewayError RATE_008, RATE_001
   */
  count(exchange: Exchange, caller: Caller, sandbox: Sandbox, operation: string | null): void {
    if (this.#narrow === null) return;
    if (operation === null && sandbox.settings.rateLimit === undefined) return;
    const now = process.hrtime.bigint();
    if (operation !== null) this.#narrow.admitOperation(operation, caller.rateKey, now, exchange);
    this.#narrow.admitSandbox(sandbox, now, exchange);
  }

  /**
   * Takes a slot for the exchange, in the caller's share and, where it is known already, in the sandbox's. Returns a promise
   * only when it has to wait for one. `settings`: those that hold for it.
   * @throws GatewayError RATE_002
   */
  enter(
    exchange: Exchange,
    caller: Caller,
    sandbox: Sandbox | null,
    settings: Settings = NO_SETTINGS,
  ): Promise<void> | undefined {
    exchange.callerKey = caller.shareKey;
    exchange.sandboxKey = sandbox === null ? null : this.#keyOf(sandbox);
    if (!this.#gate.tryAcquire(exchange)) return this.#waitForSlot(exchange, settings);
    exchange.slot = this.#gate;
    return undefined;
  }

  /**
   * The exchange, which holds a slot, turns out to be for this sandbox. When its share is full, the slot goes to somebody
   * else while the exchange waits for one that it may keep: a promise then.
   * @throws GatewayError RATE_002
   */
  enterSandbox(exchange: Exchange, sandbox: Sandbox): Promise<void> | undefined {
    const key = this.#keyOf(sandbox);
    if (this.#gate.extend(key)) {
      exchange.sandboxKey = key;
      return undefined;
    }
    exchange.slot = null;
    this.#gate.release(exchange);
    exchange.sandboxKey = key;
    return this.#waitForSlot(exchange, sandbox.settings);
  }

  /**
   * May the call be dispatched now? Everything before may have waited, so this is asked last, and nothing is awaited
   * between the answer and the dispatch. Returns the sandbox as it is now;
   * whether its caller may do with it just what it wants is the next question.
   * @throws GatewayError AUTH_001 when the token has been revoked or has expired meanwhile, ROUTE_001 when the sandbox has
   *   gone, AUTH_006 when it may not be called from there any more, ROUTE_002 when the route has by which it came, and whatever the exchange was cut with.
   */
  admit(
    exchange: Exchange,
    caller: Caller,
    permission: Permission,
    sandboxId: string,
    route: CustomRoute | null = null,
  ): Sandbox {
    const { principal, standing } = caller;
    const snapshot = this.#snapshot();
    standing.check(snapshot);
    if (principal.expiresAt <= lastRefusedExpiry(this.#now(), this.#skewMs)) throw expired();
    const sandbox = this.#findIn(snapshot, standing, permission, sandboxId, exchange.address);
    if (route !== null && snapshot.routes.get(route.id) === undefined) throw new GatewayError("ROUTE_002");
    exchange.decision = "allow";
    // It might have gone on, but nobody waits for it any more.
    if (exchange.cutBy !== undefined) throw exchange.cutBy;
    return sandbox;
  }

  #findIn(snapshot: Snapshot, standing: Standing, permission: Permission, sandboxId: string, address: string): Sandbox {
    const sandbox = findSandbox(snapshot, standing, permission, sandboxId);
    this.#addresses.check(sandbox.settings, address);
    return sandbox;
  }

  #keyOf(sandbox: Sandbox): SketchKey {
    let key = this.#shareKeys.get(sandbox);
    if (key === undefined) {
      key = this.#shareKey(`sandbox ${sandbox.id}`);
      this.#shareKeys.set(sandbox, key);
    }
    return key;
  }

  async #waitForSlot(exchange: Exchange, { queueTimeout }: Settings): Promise<void> {
    const left = new AbortController();
    const leave = (): void => left.abort();
    exchange.onCut(leave);
    const most = queueTimeout ?? Number.POSITIVE_INFINITY;
    const rest = exchange.endBy - performance.now();
    const over = deadline(Math.min(most, rest), () => exchange.cut(most < rest ? waitedInVain() : noTimeLeft()));
    try {
      await this.#gate.acquire(exchange, left.signal);
    } catch (error) {
      throw exchange.cutBy ?? error;
    } finally {
      clearTimeout(over);
      exchange.offCut(leave);
    }
    exchange.slot = this.#gate;
  }
}

/** No timer where there is no end. */
function deadline(ms: number, over: () => void): NodeJS.Timeout | undefined {
  return ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(over, Math.max(0, ms));
}

function waitedInVain(): GatewayError {
  return new GatewayError("RATE_002", {
    details: "Waited in vain for as long as this sandbox lets calls wait",
    retryAfter: 1,
  });
}

function noTimeLeft(): GatewayError {
  return new GatewayError("PROXY_003", { details: "The call's time was over before it was its turn", executed: "no" });
}

/**
 * Asks again of everything in flight, when state has changed: a revoked token's calls end whatever they wait for, and so
 * do those that a role does not give any more; a call
 * to a sandbox or a port of it that has gone ends unless it is with an instance, which then answers it to the end; an upgraded connection has no end of its own.
 * What has none ends too when the sandbox may not be called from there any more.
 */
export function recheck(inFlight: InFlight<Exchange>, snapshot: Snapshot, addresses: SandboxAddresses): void {
  for (const exchange of inFlight) {
    const { standing } = exchange;
    if (standing === undefined) continue;
    const takenBack = takenBackIn(standing, snapshot);
    const refused = takenBack ?? refusedIn(standing, snapshot, exchange);
    if (refused !== null) exchange.withdraw(refused);
    else if (exchange.sandboxId !== "") recheckPlace(exchange, snapshot, addresses);
  }
}

function recheckPlace(exchange: Exchange, { sandboxes }: Snapshot, addresses: SandboxAddresses): void {
  const { sandboxId, address, port, sent, pausing, upgraded } = exchange;
  const stays = sent && !pausing && !upgraded;
  if (stays && !isEndless(exchange)) return;
  const sandbox = sandboxes.get(sandboxId);
  if (sandbox !== undefined && !addresses.allows(sandbox.settings, address)) {
    exchange.withdraw(new GatewayError("AUTH_006"));
  } else if (stays) {
    return;
  } else if (sandbox === undefined) {
    exchange.cut(new GatewayError("ROUTE_001"));
  } else if (port !== null && portOf(sandbox, port) === undefined) {
    exchange.cut(new GatewayError("ROUTE_009"));
  }
}

function takenBackIn(standing: Standing, snapshot: Snapshot): GatewayError | null {
  return errorOf(() => standing.check(snapshot));
}

/** Why its role does not give any more what the exchange is for; null where it does, or the sandbox has gone. */
function refusedIn(standing: Standing, snapshot: Snapshot, exchange: Exchange): GatewayError | null {
  const { kind, sandboxId, execution, method, port } = exchange;
  const permission = kind === "execute" ? "sandbox:execute" : "sandbox:proxy";
  if (kind === "api" || standing.rights.wide(permission) !== undefined) return null;
  const isGone = snapshot.sandboxes.get(sandboxId) === undefined;
  return errorOf(() => {
    authorize(standing, permission);
    if (isGone) return;
    const sandbox = findSandbox(snapshot, standing, permission, sandboxId);
    if (kind === "proxy") authorizeHttp(standing, sandbox, method, port);
    else if (execution !== undefined) authorizeExecution(standing, sandbox, execution.operation);
  });
}

function errorOf(question: () => void): GatewayError | null {
  try {
    question();
    return null;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

/** Whether it may go on for ever. */
function isEndless({ upgraded, slot }: Exchange): boolean {
  return upgraded || slot instanceof Streams;
}

/** What speaks for the caller was good until now. */
export function expired(): GatewayError {
  return new GatewayError("AUTH_001", { details: "Token has expired", reason: "expired" });
}

/** Other addresses may call from now on: ends what has no end of its own (upgraded connections, streams) and may not. */
export function endDenied(inFlight: InFlight<Exchange>, access: IpAccess): void {
  for (const exchange of inFlight) {
    if (isEndless(exchange) && !access.allows(exchange.address)) exchange.withdraw(new GatewayError("AUTH_006"));
  }
}
