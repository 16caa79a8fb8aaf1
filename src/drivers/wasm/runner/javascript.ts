import type { Outcome } from "../job.ts";

/** What the JavaScript side leaves behind for the runner: the error that was looked at last. */
export interface JavascriptNotes {
  readonly name: string;
  readonly message: string;
  /** Lines of `at <function> (<file>:<line>:<column>)`. */
  readonly stack: string;
}

/**
 * Runs before the program. js-exec prints an uncaught error without its name, but asks the engine for the error's JSON
 * first, and so calls `toJSON`: there everything about it is noted. What is printed beyond `maxOutput` characters is
 * dropped here, because js-exec refuses a write that is too much as a whole.
 */
export function javascriptBootstrap(notes: string, maxOutput: number): string {
  return `(() => {
    const { writeFileSync } = fs;
    const { stringify } = JSON;
    const text = (value) => (typeof value === "string" ? value : "");
    const toJSON = function () {
      try {
        const named = text(this.name);
        const name = named === "Error" ? text(this.constructor?.name) || named : named;
        writeFileSync(${JSON.stringify(notes)}, stringify({ name, message: text(this.message), stack: text(this.stack) }));
      } catch {}
      return { ...this };
    };
    Object.defineProperty(Error.prototype, "toJSON", { value: toJSON, writable: true, configurable: true });
    const rooms = { log: { left: ${maxOutput} }, error: { left: ${maxOutput} } };
    for (const [name, room] of [["log", rooms.log], ["info", rooms.log], ["debug", rooms.log], ["error", rooms.error], ["warn", rooms.error]]) {
      const write = console[name];
      if (typeof write !== "function") continue;
      console[name] = (...parts) => {
        if (room.left <= 0) return;
        const kept = parts.map((part) => (typeof part === "string" ? part.slice(0, room.left) : part));
        for (const part of kept) room.left -= 1 + (typeof part === "string" ? part.length : 0);
        write(...kept);
      };
    }
  })();`;
}

/** The uncaught error, when the noted one is the one that js-exec printed last. */
export function javascriptError(stderr: string, notes: JavascriptNotes | undefined): Outcome["error"] {
  if (notes === undefined || !stderr.trimEnd().endsWith(notes.message.trimEnd())) return null;
  const places = notes.stack.split("\n").map((line) => line.trim());
  return { name: notes.name || "Error", value: notes.message, traceback: places.filter((line) => line !== "") };
}
