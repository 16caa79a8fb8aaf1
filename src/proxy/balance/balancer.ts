import { fastIntervalMs, type HealthDefaults, healthCheckOf } from "../../domain/instance/health.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { Claim, InstanceBoard } from "../health/board.ts";
import { isOffered, type Outlook, outlookOf } from "../health/outlook.ts";
import type { Bond } from "../request/exchange.ts";
import type { PickRequest, Strategy } from "./strategy.ts";

/** What is decided about a sandbox's balancing once, as long as the sandbox stays the same. */
interface Plan {
  readonly strategy: Strategy;
  /** Requests in flight per instance; 0 = any number. */
  readonly soft: number;
  readonly hard: number;
  readonly slowStartMs: number;
  /** What becomes of it when instances are down; null where none is checked. */
  readonly health: HealthPlan | null;
}

interface HealthPlan {
  /** Percent; see outlook.ts. */
  readonly panicThreshold: number;
  /** When all are down, they are tried all the same. */
  readonly failOpen: boolean;
  /** The soonest that one may be well again, seconds. */
  readonly wellInS: number;
}

const NONE: readonly Instance[] = [];

/** The share of an instance that slow start has just begun with. */
const FIRST_SHARE = 0.1;

/**
 * Which instance does a request: leaves out those that must not be used now, and asks the sandbox's strategy about the rest.
 * One object per thread.
 */
export class Balancer {
  readonly #board: InstanceBoard;
  readonly #byName: Readonly<Record<string, Strategy>>;
  readonly #initial: string;
  readonly #slowStartMs: number;
  readonly #health: HealthDefaults;
  readonly #random: () => number;
  readonly #plans = new WeakMap<Sandbox, Plan>();

  constructor(options: {
    board: InstanceBoard;
    byName: Readonly<Record<string, Strategy>>;
    /** Of sandboxes that name no strategy. */
    initial: string;
    /** Of sandboxes that set none. */
    slowStartMs: number;
    health: HealthDefaults;
    random?: () => number;
  }) {
    this.#board = options.board;
    this.#byName = options.byName;
    this.#initial = options.initial;
    this.#slowStartMs = options.slowStartMs;
    this.#health = options.health;
    this.#random = options.random ?? Math.random;
  }

