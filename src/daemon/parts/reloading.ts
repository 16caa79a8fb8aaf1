import type { LoadedConfig } from "../../config/load.ts";
import { describeChange, reload } from "../../config/reload.ts";
import type { Config } from "../../config/schema.ts";
import type { ReloadOutcome } from "../../control/verbs/status.ts";
import { GatewayError } from "../../errors.ts";
import type { StateStore } from "../../store/store.ts";
import type { Log } from "./log.ts";

/** Reads the configuration anew when it is told to, and brings into force what can follow. One at a time, in order. */
export class Reloading {
  readonly #read: () => LoadedConfig;
  readonly #configure: (config: Config) => Promise<void>;
  readonly #store: Pick<StateStore, "observed">;
  readonly #onOutcome: (outcome: Pick<ReloadOutcome, "problem" | "changed" | "waiting">) => void;
  readonly #log: Log;
  #running: Config;
  #last: Promise<void> = Promise.resolve();

  constructor(options: {
    running: Config;
    /** @throws GatewayError GW_012 */
    read: () => LoadedConfig;
    /** Resolves when all threads follow it. @throws GatewayError when one cannot; then all are as they were. */
    configure: (config: Config) => Promise<void>;
    store: Pick<StateStore, "observed">;
    /** Told of each. */
    onOutcome: (outcome: Pick<ReloadOutcome, "problem" | "changed" | "waiting">) => void;
    log: Log;
  }) {
    this.#running = options.running;
    this.#read = options.read;
    this.#configure = options.configure;
    this.#store = options.store;
    this.#onOutcome = options.onOutcome;
    this.#log = options.log;
  }

  /** The configuration that is in force. */
  get running(): Config {
    return this.#running;
  }

  /** Never rejects: what came of it is logged and written back. */
  reload(): Promise<void> {
    this.#last = this.#last.then(() => this.#reload());
    return this.#last;
  }

  /** Reads the files that the configuration names anew, without the configuration itself. Never rejects. */
  renew(what: string): Promise<void> {
    this.#last = this.#last.then(async () => {
      try {
        await this.#configure(this.#running);
        this.#log.info({}, `${what}: in force for new connections`);
      } catch (error) {
        const problem = error instanceof GatewayError ? (error.details ?? error.message) : String(error);
        this.#log.error({ problem }, `${what}, but cannot be used: the one before stays`);
      }
    });
    return this.#last;
  }

  async #reload(): Promise<void> {
    const outcome = await this.#outcome();
    const { problem, changed, waiting } = outcome;
    if (problem === null) this.#log.info({ changed, waiting }, "configuration reloaded");
    else this.#log.error({ problem }, "the configuration was not reloaded: the one before stays");
    this.#onOutcome({ problem, changed, waiting });
    try {
      await this.#store.observed.put("reload", JSON.stringify(outcome), outcome.at_ms);
    } catch (error) {
      this.#log.warn({ error: String(error) }, "what came of the reload could not be written");
    }
  }

  async #outcome(): Promise<ReloadOutcome> {
    const at_ms = Date.now();
    let warnings: readonly string[] = [];
    try {
      const loaded = this.#read();
      const { config: read } = loaded;
      warnings = loaded.warnings;
      for (const warning of warnings) this.#log.warn({}, warning);
      const before = this.#running;
      const { config, changed, waiting } = reload(before, read);
      await this.#configure(config);
      this.#running = config;
      const described = (names: typeof changed): string[] => names.map((name) => describeChange(name, before, read));
      return { at_ms, problem: null, changed: described(changed), waiting: described(waiting), warnings };
    } catch (error) {
      const problem = error instanceof GatewayError ? (error.details ?? error.message) : String(error);
      return { at_ms, problem, changed: [], waiting: [], warnings };
    }
  }
}
