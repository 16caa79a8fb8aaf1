import type { Worker } from "node:worker_threads";
import type { AuditBatch } from "../../audit/outbox.ts";
import { GatewayError } from "../../errors.ts";
import { startThread } from "../../executable.ts";
import type { FromThread, ThreadStart, ToThread } from "./link.ts";
import { reclaimThread, type SharedMemory } from "../shared-memory/layout.ts";

/** A thread that dies younger than this is replaced after a pause, so that a bad start does not spin. */
const SETTLED_MS = 5_000;
const RESTART_PAUSE_MS = 1_000;

/**
 * A request's garbage dies young. The default 48 MB (three semi-spaces of 16) fills so often that survivors of requests
 * in flight are copied again and again.
 */
const YOUNG_GENERATION_MB = 96;

type ThreadOptions = Omit<ThreadStart, "thread" | "snapshot" | "port" | "reusePort" | "threads" | "memory">;

/** The data threads: starts them on one port, talks to them, and puts another in the place of one that dies. */
export class DataThreads {
  readonly #memory: SharedMemory;
  readonly #options: ThreadOptions;
  readonly #snapshot: () => ThreadStart["snapshot"];
  readonly #onAudit: (batch: AuditBatch, acknowledge: (last: number, written: boolean) => void) => void;
  readonly #onLog: (level: "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  readonly #workers: (Worker | undefined)[] = [];
  readonly #pauses = new Set<NodeJS.Timeout>();
  #port = 0;
  #stopping = false;

  constructor(options: {
    memory: SharedMemory;
    thread: ThreadOptions;
    /** The current state of the store, for a thread that starts now. */
    snapshot: () => ThreadStart["snapshot"];
    onAudit: (batch: AuditBatch, acknowledge: (last: number, written: boolean) => void) => void;
    onLog: (level: "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  }) {
    this.#memory = options.memory;
    this.#options = options.thread;
    this.#snapshot = options.snapshot;
    this.#onAudit = options.onAudit;
    this.#onLog = options.onLog;
  }

  /** Starts all threads; resolves with the port they share. @throws GatewayError GW_010 */
  async start(port: number): Promise<number> {
    this.#port = await this.#open(0, port);
    await Promise.all(
      Array.from({ length: this.#memory.threads - 1 }, (_, index) => this.#open(index + 1, this.#port)),
    );
    return this.#port;
  }

  broadcast(message: ToThread): void {
    for (const worker of this.#workers) worker?.postMessage(message);
  }

  /** Ends one thread at once, as if it had died: another takes its place. */
  async replace(thread: number): Promise<void> {
    await this.#workers[thread]?.terminate();
  }

  /** Lets all threads finish what is in flight for up to `graceMs`, then ends them. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping = true;
    for (const pause of this.#pauses) clearTimeout(pause);
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker === undefined) return;
        const done = new Promise<void>((resolve) => {
          worker.on("message", (message: FromThread) => {
            if (message.kind === "drained") resolve();
          });
          worker.once("exit", () => resolve());
        });
        worker.postMessage({ kind: "drain", graceMs } satisfies ToThread);
        await done;
        await worker.terminate();
      }),
    );
  }

  #open(thread: number, port: number): Promise<number> {
    const startedAt = performance.now();
    const start: ThreadStart = {
      ...this.#options,
      thread,
      threads: this.#memory.threads,
      memory: this.#memory.buffer,
      snapshot: this.#snapshot(),
      port,
      reusePort: this.#memory.threads > 1,
    };
    const worker = startThread(start, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } });
    this.#workers[thread] = worker;
    worker.on("error", (error) => this.#onLog("error", "data thread failed", { thread, error: String(error) }));
    worker.once("exit", () => this.#ended(thread, worker, performance.now() - startedAt));
    const acknowledge = (last: number, written: boolean): void => {
      worker.postMessage({ kind: "audited", last, written } satisfies ToThread);
    };
    return new Promise((resolve, reject) => {
      worker.once("exit", () => reject(new GatewayError("GW_010", { details: "The data thread ended" })));
      worker.on("message", (message: FromThread) => {
        switch (message.kind) {
          case "audit":
            return this.#onAudit(message.batch, acknowledge);
          case "log":
            return this.#onLog(message.level, message.message, message.fields);
          case "listening":
            return resolve(message.port);
          case "failed":
            return reject(new GatewayError("GW_010", { details: message.message }));
          case "drained":
        }
      });
    });
  }

  #ended(thread: number, worker: Worker, age: number): void {
    if (this.#workers[thread] !== worker) return;
    this.#workers[thread] = undefined;
    reclaimThread(this.#memory, thread);
    if (this.#stopping || this.#port === 0) return;
    this.#onLog("error", "data thread ended; starting another", { thread });
    const pause = setTimeout(
      () => {
        this.#pauses.delete(pause);
        this.#open(thread, this.#port).catch((error: unknown) => {
          this.#onLog("error", "data thread did not start", { thread, error: String(error) });
        });
      },
      age < SETTLED_MS ? RESTART_PAUSE_MS : 0,
    );
    this.#pauses.add(pause);
  }
}
