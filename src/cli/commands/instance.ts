import type { Command } from "commander";
import type { Instance } from "../../domain/sandbox.ts";
import type { Cli } from "../cli.ts";
import { table } from "../output/output.ts";
import { required } from "../usage-error.ts";
import { instanceView } from "../output/views.ts";

export function defineInstance(instance: Command, cli: Cli): void {
  instance.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw instance add py --url http://127.0.0.1:9002\n  sandboxgw instance list py",
  );
  instance
    .command("add")
    .summary("add an instance to a sandbox")
    .description("Adds an address to a sandbox.")
    .argument("<sandbox>")
    .option("--url <url>", "address of the instance, http://host:port (required)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance add py --url http://127.0.0.1:9002")
    .action((sandbox: string, options: AddOptions) => add(cli, sandbox, options));
  instance
    .command("list")
    .alias("ls")
    .summary("list instances")
    .description("Lists the instances of one sandbox, or of all.")
    .argument("[sandbox]")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance list\n  sandboxgw instance list py -o json")
    .action((sandbox: string | undefined) => list(cli, sandbox));
  instance
    .command("remove")
    .alias("rm")
    .summary("remove an instance")
    .description("Removes an instance from its sandbox. Calls in flight are finished.")
    .argument("<id>", "id of the instance (ins_…)")
    .option("-y, --yes", "do not ask")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance remove ins_5k2v9x0hq3r8m1t7w4c6 --yes")
    .action((id: string, options: RemoveOptions) => remove(cli, id, options));
}

interface AddOptions {
  readonly url?: string;
  readonly wait: boolean;
}

interface RemoveOptions {
  readonly yes?: boolean;
  readonly wait: boolean;
}

/** `states`: by instance id, as the running daemon sees them. */
export function instanceTable(instances: readonly Instance[], states: Readonly<Record<string, string>>): string[] {
  return table(
    ["INSTANCE", "SANDBOX", "URL", "STATE"],
    instances.map(({ id, sandboxId, url }) => [id, sandboxId, url, states[id] ?? "-"]),
  );
}

async function add(cli: Cli, sandboxId: string, options: AddOptions): Promise<void> {
  const url = required(options.url, "--url");
  const { instance } = await cli.change(
    ({ verbs, actor }) => verbs.instances.create(actor, { sandboxId, url }),
    options,
  );
  cli.output.print(instanceView(instance), () => `${instance.id} added to ${sandboxId}`);
}

async function list(cli: Cli, sandboxId: string | undefined): Promise<void> {
  const { instances, states } = await cli.use(async ({ verbs, actor }) => ({
    instances: await verbs.instances.list(actor, { sandboxId }),
    states: await verbs.status.instanceStates(actor),
  }));
  cli.output.print(
    instances.map((instance) => instanceView(instance, states)),
    () => instanceTable(instances, states),
  );
}

async function remove(cli: Cli, id: string, options: RemoveOptions): Promise<void> {
  await cli.confirm(`Remove instance ${id}?`, options);
  const { instance } = await cli.change(({ verbs, actor }) => verbs.instances.remove(actor, id), options);
  cli.output.print(instanceView(instance), () => `${id} removed from ${instance.sandboxId}`);
}
