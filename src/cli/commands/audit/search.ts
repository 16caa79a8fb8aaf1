import type { Command } from "commander";
import type { AuditEntry } from "../../../audit/entries.ts";
import { RECORD_KINDS } from "../../../audit/record.ts";
import { ACTIONS } from "../../../audit/search/actions.ts";
import { type AuditFilter, FILTER_FIELDS, type FilterField } from "../../../audit/search/filter.ts";
import type { Order } from "../../../audit/search/search.ts";
import { moment } from "../../../domain/value/moment.ts";
import { integer } from "../../../domain/value/quantities.ts";
import { nearest } from "../../../domain/value/nearest.ts";
import { type Value, wrong } from "../../../domain/value/value.ts";
import { choice } from "../../../domain/value/words.ts";
import { ERROR_CODES, GatewayError } from "../../../errors.ts";
import type { Access } from "../../access.ts";
import type { Cli } from "../../cli.ts";
import { auditJson, auditLine, auditView } from "../../output/audit-line.ts";
import { fields, timestamp } from "../../output/output.ts";
import { parsed, UsageError } from "../../usage-error.ts";

export function defineSearch(audit: Command, cli: Cli): void {
  const search = audit
    .command("search")
    .summary("find records")
    .description("Prints the newest records of those that are asked for, oldest first; as NDJSON with -o json.")
    .option("-n, --lines <count>", "how many at most", "100");
  withFilter(search)
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw audit search --since 1h --decision deny\n" +
        "  sandboxgw audit search --subject alice --sandbox demo --status 5xx -o json",
    )
    .action((options: SearchOptions) => find(cli, options));
  audit
    .command("show")
    .summary("show all that is recorded of one call")
    .description("Shows records in full: one by its number, or all of one request or execution.")
    .argument("<id>", "number of a record, id of a request (req_…) or of an execution (exe_…)")
    .addHelpText("after", "\nExamples:\n  sandboxgw audit show 1207\n  sandboxgw audit show req_8f2c11d07b5e00003k")
    .action((id: string) => show(cli, id));
  const exported = audit
    .command("export")
    .summary("write records out as NDJSON")
    .description("Writes the records that are asked for to standard output as NDJSON, the oldest first.");
  withFilter(exported)
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw audit export > audit.ndjson\n  sandboxgw audit export --since 2026-03-01 --until 2026-04-01",
    )
    .action((options: FilterOptions) => exportAll(cli, options));
}

type FilterOptions = Readonly<Partial<Record<FilterField | "since" | "until", string>>>;

interface SearchOptions extends FilterOptions {
  readonly lines: string;
}

const KIND = choice(...RECORD_KINDS);

const STATUS: Value<string> = {
  hint: "a status as 403, or a class of them as 4xx",
  parse(text) {
    if (!/^[1-5](?:\d\d|xx)$/.test(text)) throw wrong(`"${text}" is no status`);
    return text;
  },
  format: (text) => text,
};

const RULE: Value<string> = {
  hint: "role:NAME, or an error's code",
  parse(text) {
    if (/^role:./.test(text) || ERROR_CODES.some((code) => code === text)) return text;
    const meant = nearest(text.toUpperCase(), ERROR_CODES);
    throw wrong(`"${text}" is neither role:NAME nor an error's code${meant ? ` (did you mean ${meant}?)` : ""}`);
  },
  format: (text) => text,
};

/** What has few values is checked: a typing error must not read as "there was no such call". */
const CHECKED: Readonly<Partial<Record<FilterField, Value<string>>>> = {
  kind: KIND,
  status: STATUS,
  decision: choice("allow", "deny"),
  rule: RULE,
  action: choice(...ACTIONS),
};

const WHAT: Readonly<Record<FilterField, string>> = {
  kind: KIND.hint,
  subject: "who called, or acted",
  token: "id of the token that was used, or acted on",
  address: "where it came from",
  sandbox: "id of a sandbox",
  instance: "id of an instance",
  status: "as answered: 403, or 4xx for all of them",
  decision: "allow or deny",
  rule: "what decided: role:executor, or an error's code",
  action: "what was done: sandbox.add, token.revoke, …",
  request: "id of a request",
  execution: "id of an execution",
};

