import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { spawnChild } from "../../executable.ts";
import type { Driver, InstanceReport } from "../driver.ts";
import { socketPath } from "../socket-path.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import type { HostOptions } from "./host/host.ts";
import type { WasmLimits } from "./limits.ts";

export interface WasmDriverOptions {
  /** The data folder's `run`: exists, 0700, absolute. */
  readonly runDirectory: string;
  /** The data folder's `cache`, where the packaged file unpacks what the sandbox consists of. */
  readonly cacheDirectory: string;
  readonly limits: WasmLimits;
  readonly report: InstanceReport;
  /** Told once, when the first one starts. */
  readonly warn: (text: string) => void;
  /** Whose the daemon is; undefined where users have no numbers. */
  readonly uid: number | undefined;
}

/** Sandboxes of bash, Python and JavaScript, all WebAssembly or interpreted, in processes of the daemon's own. */
export class WasmDriver implements Driver {
  readonly #options: WasmDriverOptions;
  readonly #supervisors = new Map<string, Supervisor>();
  #isWarned = false;

  constructor(options: WasmDriverOptions) {
    this.#options = options;
  }

  /** @throws GatewayError GW_013 when the data folder's path is too long for a socket. */
  start(_sandbox: Sandbox, instance: Instance): void {
    if (this.#supervisors.has(instance.id)) return;
    this.#warnOfRoot();
    const { runDirectory, cacheDirectory, limits, report } = this.#options;
    const options: HostOptions = { socket: socketPath(runDirectory, instance.url), cacheDirectory, limits };
    const supervisor = new Supervisor({
      // No environment at all: nothing of the daemon's reaches a process near untrusted code.
      spawn: () =>
        spawnChild("wasm-host", [JSON.stringify(options)], {
          stdio: ["ignore", "ignore", "pipe", "ipc"],
          detached: true,
        }),
      report: (state, reason) => report(instance, state, reason),
    });
    this.#supervisors.set(instance.id, supervisor);
    supervisor.start();
  }

  async stop(instanceId: string): Promise<void> {
    await this.#supervisors.get(instanceId)?.stop();
    this.#supervisors.delete(instanceId);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#supervisors.keys()].map((id) => this.stop(id)));
  }

  #warnOfRoot(): void {
    if (this.#isWarned || this.#options.uid !== 0) return;
    this.#isWarned = true;
    this.#options.warn(
      "an embedded sandbox runs as root: code that broke out of it would own this machine. Run the gateway as a user of its own",
    );
  }
}