  /** One that may be used now and is not in `tried`; undefined when there is none. */
  choose(
    sandbox: Sandbox,
    request: PickRequest & { readonly bond: Bond | null },
    tried: readonly Instance[],
  ): Instance | undefined {
    const { instances } = sandbox;
    const { bond } = request;
    const plan = this.#planOf(sandbox);
    const isHeeded = plan.health !== null && this.#isHeeded(instances, plan.health);
    if (bond?.instance !== undefined && this.#fits(bond.instance, plan, tried, isHeeded)) return bond.instance;
    const usable = this.#candidates(instances, plan, tried, isHeeded);
    if (usable.length <= 1) return usable[0];
    const begun = bond?.first(usable);
    if (begun !== undefined) return begun;
    const candidates = plan.slowStartMs > 0 ? this.#warm(usable, plan.slowStartMs) : usable;
    return plan.strategy.pick(candidates, { sandbox, request, board: this.#board });
  }

  /** Claims an instance that was chosen: another thread may have been faster. */
  claim(sandbox: Sandbox, instance: Instance): Claim {
    return this.#board.claim(instance, this.#planOf(sandbox).hard);
  }

  /** An instance has begun its answer after `ms`; undefined where nobody wants to know. */
  observerOf(sandbox: Sandbox): Strategy | undefined {
    const { strategy } = this.#planOf(sandbox);
    return strategy.observe === undefined ? undefined : strategy;
  }

  /** Requests in flight for each of a sandbox's instances that may be used now; Infinity when none may be. */
  loadOf(sandbox: Sandbox): number {
    const { instances } = sandbox;
    const plan = this.#planOf(sandbox);
    const isHeeded = plan.health !== null && this.#isHeeded(instances, plan.health);
    const usable = instances.filter((instance) => this.#fits(instance, plan, NONE, isHeeded));
    if (usable.length === 0) return Number.POSITIVE_INFINITY;
    return usable.reduce((sum, instance) => sum + this.#board.inFlight(instance), 0) / usable.length;
  }

  /** Why nothing could be chosen though nothing had been tried. */
  refusal(sandbox: Sandbox): GatewayError {
    const { instances } = sandbox;
    const { hard, health } = this.#planOf(sandbox);
    if (health !== null && !health.failOpen && this.#outlook(instances, health) === "down") {
      return new GatewayError("PROXY_012", { retryAfter: health.wellInS });
    }
    const usable = instances.filter((instance) => isOffered(instance) && this.#board.admits(instance));
    if (hard > 0 && usable.length > 0) return new GatewayError("PROXY_010", { retryAfter: 1 });
    if (instances.length === 0) {
      return new GatewayError("PROXY_001", { details: "The sandbox has no instance", retryAfter: 1 });
    }
    return new GatewayError("PROXY_001", {
      details: "No instance may be used now: they are drained, or their circuits are open",
      remediation: "Look at sandboxgw instance list and circuit list; then resume one, or close its circuit",
      retryAfter: 1,
    });
  }

  /** The instances themselves when all may be used: nothing is allocated then. */
  #candidates(
    instances: readonly Instance[],
    plan: Plan,
    tried: readonly Instance[],
    isHeeded: boolean,
  ): readonly Instance[] {
    let fit = 0;
    for (const instance of instances) if (this.#fits(instance, plan, tried, isHeeded)) fit += 1;
    const usable =
      fit === instances.length ? instances : instances.filter((each) => this.#fits(each, plan, tried, isHeeded));
    if (plan.soft === 0 || usable.length <= 1) return usable;
    const idle = usable.filter((instance) => this.#board.inFlight(instance) < plan.soft);
    return idle.length === 0 ? usable : idle;
  }

  #fits(instance: Instance, { hard }: Plan, tried: readonly Instance[], isHeeded: boolean): boolean {
    if (!isOffered(instance) || !this.#board.admits(instance)) return false;
    if (isHeeded && this.#board.isDown(instance)) return false;
    if (tried.length > 0 && tried.includes(instance)) return false;
    return hard === 0 || this.#board.inFlight(instance) < hard;
  }

  /** Whether instances are left out that the health checks say are down. */
  #isHeeded(instances: readonly Instance[], health: HealthPlan): boolean {
    const outlook = this.#outlook(instances, health);
    return outlook === "fine" || (outlook === "down" && !health.failOpen);
  }

  #outlook(instances: readonly Instance[], { panicThreshold }: HealthPlan): Outlook {
    return outlookOf(instances, panicThreshold, this.#board);
  }

  /** Those that would get this request: one that is warming up is among them as often as its time says. */
  #warm(usable: readonly Instance[], slowStartMs: number): readonly Instance[] {
    let warm = usable;
    for (const instance of usable) {
      const share = Math.max(FIRST_SHARE, this.#board.wellForMs(instance) / slowStartMs);
      if (share < 1 && this.#random() >= share) warm = warm.filter((each) => each !== instance);
    }
    return warm.length === 0 ? usable : warm;
  }

  #planOf(sandbox: Sandbox): Plan {
    const known = this.#plans.get(sandbox);
    if (known !== undefined) return known;
    const { settings } = sandbox;
    const strategy = this.#byName[sandbox.strategy ?? this.#initial];
    if (strategy === undefined) throw new GatewayError("GW_001", { details: `unknown strategy ${sandbox.strategy}` });
    const { softLimit: soft = 0, hardLimit: hard = 0, slowStart: slowStartMs = this.#slowStartMs } = settings;
    const plan = { strategy, soft, hard, slowStartMs, health: this.#healthPlanOf(sandbox) };
    this.#plans.set(sandbox, plan);
    return plan;
  }

  #healthPlanOf(sandbox: Sandbox): HealthPlan | null {
    const check = healthCheckOf(sandbox, this.#health);
    if (check === undefined) return null;
    const { panicThreshold = this.#health.panicThreshold, failOpen = false } = sandbox.settings;
    return { panicThreshold, failOpen, wellInS: Math.ceil((fastIntervalMs(check) * check.rise) / 1_000) };
  }
}