function withFilter(command: Command): Command {
  command
    .option("--since <time>", "no older ones: a date, a time, or how long ago (12h)")
    .option("--until <time>", "older ones only");
  for (const field of FILTER_FIELDS) command.option(`--${field} <${field}>`, WHAT[field]);
  return command;
}

/** @throws UsageError */
function filterOf(options: FilterOptions): AuditFilter {
  const time = moment(Date.now);
  const { since, until } = options;
  const [from, to] = [
    since === undefined ? undefined : parsed(time, since, "--since"),
    until === undefined ? undefined : parsed(time, until, "--until"),
  ];
  if (from !== undefined && to !== undefined && from >= to) {
    throw new UsageError(`--since ${timestamp(from)} is not before --until ${timestamp(to)}`);
  }
  const where = Object.fromEntries(
    FILTER_FIELDS.flatMap((field) => {
      const text = options[field];
      return text === undefined ? [] : [[field, CHECKED[field] ? parsed(CHECKED[field], text, `--${field}`) : text]];
    }),
  );
  return { from, until: to, where };
}

/** Page by page, so that neither side holds all of it. */
async function* pages(
  { verbs, actor }: Access,
  filter: AuditFilter,
  order: Order,
): AsyncGenerator<readonly AuditEntry[]> {
  let cursor: number | undefined;
  do {
    const { entries, next } = await verbs.audit.search(actor, filter, order, cursor);
    yield entries;
    cursor = next;
  } while (cursor !== undefined);
}

async function find(cli: Cli, { lines, ...options }: SearchOptions): Promise<void> {
  const count = parsed(integer(1, 1_000_000), lines, "--lines");
  const filter = filterOf(options);
  const found = await cli.use((access) => newest(access, filter, count));
  for (const entry of found) cli.output.line(cli.output.isJson ? auditJson(entry) : auditLine(entry));
  if (found.length === 0) cli.output.note("no such records");
  if (found.length === count) cli.output.note(`the newest ${count}; there may be more: see --lines`);
}

/** The newest `count` of those asked for, oldest first. */
async function newest(access: Access, filter: AuditFilter, count: number): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  for await (const entries of pages(access, filter, "newest first")) {
    found.push(...entries);
    if (found.length >= count) break;
  }
  return found.slice(0, count).toReversed();
}

async function show(cli: Cli, id: string): Promise<void> {
  const what = namedBy(id);
  const entries = await cli.use((access) => recordsOf(access, what));
  if (entries.length === 0) throw new GatewayError("ROUTE_013", { details: id });
  cli.output.print(entries.map(auditView), () =>
    entries.flatMap((entry, index) => [...(index > 0 ? [""] : []), ...fields(shownFields(entry))]),
  );
}

/** More than a call has. */
const MOST_SHOWN = 20;

/** What an id is of: a record's number, or what a filter asks for. @throws UsageError */
function namedBy(id: string): number | AuditFilter {
  if (/^[1-9]\d{0,14}$/.test(id)) return Number(id);
  if (id.startsWith("req_")) return { where: { request: id } };
  if (id.startsWith("exe_")) return { where: { execution: id } };
  throw new UsageError(`${id} is neither a record's number nor an id like req_… or exe_…`);
}

async function recordsOf(access: Access, what: number | AuditFilter): Promise<AuditEntry[]> {
  if (typeof what !== "number") return await newest(access, what, MOST_SHOWN);
  return [await access.verbs.audit.find(access.actor, what)];
}

function shownFields(entry: AuditEntry): Record<string, string> {
  const { at_ms: at, seq, ...rest } = auditView(entry);
  return {
    record: String(seq),
    ...(typeof at === "number" && { at: timestamp(at) }),
    ...Object.fromEntries(
      Object.entries(rest).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
  };
}

async function exportAll(cli: Cli, options: FilterOptions): Promise<void> {
  const filter = filterOf(options);
  await cli.use(async (access) => {
    for await (const entries of pages(access, filter, "oldest first")) {
      for (const entry of entries) cli.output.line(auditJson(entry));
    }
  });
}
