import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { AuditEntry } from "../../../audit/entries.ts";
import type { LastLine } from "../../../audit/sink/last-line.ts";
import { integer } from "../../../domain/value/quantities.ts";
import { type Value, wrong } from "../../../domain/value/value.ts";
import { GatewayError } from "../../../errors.ts";
import { auditJson, auditLine, auditView } from "../../output/audit-line.ts";
import type { Cli } from "../../cli.ts";
import { parsed } from "../../usage-error.ts";
import type { Access } from "../../access.ts";
import { defineSearch } from "./search.ts";

export function defineAudit(audit: Command, cli: Cli): void {
  audit.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw audit tail -f\n  sandboxgw audit search --since 1h --decision deny\n  sandboxgw audit verify",
  );
  audit
    .command("tail")
    .summary("print the newest records")
    .description("Prints the newest audit records, oldest first, one a line; as NDJSON with -o json.")
    .option("-n, --lines <count>", "how many", "20")
    .option("-f, --follow", "wait for more, until Ctrl-C")
    .addHelpText("after", "\nExamples:\n  sandboxgw audit tail -f\n  sandboxgw audit tail -n 100 -o json")
    .action((options: TailOptions) => tail(cli, options));
  defineSearch(audit, cli);
  audit
    .command("verify")
    .summary("check that no record was changed or removed")
    .description(
      "Walks the whole chain of records and says where it is broken, if it is (exit code 8). " +
        "Also lists the calls that were started and have no record of their end, and the losses that are on record.",
    )
    .option(
      "--noted <seq:hash>",
      "a record that must be in it, as a checkpoint in the log or a printed record named it",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw audit verify\n  sandboxgw audit verify --noted 1207:9f86d081…0a08 -o json",
    )
    .action((options: { noted?: string }) => verify(cli, options));
  audit
    .command("accept-loss")
    .summary("go on although records are missing")
    .description(
      "When the database has gone, or was put back to an earlier state, the gateway refuses to start: records are missing. " +
        "If no backup has them, this lets it go on without; that they are missing becomes a record itself.",
    )
    .option("-y, --yes", "do not ask")
    .addHelpText("after", "\nExamples:\n  sandboxgw audit accept-loss\n  sandboxgw audit accept-loss --yes")
    .action((options: { yes?: boolean }) => acceptLoss(cli, options));
}

interface TailOptions {
  readonly lines: string;
  readonly follow?: boolean;
}

const POLL = 100;

async function tail(cli: Cli, { lines, follow = false }: TailOptions): Promise<void> {
  const count = parsed(integer(0, 1_000_000), lines, "--lines");
  await cli.use(async (access) => {
    const { verbs, actor } = access;
    const newest = await verbs.audit.last(actor, Math.max(count, 1));
    print(cli, count === 0 ? [] : newest);
    if (follow) await followFrom(cli, access, newest.at(-1)?.seq ?? 0);
  });
}

function print(cli: Cli, entries: readonly AuditEntry[]): void {
  for (const entry of entries) cli.output.line(cli.output.isJson ? auditJson(entry) : auditLine(entry));
}

/** Never returns: Ctrl-C ends the process. */
async function followFrom(cli: Cli, { verbs, actor }: Access, start: number): Promise<never> {
  let seen = start;
  for (;;) {
    const entries = await verbs.audit.after(actor, seen);
    print(cli, entries);
    seen = entries.at(-1)?.seq ?? seen;
    if (entries.length === 0) await sleep(POLL);
  }
}

const NOTED: Value<LastLine> = {
  hint: "number of a record, a colon, and the hash it was committed with",
  parse(text) {
    const [, seq, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
    if (seq === undefined || hash === undefined) throw wrong("must be a number, a colon and 64 hexadecimal digits");
    return { seq: Number(seq), hash };
  },
  format: ({ seq, hash }) => `${seq}:${hash}`,
};

async function verify(cli: Cli, options: { noted?: string }): Promise<void> {
  const noted = options.noted === undefined ? undefined : parsed(NOTED, options.noted, "--noted");
  const verdict = await cli.use(({ verbs, actor }) => verbs.audit.verify(actor, noted));
  if (!verdict.intact) throw new GatewayError("GW_011", { details: `record ${verdict.seq}: ${verdict.reason}` });
  const { records, first, head, unfinished, losses, checkpoints } = verdict;
  const view = {
    intact: true,
    records,
    first_record: first,
    head: head?.hash ?? null,
    checkpoints: checkpoints.count,
    checkpoint_of: checkpoints.seq ?? null,
    checkpoint_key: checkpoints.key,
    unfinished: unfinished.map(auditView),
    losses: losses.map(auditView),
  };
  cli.output.print(view, () => [
    `ok: ${records} ${records === 1 ? "record" : "records"}${first > 1 ? ` from number ${first} on` : ""}, chain intact`,
    ...(checkpoints.seq === undefined
      ? []
      : [`signed up to record ${checkpoints.seq}, ${checkpoints.count} checkpoints, with key ${checkpoints.key}`]),
    ...listed("losses that are on record", losses),
    ...listed("calls that were started and have no end (yet)", unfinished),
  ]);
}

/** Lines of the text output; JSON has them all. */
const MAX_LISTED = 20;

function listed(what: string, entries: readonly AuditEntry[]): string[] {
  if (entries.length === 0) return [];
  return [`${what}: ${entries.length}`, ...entries.slice(0, MAX_LISTED).map((entry) => `  ${auditLine(entry)}`)];
}

async function acceptLoss(cli: Cli, options: { yes?: boolean }): Promise<void> {
  await cli.confirm("Go on without the records that are missing?", options);
  const loss = await cli.use(acceptLossIn, { acceptLoss: true });
  cli.output.print({ loss: loss ?? null }, () => (loss === undefined ? "ok: nothing is missing" : `accepted: ${loss}`));
}

async function acceptLossIn({ verbs, actor, isServed, place }: Access): Promise<string | undefined> {
  if (isServed) throw new GatewayError("GW_004", { details: place });
  return await verbs.audit.acceptLoss(actor);
}
