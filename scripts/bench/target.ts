import { type Command, CORE, type Processes } from "./machine/processes.ts";

/** What every target is given. */
export interface Bench {
  readonly processes: Processes;
  /** A private temporary folder for configurations and data. */
  readonly folder: string;
  /** Port of the upstream on 127.0.0.1. */
  readonly upstreamPort: number;
  /** 32 bytes or more; HS256 key of every token in the run. */
  readonly tokenSecret: string;
  /** A token for the targets that do not issue their own; the others ignore it, but carry its bytes. */
  readonly token: string;
  /** Sandboxes that a gateway has beside the one that is called. */
  readonly sandboxes: number;
  /** Further options for the Node that runs the gateway. */
  readonly nodeOptions: readonly string[];
}

/** One row of the table. */
export interface Target {
  readonly name: string;
  /** How it is set up, in a few words. */
  readonly about: string;
  /** Why it cannot run on this machine, and what to install. */
  readonly missing?: string | undefined;
  /** True when the latency probe is worth its time here. */
  readonly paced?: boolean;
  start(bench: Bench): Promise<Started>;
}

/** A target that has answered once. */
export interface Started {
  readonly pid: number;
  /** GET here is answered by the upstream. */
  readonly url: string;
  readonly token: string;
}

/** Starts a target that serves the upstream at the root of `port`, and waits until it does. */
export async function launch(bench: Bench, port: number, command: Omit<Command, "core">): Promise<Started> {
  const running = bench.processes.start({ ...command, core: CORE.target });
  const url = `http://127.0.0.1:${port}/`;
  await bench.processes.ready(running, url, { authorization: `Bearer ${bench.token}` });
  return { pid: running.pid, url, token: bench.token };
}
