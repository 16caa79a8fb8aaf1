import type { Readable } from "node:stream";

const LENGTH = 1_000;

/** Reads a process's error output to its end and keeps the last of it, for the message when the process dies. */
export class Tail {
  #text = "";

  constructor(stream: Readable | null) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      this.#text = (this.#text + text).slice(-LENGTH);
    });
  }

  /** How the process ended, with the last it said. */
  after(end: string): string {
    const said = this.#text.trim();
    return said === "" ? end : `${end}: ${said}`;
  }
}

/** The arguments of a child process's `exit` event as words. */
export function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exited with code ${code}` : `killed by ${signal}`;
}
