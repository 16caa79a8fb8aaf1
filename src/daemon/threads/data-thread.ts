import type { Worker } from "node:worker_threads";
import type { AuditBatch } from "../../audit/outbox.ts";
import type { Config } from "../../config/schema.ts";
import type { Use } from "../../domain/token.ts";
import { GatewayError } from "../../errors.ts";
import { startThread } from "../../executable.ts";
import type { PulseWords } from "../shared-memory/layout.ts";
import { DRAIN_MARGIN_MS, type DrainOrder } from "./drain.ts";
import { Silence } from "./heartbeat.ts";
import type { Errand, Outcome } from "./errands.ts";
import type { FromThread, ThreadStart, ToThread } from "./link.ts";
import type { ListeningPlace } from "./listeners.ts";

/** A thread that ends younger than this is replaced after a pause, so that a bad start does not spin. */
const SETTLED_MS = 5_000;
const RESTART_PAUSE_MS = 1_000;

/** A thread that does not get as far as serving within this time hangs. */
const START_MS = 30_000;

/** A thread that drains answers within its own limits, unless it hangs. */
const DRAIN_LIMIT_MS = DRAIN_MARGIN_MS + 1_000;

/**
 * A request's garbage dies young. The default 48 MB (three semi-spaces of 16) fills so often that survivors of requests
 * in flight are copied again and again.
 */
const YOUNG_GENERATION_MB = 96;

export interface DataThreadOptions {
  readonly thread: number;
  readonly pulse: PulseWords;
  /** What a thread that starts now is started with. */
  readonly start: () => ThreadStart;
  /** Where one that starts now is to listen; `port`: the one that is known so far. @throws GatewayError GW_018 */
  readonly place: (port: number) => Promise<ListeningPlace>;
  /** Milliseconds without a sign of life after which a serving thread is replaced. */
  readonly hangMs: number;
  readonly onAudit: (batch: AuditBatch, acknowledge: (last: number, written: boolean) => void) => void;
  readonly onErrand: (errand: Errand) => Promise<Outcome>;
  readonly onUses: (uses: readonly Use[]) => void;
  readonly onLog: (level: "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  /** It serves from now on. */
  readonly onServing: () => void;
  /** It ended, and nothing of it runs any more: what it held in shared memory can be given back. */
  readonly onEnded: () => void;
}

/** One of the data threads: whatever ends it (an error, a port that is taken, a hang), another is started in its place. */
export class DataThread {
  readonly #o: DataThreadOptions;
  #worker: Worker | undefined;
  #silence: Silence;
  /** It was told to serve, or serves already: what comes into force has to reach it. */
  #admitted = false;
  #serving = false;
  #stopping = false;
  #fds: readonly number[] = [];
  /** Why it does not serve; empty while it does. */
  #trouble = "";
  /** Why the current worker is about to end; empty when nobody knows. */
  #ending = "";
  #life: Promise<void> | undefined;
  #wake: () => void = () => undefined;

  constructor(options: DataThreadOptions) {
    this.#o = options;
    this.#silence = new Silence(options.pulse.beat);
  }

  get serving(): boolean {
    return this.#serving;
  }

  /** Descriptors of this process that it accepts from; none while it does not. */
  get fds(): readonly number[] {
    return this.#serving ? this.#fds : [];
  }

  get trouble(): string {
    return this.#trouble;
  }

  /** Revision of the newest change it serves; undefined when it serves nobody. */
  get revision(): number | undefined {
    return this.#admitted ? Number(Atomics.load(this.#o.pulse.revision, 0)) : undefined;
  }

