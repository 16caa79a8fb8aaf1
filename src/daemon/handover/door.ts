// Where a command asks the running daemon to hand over: a Unix socket in the data folder, which only its owner can enter. One
// line of JSON each way.

import { rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type ErrorCode, ERROR_CODES, GatewayError } from "../../errors.ts";
import type { Program } from "./successor.ts";

/** A hand-over takes a second, and a minute and a half at most. */
const ANSWER_MS = 120_000;
const LONGEST_LINE = 64 * 1024;

type Answer = { readonly pid: number } | { readonly code: ErrorCode; readonly details: string };

export class Door {
  readonly file: string;
  readonly #begin: (program: Program) => Promise<number>;
  readonly #onError: (error: Error) => void;
  #server: Server | undefined;

  constructor(options: {
    file: string;
    /** See HandOver.begin. */
    begin: (program: Program) => Promise<number>;
    /** Nobody can ask for a hand-over: the path is too long, say. */
    onError: (error: Error) => void;
  }) {
    this.file = options.file;
    this.#begin = options.begin;
    this.#onError = options.onError;
  }

  start(): Promise<void> {
    rmSync(this.file, { force: true }); // left behind by a process that was killed
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    return new Promise((resolve) => {
      server.on("error", (error) => {
        this.#onError(error);
        resolve();
      });
      server.listen(this.file, resolve);
    });
  }

  /** Who has asked is still answered. */
  stop(): void {
    this.#server?.close(); // unlinks the file
    this.#server?.unref();
  }

  #serve(socket: Socket): void {
    socket.on("error", () => undefined).unref();
    const lines = createInterface({ input: socket });
    socket.on("data", () => {
      if (socket.bytesRead > LONGEST_LINE) socket.destroy();
    });
    lines.once("line", (line) => {
      this.#answer(line).then((answer) => socket.end(`${JSON.stringify(answer)}\n`), this.#onError);
    });
    lines.on("error", () => undefined);
  }

  async #answer(line: string): Promise<Answer> {
    try {
      return { pid: await this.#begin(programFrom(line)) };
    } catch (error) {
      if (error instanceof GatewayError) return { code: error.code, details: error.details };
      return { code: "GW_020", details: String(error) };
    }
  }
}

/** Asks the daemon behind this socket to hand over. Resolves with the number of the process that serves then. @throws GatewayError GW_019, GW_020 */
export function askToHandOver(file: string, program: Program): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (details: string, code: ErrorCode = "GW_019"): void => reject(new GatewayError(code, { details }));
    const socket = createConnection(file);
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error("no answer")));
    socket.on("error", (error) => fail(error.message));
    socket.once("connect", () => socket.write(`${JSON.stringify(program)}\n`));
    const lines = createInterface({ input: socket });
    lines.on("error", () => undefined);
    lines.once("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      if ("pid" in answer) resolve(answer.pid);
      else fail(answer.details, ERROR_CODES.includes(answer.code) ? answer.code : "GW_020");
      socket.destroy();
    });
    socket.once("close", () => fail("the gateway ended before it answered", "GW_020"));
  });
}

function programFrom(line: string): Program {
  const wrong = new GatewayError("GW_019", { details: "the request cannot be understood" });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw wrong;
  }
  if (typeof value !== "object" || value === null || !("command" in value && "args" in value)) throw wrong;
  const { command, args } = value;
  if (typeof command !== "string" || !Array.isArray(args) || !args.every((arg) => typeof arg === "string")) throw wrong;
  return { command, args };
}
