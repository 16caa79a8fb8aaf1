import type { Command } from "commander";
import type { Instance } from "../../domain/sandbox.ts";
import { doubtsOf } from "../output/doubts.ts";
import { integer } from "../../domain/value/quantities.ts";
import type { InstanceUpdate } from "../../control/verbs/instances.ts";
import type { Cli } from "../cli.ts";
import { table } from "../output/output.ts";
import { parsed, required } from "../usage-error.ts";
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
    .option("--url <url>", "address of the instance, http:// or https://host:port (required)")
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
    .command("update")
    .summary("change an instance's weight")
    .description("Changes an instance's share beside the others', where the strategy gives shares.")
    .argument("<id>", "id of the instance (ins_…)")
    .option("--weight <number>", "0 to 1000 (required)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance update ins_5k2v9x0hq3r8m1t7w4c6 --weight 5")
    .action((id: string, { weight, ...options }: UpdateOptions) =>
      update(cli, id, { weight: parsed(integer(0, 1_000), required(weight, "--weight"), "--weight") }, options),
    );
  instance
    .command("drain")
    .summary("send an instance nothing new")
    .description(
      "Drains an instance: it gets nothing new, and what it works on is finished. See sandboxgw instance resume.",
    )
    .argument("<id>", "id of the instance (ins_…)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance drain ins_5k2v9x0hq3r8m1t7w4c6")
    .action((id: string, options: { wait: boolean }) => update(cli, id, { draining: true }, options));
  instance
    .command("resume")
    .summary("send a drained instance requests again")
    .description("Ends the draining of an instance.")
    .argument("<id>", "id of the instance (ins_…)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw instance resume ins_5k2v9x0hq3r8m1t7w4c6")
    .action((id: string, options: { wait: boolean }) => update(cli, id, { draining: false }, options));
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

interface UpdateOptions {
  readonly weight?: string;
  readonly wait: boolean;
}

interface RemoveOptions {
  readonly yes?: boolean;
  readonly wait: boolean;
}

/** `states`: by instance id, as the running daemon sees them. */
export function instanceTable(
  instances: readonly Instance[],
  states: Readonly<Record<string, string>>,
  columns: number,
): string[] {
  return table(
    ["INSTANCE", "SANDBOX", "URL", "WEIGHT", "STATE"],
    instances.map(({ id, sandboxId, url, weight, draining, tripped }) => [
      id,
      sandboxId,
      url,
      String(weight),
      [states[id] ?? "-", ...(draining ? ["draining"] : []), ...(tripped ? ["circuit open"] : [])].join(", "),
    ]),
    columns,
  );
}

async function add(cli: Cli, sandboxId: string, options: AddOptions): Promise<void> {
  const url = required(options.url, "--url");
  const { instance, sandbox } = await cli.change(async ({ verbs, actor }) => {
    const written = await verbs.instances.create(actor, { sandboxId, url });
    return { ...written, sandbox: await verbs.sandboxes.find(actor, sandboxId) };
  }, options);
  for (const doubt of doubtsOf(sandbox, (await cli.loadConfig()).config, [])) cli.output.warn(doubt);
  cli.output.print(instanceView(instance), () => `${instance.id} added to ${sandboxId}`);
}

async function list(cli: Cli, sandboxId: string | undefined): Promise<void> {
  const { instances, states } = await cli.use(async ({ verbs, actor }) => ({
    instances: await verbs.instances.list(actor, { sandboxId }),
    states: await verbs.status.instanceStates(actor),
  }));
  cli.output.print(
    instances.map((instance) => instanceView(instance, states)),
    (columns) => instanceTable(instances, states, columns),
  );
}

async function update(cli: Cli, id: string, changed: InstanceUpdate, options: { wait: boolean }): Promise<void> {
  const { instance } = await cli.change(({ verbs, actor }) => verbs.instances.update(actor, id, changed), options);
  const done = { true: "is drained", false: "gets requests again", undefined: `has weight ${instance.weight}` };
  cli.output.print(instanceView(instance), () => `${id} ${done[`${changed.draining}`]}`);
}

async function remove(cli: Cli, id: string, options: RemoveOptions): Promise<void> {
  await cli.confirm(`Remove instance ${id}?`, options);
  const { instance } = await cli.change(({ verbs, actor }) => verbs.instances.remove(actor, id), options);
  cli.output.print(instanceView(instance), () => `${id} removed from ${instance.sandboxId}`);
}
