import { parse } from "ini";

/** One `KEY = value` line, or a line that was meant to be one. */
export interface IniEntry {
  /** Counted from 1. */
  readonly line: number;
  /** As written; empty when the line has no `=`, for then any part of it may be a secret. */
  readonly key: string;
  /** What the ini package makes of the value. */
  readonly value: string;
  /** Why `value` is not what the writer meant; undefined when it is. Never quotes the line. */
  readonly flaw: string | undefined;
  /** True when text after the value was taken as a comment. */
  readonly commented: boolean;
}

/**
 * Every entry of an INI text in order, sections ignored. The ini package decodes the values one line at a time, for its
 * tree has lost line numbers, duplicates and whatever a `;` cut off. A byte order mark and any line end are fine.
 */
export function readIni(text: string): IniEntry[] {
  const entries: IniEntry[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (/^\s*([;#]|$)/.test(line) || /^\[[^\]]*\]\s*$/.test(line)) continue;
    entries.push({ line: index + 1, ...readLine(line) });
  }
  return entries;
}

function readLine(line: string): Omit<IniEntry, "line"> {
  const equals = line.indexOf("=");
  if (equals < 1) {
    const flaw = line.trimStart().startsWith("[")
      ? "a section header stands alone on its line"
      : "expected KEY = value";
    return { key: "", value: "", flaw, commented: false };
  }
  const key = line.slice(0, equals).trim();
  const written = line.slice(equals + 1);
  const value = String(parse(`value=${written}`)["value"]);
  return { key, value, ...readComment(written, value) };
}

function readComment(written: string, value: string): Pick<IniEntry, "flaw" | "commented"> {
  const trimmed = written.trim();
  const quote = trimmed[0] ?? "";
  if (quote === '"' || quote === "'") return { flaw: quoteFlaw(trimmed, value), commented: false };
  const at = commentStart(written);
  if (at < 0) return { flaw: undefined, commented: false };
  // After a space it is a comment as everyone writes them; right after the value it was meant to be part of it.
  const cut = at === 0 || !/\s/.test(written[at - 1] ?? "");
  return {
    flaw: cut ? `${written[at]} starts a comment and cuts the value: put the value in double quotes` : undefined,
    commented: true,
  };
}

function quoteFlaw(written: string, value: string): string | undefined {
  const quote = written[0] ?? "";
  if (written.length < 2 || !written.endsWith(quote)) {
    return "the closing quote must end the line: put comments on lines of their own";
  }
  if (quote === '"') {
    return value === written
      ? 'invalid escape in double quotes: write \\\\ for a backslash, \\" for a quote'
      : undefined;
  }
  // The package reads what is between single quotes as JSON when it can: '1e3' becomes 1000.
  return value === written.slice(1, -1) ? undefined : "single quotes change this value: use double quotes";
}

/** Where the first `;` or `#` without a backslash stands; -1 when there is none. */
function commentStart(written: string): number {
  for (let at = 0; at < written.length; at++) {
    if (written[at] === "\\") at++;
    else if (written[at] === ";" || written[at] === "#") return at;
  }
  return -1;
}
