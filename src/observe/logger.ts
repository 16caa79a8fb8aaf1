import { pino } from "pino";
import type { Logger } from "pino";

export type { Logger };

/**
 * The daemon's log, on stderr. `auto` is readable text on a terminal and JSON elsewhere. Written synchronously: the last
 * lines before a crash are the ones that matter, and the request path never logs.
 */
export function createLogger(options: { level: string; format: "auto" | "json" | "pretty" }): Logger {
  const pretty = options.format === "pretty" || (options.format === "auto" && process.stderr.isTTY);
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(
    base,
    pretty
      ? { write: (line: string) => void process.stderr.write(readable(line)) }
      : pino.destination({ fd: 2, sync: true }),
  );
}

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** One JSON line as `time level message key=value…`. Values stay JSON, so nothing in them can forge a line. */
function readable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const name = (LEVELS[level as number] ?? "info").padEnd(5);
  return `${String(time).slice(11, 23)} ${name} ${typeof msg === "string" ? msg : ""}${fields.join("")}\n`;
}
