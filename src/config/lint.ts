import { asGatewayError } from "../errors.ts";
import { type IniEntry, readIni } from "./ini.ts";
import { nearest } from "../domain/value/nearest.ts";
import { FILE_KEYS, isKeyName, isSecret, KEY_NAMES, type KeyName, SCHEMA } from "./schema.ts";

/** One remark about a configuration file. Contains no secret. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  /** Empty when the line has none that could be shown. */
  readonly key: string;
  readonly reason: string;
  /** The key that was probably meant. */
  readonly suggestion?: string;
  readonly kind: "syntax" | "value" | "unknown" | "duplicate" | "placeholder";
  /** What `config validate` makes of it: an error fails, a warning is only told. */
  readonly severity: "error" | "warning";
}

type Remark = Omit<Finding, "file" | "line" | "key">;

/** Everything that is wrong or surprising in an INI text, line by line; `file` is only repeated in the findings. */
export function lintIni(text: string, file: string): Finding[] {
  if (text.includes("\0")) {
    const reason = "not a text in UTF-8";
    return [{ file, line: 1, key: "", kind: "syntax", severity: "error", reason }];
  }
  const seen = new Map<string, number>();
  return readIni(text).flatMap((entry) => {
    const remarks = [...remarksOn(entry), ...duplicateOf(entry, seen)];
    return remarks.map((remark) => ({
      file,
      line: entry.line,
      key: shownKey(entry.key, remark.suggestion),
      ...remark,
    }));
  });
}

/** `file:line: KEY: reason (did you mean X?)` */
export function formatFinding({ file, line, key, reason, suggestion }: Finding): string {
  return `${file}:${line}: ${formatProblem(key, reason, suggestion)}`;
}

/** `KEY: reason (did you mean X?)` */
export function formatProblem(key: string, reason: string, suggestion?: string): string {
  const meant = suggestion === undefined ? "" : ` (did you mean ${suggestion}?)`;
  return `${key === "" ? "" : `${key}: `}${reason}${meant}`;
}

/** The known name that an unknown one was probably meant to be: `GATEWAY.PROT`, `export gateway_port`, `max_retrys`. */
export function nearestKey(name: string): string | undefined {
  const plain = name
    .toUpperCase()
    .replace(/^EXPORT\s+/, "")
    .replace(/^SANDBOXGW_/, "")
    .replace(/\[\]$/, "")
    .replaceAll(/[^A-Z0-9]+/g, "_");
  return nearest(plain, [...KEY_NAMES, ...FILE_KEYS]);
}

/** True for `<secret-key>` and the like, as sample files have it: the secret is not set. */
export function isPlaceholder(text: string): boolean {
  return /^<[^<>]*>$/.test(text);
}

/** Why `text` is not a value of this key; undefined when it is. Never quotes a secret. */
export function valueProblem(name: KeyName, text: string): string | undefined {
  try {
    SCHEMA[name].value.parse(text);
    return undefined;
  } catch (thrown) {
    const error = asGatewayError(thrown);
    if (error.code !== "VAL_010") throw error;
    return error.details;
  }
}

function remarksOn({ key, value, flaw, commented }: IniEntry): Remark[] {
  const name = isKeyName(key) ? key : undefined;
  if (name === undefined && key !== "" && !FILE_KEYS.includes(key)) return [unknownKey(key)];
  if (flaw !== undefined) return [{ kind: "syntax", severity: "error", reason: flaw }];
  if (name === undefined || value === "") return [];
  const remarks: Remark[] = [];
  if (isSecret(name)) {
    if (isPlaceholder(value)) {
      return [
        { kind: "placeholder", severity: "warning", reason: "a placeholder in angle brackets counts as not set" },
      ];
    }
    if (commented) {
      const reason = "what follows ; or # is not part of the secret: put it in double quotes if it should be";
      remarks.push({ kind: "syntax", severity: "warning", reason });
    }
  }
  const reason = valueProblem(name, value);
  if (reason !== undefined) remarks.push({ kind: "value", severity: "error", reason });
  return remarks;
}

function unknownKey(key: string): Remark {
  const suggestion = nearestKey(key);
  const reason = key.endsWith("[]")
    ? "a list is one line, its entries separated by commas"
    : key.includes(".")
      ? "unknown key: a dot makes a section of what stands before it"
      : "unknown key";
  return { kind: "unknown", severity: "error", reason, ...(suggestion === undefined ? {} : { suggestion }) };
}

function duplicateOf({ key, line }: IniEntry, seen: Map<string, number>): Remark[] {
  const before = seen.get(key);
  if (key !== "") seen.set(key, line);
  if (before === undefined) return [];
  return [{ kind: "duplicate", severity: "warning", reason: `set again: line ${before} no longer counts` }];
}

/** Part of a secret, broken over lines or put after a colon, may stand where a key should: only a name is repeated. */
function shownKey(key: string, suggestion: string | undefined): string {
  const inOneCase = /^([A-Z][A-Z\d_.[\]-]*|[a-z][a-z\d_.[\]-]*)$/;
  const likeAKey = /^(export\s+)?[A-Za-z][\w.[\]-]*$/;
  return (suggestion === undefined ? inOneCase : likeAKey).test(key) ? key : "";
}
