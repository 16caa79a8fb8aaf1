import type { Caller } from "../../auth/caller.ts";
import { authorize } from "../../auth/authorize.ts";
import { maySee } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { SharedBoard } from "../health/board.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Responder } from "../request/respond.ts";

export interface SandboxesOptions {
  readonly snapshot: () => Snapshot;
  readonly board: SharedBoard;
  readonly responder: Responder;
}

/** `GET /api/v1/sandboxes`: what this principal may use. */
export class SandboxesRoute {
  readonly #o: SandboxesOptions;

  constructor(options: SandboxesOptions) {
    this.#o = options;
  }

  serve(exchange: Exchange, { principal, standing }: Caller): void {
    exchange.route = "api";
    authorize(standing, "sandbox:read");
    exchange.decision = "allow";
    exchange.rule = `role:${principal.role}`;
    const sandboxes = [];
    for (const sandbox of this.#o.snapshot().sandboxes.values()) {
      const { id } = sandbox;
      if (!maySee(principal, id) || standing.rights.over("sandbox:read", sandbox) === undefined) continue;
      const instances = sandbox.instances.map((instance) => ({
        id: instance.id,
        state: this.#o.board.state(instance),
      }));
      sandboxes.push({ id, runtime: sandbox.runtime, driver: sandbox.driver, instances });
    }
    this.#o.responder.json(exchange, 200, JSON.stringify({ sandboxes }));
  }
}
