import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** What is measured has one core for itself; the load generator and the upstream share the other. */
export const CORE = { target: 0, load: 1 } as const;

export interface Command {
  readonly program: string;
  readonly args?: readonly string[];
  /** The whole environment beside PATH and HOME: nothing else is inherited. Secrets go here, never into `args`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly core: number;
}

export interface Running {
  readonly pid: number;
  exited(): boolean;
  /** The end of what it printed. */
  printed(): string;
}

/** Every child of a bench: started on one core, ended by its process id at the latest when the bench ends. */
export class Processes implements AsyncDisposable {
  readonly #folder: string;
  readonly #children = new Map<number, ChildProcess>();
  #ended = false;

  /** `folder` is every child's home and working directory. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** True once everything is being stopped: what fails from now on fails because of that. */
  get ended(): boolean {
    return this.#ended;
  }

  start(command: Command): Running {
    return this.#spawn(command).running;
  }

  /** Runs a command to its end and returns its standard output; throws when it fails or takes longer than `seconds`. */
  async run(command: Command, seconds: number): Promise<string> {
    const { child, running, stdout } = this.#spawn(command);
    const deadline = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    await once(child, "close");
    clearTimeout(deadline);
    if (child.exitCode !== 0) {
      throw new Error(`${command.program} ended with ${child.exitCode ?? child.signalCode}: ${running.printed()}`);
    }
    return stdout();
  }

  /** Resolves with the body once the URL answers 200; throws when the process ends first or a minute passes. */
  async ready(running: Running, url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const deadline = Date.now() + 60_000;
    let problem = "no answer";
    while (Date.now() < deadline && !running.exited()) {
      try {
        const response = await fetch(url, { headers });
        const body = await response.text();
        if (response.status === 200) return body;
        problem = `${response.status} ${body.slice(0, 500)}`;
      } catch (error) {
        problem = String(error);
      }
      await sleep(25);
    }
    throw new Error(`did not become ready (${problem}): ${running.printed()}`);
  }

  /** SIGTERM, and SIGKILL five seconds later. */
  async stop(pid: number): Promise<void> {
    const child = this.#children.get(pid);
    if (child === undefined) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await exit;
    clearTimeout(kill);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#children.keys()].map((pid) => this.stop(pid)));
  }

  #spawn(command: Command): { child: ChildProcess; running: Running; stdout: () => string } {
    if (this.#ended) throw new Error("the bench has ended");
    // taskset replaces itself by the program, so the child's pid is the program's.
    const child = spawn("taskset", ["-c", String(command.core), command.program, ...(command.args ?? [])], {
      cwd: this.#folder,
      env: { PATH: process.env["PATH"], HOME: this.#folder, ...command.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { pid } = child;
    if (pid === undefined) throw new Error("cannot start taskset (Debian package util-linux)");
    this.#children.set(pid, child);
    child.once("exit", () => this.#children.delete(pid));

    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout = (stdout + text).slice(-65_536)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-65_536)));
    const running = {
      pid,
      exited: () => !this.#children.has(pid),
      printed: () => `${stdout}\n${stderr}`.trim().slice(-2000),
    };
    return { child, running, stdout: () => stdout };
  }
}
