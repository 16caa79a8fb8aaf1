import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { SharedBoard } from "../health/board.ts";
import type { HealthPage } from "./router.ts";
import { SandboxCounter } from "./sandbox-counts.ts";

export interface HealthSources {
  readonly snapshot: () => Snapshot;
  readonly board: SharedBoard;
  /** False while audit records cannot be written. */
  readonly auditWorking: () => boolean;
  /** False while calls are served all the same. */
  readonly refusesUnrecorded: () => boolean;
  readonly draining: () => boolean;
  readonly auth: { readonly enabled: boolean; readonly provider: string; readonly cachedTokens: () => number };
  readonly gate: { readonly taken: number; readonly pending: number };
  readonly streams: { readonly open: number };
  readonly tunnels: { readonly open: number };
  readonly maxConcurrent: number;
  readonly startedAt: number;
}

type Verdict = "ok" | "degraded" | "down";
type Content = { readonly status: Verdict } & Readonly<Record<string, unknown>>;

/** The specification's four health pages. They are public, so they count things and never name them. */
export class HealthPages {
  readonly #sources: HealthSources;
  readonly #counter: SandboxCounter;

  constructor(sources: HealthSources) {
    this.#sources = sources;
    this.#counter = new SandboxCounter(sources);
  }

  /** Status 200 or 503, and the page as JSON text. */
  render(page: HealthPage): { readonly status: number; readonly body: string } {
    const content = this.#content(page);
    return { status: content.status === "down" ? 503 : 200, body: JSON.stringify(content) };
  }

  #content(page: HealthPage): Content {
    switch (page) {
      case "/health":
        return this.#overall();
      case "/health/auth":
        return this.#auth();
      case "/health/proxy":
        return this.#proxy();
      case "/health/sandboxes":
        return this.#sandboxes();
    }
  }

  #overall(): Content {
    const parts = { auth: this.#auth().status, proxy: this.#proxy().status, sandboxes: this.#sandboxes().status };
    const down = parts.auth === "down" || parts.proxy === "down";
    const fine = parts.auth === "ok" && parts.proxy === "ok" && parts.sandboxes === "ok";
    const status: Verdict = down ? "down" : fine ? "ok" : "degraded";
    return { status, ...parts, uptime_ms: Date.now() - this.#sources.startedAt };
  }

  #auth(): Content {
    const { auth, snapshot } = this.#sources;
    const status: Verdict = auth.enabled ? "ok" : "degraded";
    return {
      status,
      enabled: auth.enabled,
      provider: auth.provider,
      cached_tokens: auth.cachedTokens(),
      revoked_tokens: snapshot().revoked.size,
    };
  }

  #proxy(): Content {
    const { auditWorking, refusesUnrecorded, draining, gate, maxConcurrent, snapshot, streams, tunnels } =
      this.#sources;
    const isDown = draining() || refusesUnrecorded();
    const status: Verdict = isDown ? "down" : auditWorking() ? "ok" : "degraded";
    return {
      status,
      draining: draining(),
      audit: auditWorking() ? "ok" : "failing",
      in_flight: gate.taken,
      max_concurrent: maxConcurrent,
      waiting: gate.pending,
      streams: streams.open,
      tunnels: tunnels.open,
      revision: snapshot().revision,
    };
  }

  #sandboxes(): Content {
    const counts = this.#counter.counts();
    const status: Verdict = counts.unavailable === 0 ? "ok" : counts.available === 0 ? "down" : "degraded";
    return { status, ...counts };
  }
}
