import type { Command } from "commander";
import { instanceStates } from "../../control/verbs/status.ts";
import { observedCircuits } from "../../domain/instance/circuit.ts";
import { observedHealth } from "../../domain/instance/health.ts";
import { EXIT, GatewayError } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { findTrouble } from "../readiness.ts";
import { briefDuration, fields } from "../output/output.ts";
import type { Access } from "../access.ts";

export function defineStatus(status: Command, cli: Cli): void {
  status
    .description(
      "Tells whether the gateway on this data folder runs and takes calls: exit code 0; 7 when it does not run, 8 when it " +
        "runs and takes none.",
    )
    .addHelpText("after", "\nExamples:\n  sandboxgw status\n  sandboxgw status -o json")
    .action(() => show(cli));
}

async function show(cli: Cli): Promise<void> {
  const state = await cli.use(read).catch(absent);
  if (!state.running) cli.exitCode = EXIT.unreachable;
  else if (!state.ready) cli.exitCode = EXIT.checkFailed;
  cli.output.print(state, () => fields(asText(state)));
}

/** A folder without a gateway has none that runs. */
function absent(error: unknown): State {
  if (!(error instanceof GatewayError) || error.code !== "GW_014") throw error;
  return { running: false, ready: false, data_dir: error.details, set_up: false };
}

type State = { readonly running: boolean; readonly ready: boolean } & Readonly<Record<string, unknown>>;

async function read({ verbs, actor, place }: Access): Promise<State> {
  const { daemon, sandboxes, auditRecords } = await verbs.status.find(actor);
  const kept = { data_dir: place, audit_records: auditRecords };
  if (daemon === undefined) return { running: false, ready: false, sandboxes, ...kept };
  const { pid, startedAt } = daemon.holder;
  const holder = pid === undefined ? {} : { pid, started_at_ms: startedAt };
  const trouble = await findTrouble(daemon.observed);
  const now = { ready: trouble === undefined, ...(trouble !== undefined && { trouble }) };
  return { running: true, ...now, ...holder, ...daemon.observed, ...kept };
}

/** The daemon may tell more than this program knows of: whatever it is, it is shown. */
function asText(state: State): Record<string, string> {
  const { running, ready, trouble, started_at_ms: startedAt, instances: _, set_up: setUp, ...others } = state;
  const { checked, circuits, health, outlooks, ...rest } = others;
  const stopped = setUp === false ? "stopped: no gateway was ever set up here" : "stopped";
  const up = typeof startedAt === "number" ? { up: briefDuration(Date.now() - startedAt) } : {};
  const plain = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return {
    status: running ? (ready ? "running" : `running, but takes no calls: ${String(trouble)}`) : stopped,
    ...up,
    ...Object.fromEntries(plain),
    ...(running && { instances: tally(Object.values(instanceStates(state))), circuits: openOnes(circuits) }),
    ...(typeof checked === "number" && checked > 0 && healthText(checked, health, outlooks)),
  };
}

/** `1 open, 1 half-open`; the many closed ones are not told of. */
function openOnes(circuits: unknown): string {
  const states = [...observedCircuits(circuits).values()].map(({ state }) => state);
  const told = tally(states.filter((state) => state !== "closed"));
  return told === "none" ? "none open" : told;
}

/** `3 up, 1 down` */
function tally(states: readonly string[]): string {
  const groups = Map.groupBy(states, (state) => state);
  return [...groups].map(([state, { length }]) => `${length} ${state}`).join(", ") || "none";
}

/** How many of the instances that are checked are down, and which sandboxes have too few that are well. */
function healthText(checked: number, health: unknown, outlooks: unknown): Record<string, string> {
  const troubled = Object.entries(outlooks ?? {}).map(([id, outlook]) => `${id} (${String(outlook)})`);
  const more = troubled.length > MAX_NAMED ? `, and ${troubled.length - MAX_NAMED} more` : "";
  return {
    health: `${observedHealth(health).size} of ${checked} checked instances are down`,
    ...(troubled.length > 0 && { "in trouble": `${troubled.slice(0, MAX_NAMED).join(", ")}${more}` }),
  };
}

/** Sandboxes that are named when many are in trouble. */
const MAX_NAMED = 5;
