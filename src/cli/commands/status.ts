import type { Command } from "commander";
import { findLockHolder, isDaemonRunning } from "../../daemon/lock.ts";
import { EXIT } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { briefDuration, fields, timestamp } from "../output.ts";
import type { Workspace } from "../workspace.ts";

export function defineStatus(status: Command, cli: Cli): void {
  status
    .description("Tells whether the gateway on this data folder runs: exit code 0, or 7 when it does not.")
    .addHelpText("after", "\nExamples:\n  sandboxgw status\n  sandboxgw status -o json")
    .action(() => show(cli));
}

async function show(cli: Cli): Promise<void> {
  const { config } = await cli.loadConfig();
  const state = await cli.inWorkspace(read);
  if (!state.running) cli.exitCode = EXIT.unreachable;
  cli.output.print({ data_dir: config.DATA_DIR, ...state }, () =>
    fields(asText({ data_dir: config.DATA_DIR, ...state })),
  );
}

type State = { readonly running: boolean } & Readonly<Record<string, unknown>>;

/** What the daemon last wrote about itself counts only while it runs. */
function read({ folder, store }: Workspace): State {
  const counts = { sandboxes: store.sandboxes.list().length, audit_records: store.audit.head()?.seq ?? 0 };
  if (!isDaemonRunning(folder.lock)) return { running: false, ...counts };
  const holder = findLockHolder(folder.lock);
  const observed = store.observed.find("daemon");
  return {
    running: true,
    ...(holder && { pid: holder.pid, started_at_ms: holder.startedAt }),
    ...(observed && { ...parsed(observed.json), observed_at: timestamp(observed.at) }),
    ...counts,
  };
}

function parsed(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function asText({ running, started_at_ms: startedAt, ...rest }: State): Record<string, string> {
  const up = typeof startedAt === "number" ? { up: briefDuration(Date.now() - startedAt) } : {};
  const others = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { status: running ? "running" : "stopped", ...up, ...Object.fromEntries(others) };
}
