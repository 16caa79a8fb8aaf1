import { type Observed, observedByDaemon } from "../../control/verbs/status.ts";
import type { Config } from "../../config/schema.ts";
import { observedHealth, type ObservedHealth } from "../../domain/instance/health.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { type TargetPolicy, targetPolicy } from "../../domain/target-policy.ts";
import type { SharedBoard } from "../../proxy/health/board.ts";
import { HealthLoop, type HealthNews } from "../../proxy/health/loop/health-loop.ts";
import { type Outlook, outlookOf } from "../../proxy/health/outlook.ts";
import { createLookup } from "../../proxy/upstream/reach/lookup.ts";
import { Names } from "../../proxy/upstream/reach/names.ts";
import { type Reached, reach } from "../../proxy/upstream/reach/reach.ts";
import type { TlsTrust } from "../../proxy/upstream/reach/secure.ts";
import type { StateStore } from "../../store/store.ts";
import { healthLimits } from "../limits.ts";
import { readTrust, trustWith } from "../threads/trust.ts";
import type { Log } from "./log.ts";

/** So many are written back by name, and so many lines are logged at a time. */
const MAX_NAMED = 1_000;
const MAX_LINES = 20;

/** The control thread's health checks, and what it tells of them: in the log, in the metrics, to `status` and the lists. */
export class Health {
  readonly loop: HealthLoop;
  readonly #board: SharedBoard;
  readonly #log: Log;
  readonly #names: Names;
  #config: Config;
  #targets: TargetPolicy;
  #trust: TlsTrust;
  /** What has not been logged yet, by instance id: the last word counts. */
  readonly #news = new Map<string, HealthNews>();
  /** Of the sandboxes that are not fine, by id. */
  #outlooks: ReadonlyMap<string, Outlook> = new Map();
  /** Changes of instances to well and to down, since the start. */
  readonly changes = { well: 0, down: 0 };

  constructor(options: { config: Config; board: SharedBoard; log: Log; socketFolder: string }) {
    const { config, log, socketFolder } = options;
    this.#board = options.board;
    this.#log = log;
    this.#config = config;
    this.#targets = targetPolicy(config.TARGET_ALLOW, config.TARGET_DENY);
    this.#trust = readTrust(config);
    this.#names = new Names(createLookup({ servers: config.PROXY_DNS_SERVERS }));
    const ways = { names: this.#names, targets: () => this.#targets, socketFolder };
    this.loop = new HealthLoop({
      limits: healthLimits(config),
      board: this.#board,
      reach: ({ url }: Instance, { settings }: Sandbox): Reached =>
        reach(url, () => trustWith(this.#trust, settings), ways),
      onChange: (news) => {
        if (news.state !== "unchecked") this.changes[news.state] += 1;
        // That an instance is well at the first look is what everybody expects.
        if (news.before !== "unchecked" || news.state === "down") this.#news.set(news.instance.id, news);
      },
      onUnable: (sandbox, why) => log.warn({ sandbox, why }, "the instances of a sandbox are not checked"),
    });
  }

  /** Follows another configuration, which has been found good. */
  configure(config: Config, { sandboxes }: Snapshot): void {
    this.#config = config;
    this.#targets = targetPolicy(config.TARGET_ALLOW, config.TARGET_DENY);
    this.#trust = readTrust(config);
    this.loop.configure(healthLimits(config), sandboxes.values());
  }

  /** Those that were down when the last daemon looked are down until a check says otherwise. */
  async recall(store: Pick<StateStore, "observed">): Promise<void> {
    // Lost or unreadable, it is learned anew: no reason not to start.
    const observed: Observed = await observedByDaemon(store, "daemon").catch(() => ({}));
    for (const [id, { sandbox_id, problem, since_ms }] of observedHealth(observed["health"])) {
      this.loop.recall({ problem, since: since_ms }, id, sandbox_id);
    }
  }

  /** To be looked at once a second: tells the log what has changed. */
  look(): void {
    this.#tellNews();
    this.#tellOutlooks();
    this.#names.prune();
  }

  /** Of the sandboxes that are not fine, by id. */
  get outlooks(): ReadonlyMap<string, Outlook> {
    return this.#outlooks;
  }

  /**
   * What is written back, for people and for after a restart: how many instances are checked, which are down, and the
   * sandboxes that are not fine; the first thousand of each, by id.
   */
  get observed(): Readonly<Record<string, unknown>> {
    const health: Record<string, ObservedHealth> = {};
    let left = MAX_NAMED;
    for (const [id, { instance, problem, since }] of this.loop.down) {
      if (left-- === 0) break;
      health[id] = { sandbox_id: instance.sandboxId, problem, since_ms: since };
    }
    return { checked: this.loop.size, health, outlooks: Object.fromEntries([...this.#outlooks].slice(0, MAX_NAMED)) };
  }

  #tellNews(): void {
    let left = MAX_LINES;
    for (const { instance, state, problem } of this.#news.values()) {
      if (left-- === 0) break;
      const fields = { sandbox: instance.sandboxId, instance: instance.id };
      if (state === "down") this.#log.warn({ ...fields, problem }, "an instance is down, its health check says");
      else this.#log.info(fields, "an instance is well, its health check says");
    }
    const more = this.#news.size - MAX_LINES;
    if (more > 0) this.#log.warn({ instances: more }, "and more instances went down or are well again");
    this.#news.clear();
  }

  #tellOutlooks(): void {
    const before = this.#outlooks;
    const now = new Map<string, Outlook>();
    if (this.loop.down.size > 0) {
      for (const { id, instances, settings } of this.loop.sandboxes()) {
        const threshold = settings.panicThreshold ?? this.#config.PANIC_THRESHOLD;
        const outlook = outlookOf(instances, threshold, this.#board);
        if (outlook !== "fine") now.set(id, outlook);
        if (outlook === (before.get(id) ?? "fine")) continue;
        const fields = { sandbox: id, fail_open: settings.failOpen === true };
        if (outlook === "panic") this.#log.warn({ sandbox: id }, "fewer instances are well than must be: all are used");
        else if (outlook === "down") this.#log.error(fields, "all instances of a sandbox are down");
      }
    }
    this.#outlooks = now;
    for (const [id, outlook] of before) {
      if (now.has(id)) continue;
      this.#log.info(
        { sandbox: id },
        outlook === "panic" ? "enough instances are well again" : "a sandbox is served again",
      );
    }
  }
}
