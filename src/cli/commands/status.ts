import type { Command } from "commander";
import { instanceStates } from "../../control/verbs/status.ts";
import { EXIT, GatewayError } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { briefDuration, fields } from "../output/output.ts";
import type { Workspace } from "../workspace.ts";

export function defineStatus(status: Command, cli: Cli): void {
  status
    .description("Tells whether the gateway on this data folder runs: exit code 0, or 7 when it does not.")
    .addHelpText("after", "\nExamples:\n  sandboxgw status\n  sandboxgw status -o json")
    .action(() => show(cli));
}

async function show(cli: Cli): Promise<void> {
  const state = await cli.inWorkspace(read).catch(absent);
  if (!state.running) cli.exitCode = EXIT.unreachable;
  cli.output.print(state, () => fields(asText(state)));
}

/** A folder without a gateway has none that runs. */
function absent(error: unknown): State {
  if (!(error instanceof GatewayError) || error.code !== "GW_014") throw error;
  return { running: false, data_dir: error.details, set_up: false };
}

type State = { readonly running: boolean } & Readonly<Record<string, unknown>>;

async function read({ verbs, actor, folder }: Workspace): Promise<State> {
  const { daemon, sandboxes, auditRecords } = await verbs.status.find(actor);
  const kept = { data_dir: folder.root, audit_records: auditRecords };
  if (daemon === undefined) return { running: false, sandboxes, ...kept };
  const { pid, startedAt } = daemon.holder;
  const holder = pid === undefined ? {} : { pid, started_at_ms: startedAt };
  return { running: true, ...holder, ...daemon.observed, ...kept };
}

/** The daemon may tell more than this program knows of: whatever it is, it is shown. */
function asText(state: State): Record<string, string> {
  const { running, started_at_ms: startedAt, instances: _, set_up: setUp, ...rest } = state;
  const up = typeof startedAt === "number" ? { up: briefDuration(Date.now() - startedAt) } : {};
  const others = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return {
    status: running ? "running" : setUp === false ? "stopped: no gateway was ever set up here" : "stopped",
    ...up,
    ...Object.fromEntries(others),
    ...(running && { instances: tally(Object.values(instanceStates(state))) }),
  };
}

/** `3 up, 1 down` */
function tally(states: readonly string[]): string {
  const groups = Map.groupBy(states, (state) => state);
  return [...groups].map(([state, { length }]) => `${length} ${state}`).join(", ") || "none";
}
