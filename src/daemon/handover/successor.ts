import { type ChildProcess, spawn } from "node:child_process";
import { GatewayError } from "../../errors.ts";
import { received, type TakeoverSockets, type ToPredecessor, type ToSuccessor } from "./messages.ts";

/** A program that has to say that it could start, within this time; and then that it serves. */
const READY_MS = 30_000;
const SERVING_MS = 60_000;
/** Descriptors of the new process before its sockets: three of its own, and its channel. */
const OWN_FDS = 4;

/** A program and its arguments. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** The process that is to replace this one, as this one sees it. */
export class Successor {
  readonly #child: ChildProcess;
  #said: ToPredecessor["kind"] | undefined;
  #problem = "";
  #look: () => void = () => undefined;
  #onLost: (problem: string) => void = () => undefined;

  /** Starts it with these sockets of this process's; it inherits the environment, the working directory and where the log goes. */
  constructor({ command, args }: Program, { clients, admin, kept }: TakeoverSockets) {
    const own: TakeoverSockets = {
      clients: clients.map((_, at) => OWN_FDS + at),
      admin: OWN_FDS + clients.length,
      kept,
    };
    const child = spawn(command, [...args, "--takeover", JSON.stringify(own)], {
      stdio: ["ignore", "inherit", "inherit", "ipc", ...clients, admin],
      detached: true, // what ends this one's group or terminal is not meant for it
    });
    this.#child = child;
    child.on("message", (raw) => {
      const message = received<ToPredecessor>(raw, ["ready", "serving", "failed"]);
      if (message === undefined) return;
      this.#said = message.kind;
      if (message.kind === "failed") this.#problem = message.problem;
      this.#look();
    });
    child.on("error", (error) => this.#ended(error.message));
    child.on("exit", (code, signal) => {
      const problem = `it ended with ${signal ?? `exit code ${code}`}`;
      this.#ended(problem);
      if (code !== 0) this.#onLost(problem);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it could start. @throws GatewayError GW_020 when it cannot. */
  ready(): Promise<void> {
    return this.#until("ready", READY_MS);
  }

  /** Gives the data folder up to it. Resolves when it serves. @throws GatewayError GW_020 when it does not. */
  async takesOver(revision: number): Promise<void> {
    this.#send({ kind: "yours", revision });
    await this.#until("serving", SERVING_MS);
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Calls this when it ends from now on, unless it was told to stop. */
  onLost(lost: (problem: string) => void): void {
    this.#onLost = lost;
  }

  /** The threads of this process serve this revision. */
  serves(revision: number): void {
    this.#send({ kind: "serves", revision });
  }

  /** Ends it, however far it has come. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  #ended(problem: string): void {
    this.#said = "failed";
    this.#problem ||= problem;
    this.#look();
  }

  #send(message: ToSuccessor): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #until(kind: ToPredecessor["kind"], ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (details: string): void => {
        clearTimeout(timer);
        reject(new GatewayError("GW_020", { details }));
      };
      const timer = setTimeout(() => fail(`it was not ${kind} within ${ms / 1000} s`), ms);
      this.#look = () => {
        if (this.#said === "failed") fail(this.#problem);
        if (this.#said !== kind) return;
        clearTimeout(timer);
        resolve();
      };
      this.#look();
    });
  }
}
