import type { Config } from "../../config/schema.ts";
import type { Use } from "../../domain/token.ts";
import { GatewayError } from "../../errors.ts";
import type { AuditBatch } from "../../audit/outbox.ts";
import type { SharedMemory } from "../shared-memory/layout.ts";
import { reclaimThread } from "../shared-memory/reclaim.ts";
import type { SharedSockets } from "../sockets/shared.ts";
import { DataThread } from "./data-thread.ts";
import type { DrainOrder } from "./drain.ts";
import type { Errand, Outcome } from "./errands.ts";
import type { ThreadStart, ToThread } from "./link.ts";

type ThreadOptions = Omit<ThreadStart, "thread" | "snapshot" | "threads" | "memory">;

export interface DataThreadsOptions {
  readonly memory: SharedMemory;
  readonly thread: ThreadOptions;
  /** What to listen on; undefined: a port. */
  readonly sockets: SharedSockets | undefined;
  /** What has been handed out so far, for a thread that starts now. */
  readonly snapshot: () => ThreadStart["snapshot"];
  /** Milliseconds without a sign of life after which a thread is replaced. */
  readonly hangMs: number;
  readonly onAudit: (batch: AuditBatch, acknowledge: (last: number, written: boolean) => void) => void;
  readonly onErrand: (errand: Errand) => Promise<Outcome>;
  readonly onUses: (uses: readonly Use[]) => void;
  readonly onLog: (level: "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  /** A thread has begun to serve, or has ended. */
  readonly onChange: () => void;
}

/** The data threads: starts them on one port, talks to them, and looks whether they are alive. */
export class DataThreads {
  readonly #threads: readonly DataThread[];
  /** What a thread that starts now follows. */
  #config: Config;
  readonly #lookMs: number;
  #look: NodeJS.Timeout | undefined;

  constructor({
    memory,
    thread,
    sockets,
    snapshot,
    hangMs,
    onAudit,
    onErrand,
    onUses,
    onLog,
    onChange,
  }: DataThreadsOptions) {
    const { threads } = memory;
    this.#config = thread.config;
    this.#lookMs = Math.min(1000, Math.ceil(hangMs / 5));
    this.#threads = memory.pulses.map(
      (pulse, place) =>
        new DataThread({
          thread: place,
          pulse,
          start: () => ({
            ...thread,
            config: this.#config,
            thread: place,
            threads,
            memory: memory.buffer,
            snapshot: snapshot(),
          }),
          async place(port) {
            if (sockets === undefined) return { port, reusePort: threads > 1 };
            return { fds: await sockets.take(place) };
          },
          hangMs,
          onAudit,
          onErrand,
          onUses,
          onLog,
          onServing: onChange,
          onEnded() {
            reclaimThread(memory, place);
            onChange();
          },
        }),
    );
  }

  /** How many serve now. */
  get serving(): number {
    return this.#threads.filter(({ serving }) => serving).length;
  }

  /** Descriptors of this process that its threads accept from. */
  get fds(): readonly number[] {
    return this.#threads.flatMap(({ fds }) => fds);
  }

  /** What keeps those from serving that do not; empty when there is nothing to say. */
  get trouble(): string {
    return [...new Set(this.#threads.filter(({ serving }) => !serving).map(({ trouble }) => trouble))]
      .filter((trouble) => trouble !== "")
      .join("; ");
  }

  /** The revision that all of them serve; undefined when there is none that serves. */
  get revision(): number | undefined {
    const revisions = this.#threads.map(({ revision }) => revision).filter((revision) => revision !== undefined);
    return revisions.length === 0 ? undefined : Math.min(...revisions);
  }

  /** Starts all threads; resolves with the port they share. @throws GatewayError GW_010 */
  async start(port: number): Promise<number> {
    const [first, ...others] = this.#threads as readonly [DataThread, ...DataThread[]];
    const shared = await first.start(port);
    await Promise.all(others.map((thread) => thread.start(shared)));
    let lookedAt = performance.now();
    this.#look = setInterval(() => {
      const now = performance.now();
      const awake = Math.min(now - lookedAt, 2 * this.#lookMs);
      lookedAt = now;
      for (const thread of this.#threads) thread.look(awake);
    }, this.#lookMs);
    return shared;
  }

  broadcast(message: ToThread): void {
    for (const thread of this.#threads) thread.post(message);
  }

  /** Resolves when all threads follow the configuration. @throws GatewayError GW_012 when one cannot: then none does. */
  async configure(config: Config): Promise<void> {
    const before = this.#config;
    this.#config = config;
    const problems = await Promise.all(this.#threads.map((thread) => thread.configure(config)));
    const problem = problems.find((one) => one !== null);
    if (problem === undefined) return;
    this.#config = before;
    for (const [place, thread] of this.#threads.entries())
      if (problems[place] === null) thread.post({ kind: "revert" });
    throw new GatewayError("GW_012", { details: problem ?? "" });
  }

  /** Ends one thread at once, as if it had died: another takes its place. */
  async replace(thread: number): Promise<void> {
    await this.#threads[thread]?.replace();
  }

  /** Lets all threads finish what is in flight, then ends them. */
  async drain(order: DrainOrder): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.drain(order)));
    clearInterval(this.#look);
  }
}
