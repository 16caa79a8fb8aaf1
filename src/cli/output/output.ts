import type { Writable } from "node:stream";
import { asGatewayError, ERRORS, EXIT } from "../../errors.ts";
import { Interrupted, UsageError } from "../usage-error.ts";

export type OutputMode = "table" | "json";

export interface OutputOptions {
  /** `columns`: of a terminal. */
  readonly stdout: Writable & { readonly columns?: number };
  readonly stderr: Writable;
  /** Asked for each time: it is known only once the command line is parsed. */
  readonly mode: () => OutputMode;
}

/** Data goes to stdout, everything else to stderr. */
export class Output {
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  get isJson(): boolean {
    return this.#options.mode() === "json";
  }

  /** `value` in JSON mode, otherwise the lines that `text` returns for a page of so many columns. */
  print(value: unknown, text: (columns: number) => string | readonly string[]): void {
    if (this.isJson) return this.line(JSON.stringify(value, undefined, 2));
    for (const line of [text(this.#options.stdout.columns || Number.POSITIVE_INFINITY)].flat()) this.line(line);
  }

  line(text: string): void {
    this.#options.stdout.write(`${text}\n`);
  }

  /** For a person beside the data; nothing in JSON mode. */
  note(text: string): void {
    if (!this.isJson) this.complain(text);
  }

  warn(text: string): void {
    this.complain(`warning: ${printable(text)}`);
  }

  /** A line on stderr. */
  complain(text: string): void {
    this.#options.stderr.write(`${text}\n`);
  }
}

/**
 * Prints any thrown value and returns the exit code it stands for. The only place where errors become text.
 * @param command What was run, as far as it is known: `sandboxgw token create`.
 */
export function renderError(output: Output, thrown: unknown, command = "sandboxgw"): number {
  if (thrown instanceof Interrupted) {
    output.note(""); // the shell's prompt begins a line of its own
    return EXIT.interrupted;
  }
  const { code, message, details, hint, exitCode } = describe(thrown, command);
  if (output.isJson) {
    output.complain(JSON.stringify({ error: { code, message, details, hint } }));
  } else {
    const lines = details === "" ? [] : details.split("\n").map((line) => `  ${printable(line)}`);
    output.complain([`error: ${printable(message)}`, ...lines, `hint: ${hint}`].join("\n"));
  }
  return exitCode;
}

/**
 * Columns of a table, left aligned, two spaces apart. Returns its lines, the heading first. Where a page has not so many
 * columns, each row becomes lines of its own: what wraps is no table, and what is cut off cannot be copied.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const lines = [heading, ...rows].map((cells) => cells.map(printable));
  const widths = heading.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const width = widths.reduce((sum, each) => sum + each + 2, -2);
  if (width > columns && rows.length > 0) return rows.flatMap((cells, row) => block(heading, cells, row > 0));
  return lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function block(heading: readonly string[], cells: readonly string[], isNext: boolean): string[] {
  const named = heading.map((name, column) => [name.toLowerCase(), cells[column] ?? ""]);
  return [...(isNext ? [""] : []), ...fields(Object.fromEntries(named) as Record<string, string>)];
}

/** A name beside each value, as lines. */
export function fields(pairs: Readonly<Record<string, string>>): string[] {
  const width = Math.max(...Object.keys(pairs).map((name) => name.length)) + 1;
  return Object.entries(pairs).map(([name, value]) => `${`${name}:`.padEnd(width)}  ${printable(value)}`.trimEnd());
}

/** Milliseconds as a person says them, in the largest whole unit: `42s`, `3m`, `5h`, `12d`. */
export function briefDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** RFC 3339 in UTC. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Text from elsewhere without anything a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

interface Description {
  readonly code: string;
  readonly message: string;
  readonly details: string;
  readonly hint: string;
  readonly exitCode: number;
}

function describe(thrown: unknown, command: string): Description {
  if (thrown instanceof UsageError) {
    const { message, hint = `See ${command} --help` } = thrown;
    return { code: "USAGE", message, details: "", hint, exitCode: EXIT.usage };
  }
  const error = asGatewayError(thrown);
  const { message } = ERRORS[error.code];
  const isBug = error.code === "GW_001";
  return {
    code: error.code,
    message,
    details: isBug ? bugDetails(error.cause, error.details) : error.details,
    hint: isBug ? "This is a bug in sandboxgw: please report it with the lines above" : error.remediation,
    exitCode: error.exitCode,
  };
}

function bugDetails(cause: unknown, details: string): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : details;
}
