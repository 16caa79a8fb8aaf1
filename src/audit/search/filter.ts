/** What a record can be asked for, by the name of the option that asks. */
export const FILTER_FIELDS = [
  "kind",
  "subject",
  "token",
  "address",
  "sandbox",
  "instance",
  "status",
  "decision",
  "rule",
  "action",
  "request",
  "execution",
] as const;

export type FilterField = (typeof FILTER_FIELDS)[number];

/** What is asked of records: all of it must hold. Times in ms since the epoch. */
export interface AuditFilter {
  /** No older ones. */
  readonly from?: number | undefined;
  /** Older ones only. */
  readonly until?: number | undefined;
  readonly where: Readonly<Partial<Record<FilterField, string>>>;
}

/** A record as it was parsed. */
export type AuditRecord = Readonly<Record<string, unknown>>;

/** The record of a text. One that is no JSON object was tampered with: it has nothing that could be asked for. */
export function recordOf(text: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** When it was made, ms since the epoch; undefined when it does not say. */
export function timeOf(record: AuditRecord): number | undefined {
  const at = record["at_ms"];
  return typeof at === "number" && Number.isFinite(at) ? at : undefined;
}

/** Everything a record can be found by. */
export function termsOf(record: AuditRecord): string[] {
  const terms: string[] = [];
  const add = (field: FilterField, value: unknown): void => {
    if (typeof value === "string" || typeof value === "number") terms.push(termOf(field, String(value)));
  };
  add("kind", record["kind"]);
  add("subject", record["subject"] ?? record["actor"]);
  add(
    "token",
    record["token_id"] ?? targetOf(record, "token.") ?? targetOf(record, "session.") ?? targetOf(record, "link."),
  );
  add("address", record["address"]);
  add("sandbox", record["sandbox"] ?? targetOf(record, "sandbox."));
  add("instance", record["instance"] ?? targetOf(record, "instance.") ?? targetOf(record, "circuit."));
  add("decision", record["decision"]);
  add("rule", record["rule"]);
  add("action", record["action"]);
  add("request", record["request_id"]);
  add("execution", record["execution_id"]);
  const status = record["status"];
  if (typeof status === "number") {
    add("status", status);
    add("status", `${Math.floor(status / 100)}xx`);
  }
  return terms;
}

/** The terms that a record must have to be found. */
export function wantedTerms({ where }: AuditFilter): string[] {
  return FILTER_FIELDS.flatMap((field) => {
    const value = where[field];
    return value === undefined ? [] : [termOf(field, value)];
  });
}

/** Whether a record is one that is asked for. `wanted`: the filter's terms. */
export function matches(record: AuditRecord, { from, until }: AuditFilter, wanted: readonly string[]): boolean {
  const at = timeOf(record);
  if (from !== undefined && (at === undefined || at < from)) return false;
  if (until !== undefined && (at === undefined || at >= until)) return false;
  if (wanted.length === 0) return true;
  const terms = termsOf(record);
  return wanted.every((term) => terms.includes(term));
}

function termOf(field: FilterField, value: string): string {
  return `${field}=${value}`;
}

function targetOf(record: AuditRecord, verbs: string): unknown {
  const action = record["action"];
  return typeof action === "string" && action.startsWith(verbs) ? record["target"] : undefined;
}
