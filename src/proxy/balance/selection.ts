import { portOf } from "../../domain/port.ts";
import type { Labels } from "../../domain/labels.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Rights } from "../../domain/role/rights.ts";
import { sightOf } from "../../domain/role/sight.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import type { SandboxIndex } from "../../domain/selection/sandbox-index.ts";
import { GatewayError } from "../../errors.ts";
import type { InstanceBoard } from "../health/board.ts";
import type { Balancer } from "./balancer.ts";

/** So many of those that match are looked at; when none of them can be used, so many more. */
const LOOKS = [16, 256];
/** The part of the calls that one gets which could not be reached lately: nothing else would find out that it is back. */
const TRY_AGAIN = 0.01;

/** Who selects, and what for. */
export interface Chooser {
  readonly principal: Principal;
  readonly rights: Rights;
  readonly method: string;
  /** null = the instances' own. */
  readonly port: number | null;
}

/**
 * Which of the sandboxes with certain labels does a request: of two at random that can be used now, the one with fewer
 * requests for each instance that can be used (the power of two choices). Those whose instances could not be reached last time
 * get next to nothing until they answer again.
 */
export class Selection {
  readonly #index: () => SandboxIndex;
  readonly #board: Pick<InstanceBoard, "state">;
  readonly #balancer: Pick<Balancer, "loadOf">;
  readonly #random: () => number;

  constructor(options: {
    index: () => SandboxIndex;
    board: Pick<InstanceBoard, "state">;
    balancer: Pick<Balancer, "loadOf">;
    random?: () => number;
  }) {
    this.#index = options.index;
    this.#board = options.board;
    this.#balancer = options.balancer;
    this.#random = options.random ?? Math.random;
  }

  /**
   * One of the sandboxes that have all of the labels, that the caller may use, and that have the port. When none of them
   * can be used now, any of them: whoever calls it is told why not.
   * @throws GatewayError ROUTE_010 when the caller may use none with these labels, ROUTE_009 when none of those has the port.
   */
  choose(labels: Labels, chooser: Chooser): Sandbox {
    const { principal, rights, method } = chooser;
    const sight = sightOf(principal, rights, method);
    let unusable: Sandbox | undefined;
    for (const most of LOOKS) {
      const matching = this.#index().sample(labels, sight, most, this.#random);
      if (matching.length === 0) throw new GatewayError("ROUTE_010");
      const withPort = matching.filter((each) => mayReach(each, chooser));
      const idler = this.#idlerOfTwo(withPort);
      if (idler !== undefined) return idler;
      unusable ??= withPort[0];
    }
    if (unusable === undefined) throw new GatewayError("ROUTE_009");
    return unusable;
  }

  /** Of the first two that can be used; undefined when none can. */
  #idlerOfTwo(sandboxes: readonly Sandbox[]): Sandbox | undefined {
    let first: Sandbox | undefined;
    let firstLoad = Number.POSITIVE_INFINITY;
    for (const sandbox of sandboxes) {
      const load = this.#isGivenUp(sandbox) ? Number.POSITIVE_INFINITY : this.#balancer.loadOf(sandbox);
      if (load === Number.POSITIVE_INFINITY) continue;
      if (first !== undefined) return load < firstLoad ? sandbox : first;
      [first, firstLoad] = [sandbox, load];
    }
    return first;
  }

  #isGivenUp({ instances }: Sandbox): boolean {
    const isDown = instances.every((instance) => this.#board.state(instance) === "down");
    return isDown && this.#random() >= TRY_AGAIN;
  }
}

function mayReach(sandbox: Sandbox, { rights, method, port }: Chooser): boolean {
  const found = port === null ? null : portOf(sandbox, port);
  return found !== undefined && rights.proxying(sandbox, method, found) !== undefined;
}
