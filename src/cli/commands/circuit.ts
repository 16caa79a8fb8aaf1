import type { Command } from "commander";
import type { InstanceCircuit } from "../../control/verbs/circuits.ts";
import { CLOSED } from "../../domain/instance/circuit.ts";
import type { Cli } from "../cli.ts";
import { briefDuration, fields, table, timestamp } from "../output/output.ts";

const EXAMPLE_ID = "ins_5k2v9x0hq3r8m1t7w4c6";

export function defineCircuit(circuit: Command, cli: Cli): void {
  circuit.addHelpText("after", `\nExamples:\n  sandboxgw circuit list\n  sandboxgw circuit reset ${EXAMPLE_ID}`);
  circuit
    .command("list")
    .alias("ls")
    .summary("list the circuits of all instances")
    .description("Lists the circuits of all instances, as the running gateway sees them; unknown when none runs.")
    .addHelpText("after", "\nExamples:\n  sandboxgw circuit list\n  sandboxgw circuit list -o json")
    .action(() => list(cli));
  circuit
    .command("show")
    .summary("show the circuit of an instance")
    .description("Shows the circuit of an instance, as the running gateway sees it.")
    .argument("<id>", "id of the instance (ins_…)")
    .addHelpText("after", `\nExamples:\n  sandboxgw circuit show ${EXAMPLE_ID}`)
    .action((id: string) => show(cli, id));
  for (const { verb, summary, description } of ACTIONS) {
    circuit
      .command(verb)
      .summary(summary)
      .description(description)
      .argument("<id>", "id of the instance (ins_…)")
      .option("--no-wait", "do not wait until a running gateway has it in force")
      .addHelpText("after", `\nExamples:\n  sandboxgw circuit ${verb} ${EXAMPLE_ID}`)
      .action((id: string, options: { wait: boolean }) => act(cli, verb, id, options));
  }
}

type Action = "open" | "close" | "reset";

const ACTIONS: readonly { readonly verb: Action; readonly summary: string; readonly description: string }[] = [
  {
    verb: "open",
    summary: "send an instance nothing new",
    description: "Opens a circuit by hand: the instance gets nothing new until its circuit is closed by hand.",
  },
  {
    verb: "close",
    summary: "send an instance requests again",
    description: "Closes a circuit at once, however it was opened. How often it has been open is remembered.",
  },
  {
    verb: "reset",
    summary: "close a circuit and forget its past",
    description: "Closes a circuit at once and forgets how often it has been open.",
  },
];

async function list(cli: Cli): Promise<void> {
  const circuits = await cli.use(({ verbs, actor }) => verbs.circuits.list(actor));
  cli.output.print(circuits.map(circuitView), (columns) =>
    table(
      ["INSTANCE", "SANDBOX", "URL", "CIRCUIT", "FAILURES", "OPENED", "TRIED IN"],
      circuits.map((one) => [
        one.instance.id,
        one.instance.sandboxId,
        one.instance.url,
        stateOf(one),
        String(one.circuit?.failures ?? "-"),
        String(one.circuit?.ejections ?? "-"),
        triedIn(one),
      ]),
      columns,
    ),
  );
}

async function show(cli: Cli, id: string): Promise<void> {
  const one = await cli.use(({ verbs, actor }) => verbs.circuits.find(actor, id));
  const { instance, circuit } = one;
  cli.output.print(circuitView(one), () =>
    fields({
      instance: instance.id,
      sandbox: instance.sandboxId,
      url: instance.url,
      circuit: stateOf(one),
      failures: String(circuit?.failures ?? "-"),
      opened: String(circuit?.ejections ?? "-"),
      "tried in": triedIn(one),
    }),
  );
}

async function act(cli: Cli, verb: Action, id: string, options: { wait: boolean }): Promise<void> {
  const { instance } = await cli.change(
    ({ verbs, actor }) =>
      verb === "open" ? verbs.circuits.open(actor, id) : verbs.circuits.close(actor, id, { forget: verb === "reset" }),
    options,
  );
  const done = { open: "opened", close: "closed", reset: "closed, its past forgotten" }[verb];
  cli.output.print(circuitView({ instance, circuit: CLOSED }), () => `circuit of ${id} ${done}`);
}

function stateOf({ instance, circuit }: InstanceCircuit): string {
  return instance.tripped ? "open (by hand)" : (circuit?.state ?? "unknown");
}

function triedIn({ instance, circuit }: InstanceCircuit): string {
  if (instance.tripped || circuit?.state !== "open") return "-";
  return briefDuration(Math.max(0, circuit.probe_at_ms - Date.now()));
}

function circuitView({ instance, circuit }: InstanceCircuit): Record<string, unknown> {
  const { id, sandboxId, url, tripped } = instance;
  const isOpen = circuit?.state === "open";
  return {
    instance_id: id,
    sandbox_id: sandboxId,
    url,
    state: tripped ? "open" : (circuit?.state ?? null),
    by_hand: tripped,
    failures: circuit?.failures ?? null,
    ejections: circuit?.ejections ?? null,
    probe_at: isOpen ? timestamp(circuit.probe_at_ms) : null,
  };
}
