import type { Command } from "commander";
import { askToHandOver } from "../../daemon/handover/door.ts";
import { GatewayError } from "../../errors.ts";
import { ownProgram } from "../../executable.ts";
import type { Cli } from "../cli.ts";

export function defineUpgrade(upgrade: Command, cli: Cli): void {
  upgrade
    .description(
      "Has the running gateway start this program, with the arguments that it was started with, and hand its port over to it. " +
        "Returns when the new process serves; the old one then finishes what it has begun. No call fails. When the new one " +
        "cannot serve, the old one goes on (exit code 1).",
    )
    .addHelpText("after", "\nExamples:\n  sandboxgw upgrade\n  /opt/sandboxgw-2/sandboxgw upgrade -o json")
    .action(() => run(cli));
}

async function run(cli: Cli): Promise<void> {
  const pid = await cli.use(async ({ verbs, actor }) => {
    const { daemon } = await verbs.status.find(actor);
    if (daemon === undefined) throw new GatewayError("GW_016");
    const door = daemon.observed["upgrade_socket"];
    if (typeof door !== "string")
      throw new GatewayError("GW_019", { details: "it is just starting, or too old for it" });
    return askToHandOver(door, ownProgram());
  });
  cli.output.print({ pid }, () => [`process ${pid} serves`]);
}