  /** Starts it and keeps it alive. Resolves with its port. @throws GatewayError GW_010 when the first attempt fails. */
  start(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#life = this.#live(port, resolve, reject);
    });
  }

  post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  /** Resolves when it follows the configuration, with the problem when it cannot. One that is being replaced starts with it. */
  configure(config: Config): Promise<string | null> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve(null);
    return new Promise((resolve) => {
      const answered = (message: FromThread): void => {
        if (message.kind === "configured") done(message.problem);
      };
      const ended = (): void => done(null);
      const done = (problem: string | null): void => {
        worker.off("message", answered).off("exit", ended);
        resolve(problem);
      };
      worker.on("message", answered).once("exit", ended);
      worker.postMessage({ kind: "config", config } satisfies ToThread);
    });
  }

  /** Ends it at once, as if it had died: another takes its place. */
  async replace(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Replaces it when it has been silent too long. `sinceLastLook`: milliseconds. */
  look(sinceLastLook: number): void {
    if (this.#worker === undefined) return;
    const limit = this.#serving ? this.#o.hangMs : Math.max(this.#o.hangMs, START_MS);
    if (this.#silence.look(sinceLastLook) <= limit) return;
    this.#ending = `no sign of life for ${limit} ms`;
    void this.#worker.terminate();
  }

  /** Lets it finish what is in flight, then ends it for good. */
  async drain(order: DrainOrder): Promise<void> {
    this.#stopping = true;
    this.#wake();
    const worker = this.#worker;
    if (worker !== undefined && this.#admitted) {
      const isDrained = await drained(worker, order);
      if (!isDrained) this.#o.onLog("error", "data thread did not finish in time", { thread: this.#o.thread });
    }
    await worker?.terminate();
    await this.#life;
  }

  async #live(port: number, onFirst: (port: number) => void, onFailed: (error: GatewayError) => void): Promise<void> {
    let bound = 0;
    while (!this.#stopping) {
      const startedAt = performance.now();
      const reason = await this.#liveOnce(bound === 0 ? port : bound, (ownPort) => {
        bound = ownPort;
        onFirst(ownPort);
      });
      this.#o.onEnded();
      if (bound === 0) return onFailed(new GatewayError("GW_010", { details: reason }));
      if (this.#stopping) return;
      // One line for each thing that goes wrong, not for each attempt.
      if (reason !== this.#trouble) {
        this.#o.onLog("error", "data thread ended; starting another", { thread: this.#o.thread, reason });
      }
      this.#trouble = reason;
      if (performance.now() - startedAt < SETTLED_MS) await this.#pause(RESTART_PAUSE_MS);
    }
  }

  /** From start to end of one thread; resolves with why it ended. */
  async #liveOnce(port: number, onListening: (port: number) => void): Promise<string> {
    this.#ending = "";
    let code: unknown = "";
    try {
      const worker = startThread(this.#o.start(), {
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      });
      this.#worker = worker;
      this.#silence = new Silence(this.#o.pulse.beat);
      this.#listen(worker, port, onListening);
      code = await new Promise((resolve) => worker.once("exit", resolve));
    } catch (error) {
      this.#ending = String(error);
    }
    this.#worker = undefined;
    this.#admitted = false;
    this.#serving = false;
    return this.#ending === "" ? `exit code ${String(code)}` : this.#ending;
  }

  #listen(worker: Worker, port: number, onListening: (port: number) => void): void {
    const acknowledge = (last: number, written: boolean): void => {
      worker.postMessage({ kind: "audited", last, written } satisfies ToThread);
    };
    worker.on("error", (error) => {
      this.#ending = String(error);
    });
    worker.on("message", (message: FromThread) => {
      switch (message.kind) {
        case "audit":
          return this.#o.onAudit(message.batch, acknowledge);
        case "errand":
          return void this.#o
            .onErrand(message.errand)
            .then((outcome) => worker.postMessage({ kind: "done", errand: message.id, outcome } satisfies ToThread));
        case "used":
          return this.#o.onUses(message.uses);
        case "log":
          return this.#o.onLog(message.level, message.message, message.fields);
        case "ready":
          if (this.#stopping) return;
          // All that has been told to it before this is in force there before it accepts the first connection.
          this.#admitted = true;
          return void this.#o.place(port).then(
            (place) => worker.postMessage({ kind: "serve", place } satisfies ToThread),
            (error: unknown) => {
              this.#ending = error instanceof GatewayError ? error.details : String(error);
              void worker.terminate();
            },
          );
        case "listening":
          this.#serving = true;
          this.#fds = message.fds;
          this.#trouble = "";
          onListening(message.port);
          return this.#o.onServing();
        case "failed":
          this.#ending = message.message;
          return void worker.terminate();
        case "astray":
          this.#o.onLog("error", "a data thread had lost changes; it gets the whole state", { thread: this.#o.thread });
          return worker.postMessage({ kind: "snapshot", snapshot: this.#o.start().snapshot } satisfies ToThread);
        case "configured":
        case "drained":
      }
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Asks a thread to finish; false when it neither did nor ended in time. */
function drained(worker: Worker, order: DrainOrder): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), order.graceMs + DRAIN_LIMIT_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    worker.on("message", (message: FromThread) => {
      if (message.kind === "drained") done();
    });
    worker.once("exit", done);
    worker.postMessage({ kind: "drain", order } satisfies ToThread);
  });
}
