import type { Command } from "commander";
import { formatLabels } from "../../domain/labels.ts";
import { routeName } from "../../domain/route/route.ts";
import { isManaged, type Sandbox } from "../../domain/sandbox.ts";
import { textsOf } from "../../domain/settings/settings.ts";
import type { Access } from "../access.ts";
import type { Cli } from "../cli.ts";
import { doubtsOf, doubtsOfId } from "../output/doubts.ts";
import { briefDuration, fields, table, timestamp } from "../output/output.ts";
import { type Down, type States, sandboxState, sandboxView } from "../output/views.ts";
import { defineSettings, settingTexts } from "../options/settings.ts";
import { UsageError } from "../usage-error.ts";
import { within } from "../within.ts";
import { instanceTable } from "./instance.ts";

export function defineSandbox(sandbox: Command, cli: Cli): void {
  sandbox.addHelpText("after", "\nExamples:\n  sandboxgw sandbox add demo --driver wasm\n  sandboxgw sandbox list");
  const adding = sandbox
    .command("add")
    .summary("add a sandbox")
    .description(
      "Adds a sandbox: at addresses that are there already (--url), or one the gateway starts (--driver wasm).",
    )
    .argument("<id>", "name that clients use: letters, digits, . _ -")
    .option("--url <url>", "address of an instance, http:// or https://host:port (repeatable)", collect)
    .option("--runtime <name>", "how to speak to it", "generic")
    .option("--driver <name>", "how it comes to life: static, wasm [default: static]")
    .option("--strategy <name>", "how an instance is chosen [default: LOAD_BALANCER_STRATEGY]")
    .option("--label <name=value>", "what it is said to be, as language=python (repeatable)", collect)
    .option("--no-wait", "do not wait until a running gateway has it in force and has started it")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw sandbox add demo --driver wasm
  sandboxgw sandbox add py --url http://127.0.0.1:9000 --url http://127.0.0.1:9001
  sandboxgw sandbox add py --url http://127.0.0.1:9000 --label language=python --first-byte-timeout 5s`,
    )
    .action((id: string, options: AddOptions) => add(cli, id, options));
  defineSettings(adding);
  const updating = sandbox
    .command("update")
    .summary("change a sandbox's settings and labels")
    .description("Changes a sandbox. What is not named stays as it is; calls in flight go on as they began.")
    .argument("<id>")
    .option("--runtime <name>", "how to speak to it")
    .option("--strategy <name>", "how an instance is chosen; default = LOAD_BALANCER_STRATEGY")
    .option("--label <name=value>", "its labels, in place of those it had (repeatable); none = no label", collect)
    .option("--unset <setting>", "a setting that goes back to the gateway's (repeatable)", collect)
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw sandbox update py --first-byte-timeout 5s
  sandboxgw sandbox update py --label language=python --label tier=gpu
  sandboxgw sandbox update py --ports 3000,8000-8100
  sandboxgw sandbox update py --unset first-byte-timeout`,
    )
    .action((id: string, options: UpdateOptions) => update(cli, id, options));
  defineSettings(updating);
  sandbox
    .command("list")
    .alias("ls")
    .summary("list sandboxes")
    .description("Lists all sandboxes.")
    .addHelpText("after", "\nExamples:\n  sandboxgw sandbox list\n  sandboxgw sandbox list -o json")
    .action(() => list(cli));
  sandbox
    .command("show")
    .summary("show a sandbox and its instances")
    .description("Shows a sandbox and its instances.")
    .argument("<id>")
    .addHelpText("after", "\nExamples:\n  sandboxgw sandbox show py\n  sandboxgw sandbox show py -o json")
    .action((id: string) => show(cli, id));
  sandbox
    .command("remove")
    .alias("rm")
    .summary("remove a sandbox, its instances and its routes")
    .description(
      "Removes a sandbox, its instances and its routes. Calls that may have reached an instance are finished, all others find nothing.",
    )
    .argument("<id>")
    .option("-y, --yes", "do not ask")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw sandbox remove py\n  sandboxgw sandbox remove py --yes")
    .action((id: string, options: RemoveOptions) => remove(cli, id, options));
}

/** The settings too, by their names. */
interface AddOptions extends Readonly<Record<string, unknown>> {
  readonly url?: readonly string[];
  readonly runtime: string;
  readonly driver?: string;
  readonly strategy?: string | null;
  readonly label?: readonly string[];
  readonly wait: boolean;
}

interface UpdateOptions extends Readonly<Record<string, unknown>> {
  readonly runtime?: string;
  readonly strategy?: string;
  readonly label?: readonly string[];
  readonly unset?: readonly string[];
  readonly wait: boolean;
}

interface RemoveOptions {
  readonly yes?: boolean;
  readonly wait: boolean;
}

/** A sandbox that the gateway starts is up in half a second, on a busy machine in a few. */
const UP = { ms: 10_000, everyMs: 20 };

async function add(cli: Cli, id: string, options: AddOptions): Promise<void> {
  const { url: urls = [], runtime, driver = "static", strategy = null, label = [], wait } = options;
  const added = { id, runtime, driver, strategy, urls, labels: label.join(","), settings: settingTexts(options) };
  const { sandbox, states } = await cli.change(
    async (access) => {
      const { verbs, actor } = access;
      const written = await verbs.sandboxes.create(actor, added);
      return { ...written, states: wait ? await untilUp(cli, access, written.sandbox) : {} };
    },
    { create: true, wait },
  );
  const { config } = await cli.loadConfig();
  for (const doubt of [...doubtsOfId(id, config), ...doubtsOf(sandbox, config, Object.keys(added.settings))]) {
    cli.output.warn(doubt);
  }
  const count = sandbox.instances.length;
  cli.output.print(sandboxView(sandbox, states), () => [
    `${id} added, ${count} ${count === 1 ? "instance" : "instances"}`,
    ...sandbox.instances.map((instance) => `  ${instance.id}  ${instance.url}`),
  ]);
}

/** Waits for instances that a running gateway starts itself. Returns what is known of them then. */
async function untilUp(cli: Cli, access: Access, sandbox: Sandbox): Promise<States> {
  let states: States = {};
  if (!sandbox.instances.some(isManaged) || !access.isServed) return states;
  await within(UP, async () => {
    states = await access.verbs.status.instanceStates(access.actor);
    return ["up", "down"].includes(sandboxState(sandbox, states));
  });
  const state = sandboxState(sandbox, states);
  if (state !== "up") cli.output.warn(`${sandbox.id} is added, but it is ${state}: the gateway's log says why`);
  return states;
}

async function list(cli: Cli): Promise<void> {
  const { sandboxes, states } = await cli.use(async ({ verbs, actor }) => ({
    sandboxes: await verbs.sandboxes.list(actor),
    states: await verbs.status.instanceStates(actor),
  }));
  const now = Date.now();
  cli.output.print(
    sandboxes.map((sandbox) => sandboxView(sandbox, states)),
    (columns) =>
      table(
        ["ID", "RUNTIME", "DRIVER", "STRATEGY", "INSTANCES", "STATE", "AGE"],
        sandboxes.map((sandbox) => [
          sandbox.id,
          sandbox.runtime,
          sandbox.driver,
          sandbox.strategy ?? "default",
          String(sandbox.instances.length),
          sandboxState(sandbox, states),
          briefDuration(now - sandbox.createdAt),
        ]),
        columns,
      ),
  );
}

async function show(cli: Cli, id: string): Promise<void> {
  const { sandbox, states, down } = await cli.use(async ({ verbs, actor }) => ({
    sandbox: await verbs.sandboxes.find(actor, id),
    states: await verbs.status.instanceStates(actor),
    down: await verbs.status.health(actor),
  }));
  cli.output.print(sandboxView(sandbox, states, down), (columns) => [
    ...sandboxFields(sandbox),
    "",
    ...instanceTable(sandbox.instances, states, columns),
    ...downLines(sandbox, down),
  ]);
}

/** Why instances are down, as their health checks say. */
function downLines({ instances }: Sandbox, down: Down): string[] {
  const lines = instances.flatMap(({ id }) => {
    const health = down[id];
    if (health === undefined) return [];
    const why = health.problem ?? "its last check went well, but too few have";
    return [`${id} is down since ${timestamp(health.since_ms)}: ${why}`];
  });
  return lines.length === 0 ? [] : ["", ...lines];
}

async function update(cli: Cli, id: string, options: UpdateOptions): Promise<void> {
  const { runtime, strategy, label, unset } = options;
  const settings = settingTexts(options, unset);
  if (runtime === undefined && strategy === undefined && label === undefined && Object.keys(settings).length === 0) {
    throw new UsageError("nothing to change", `Name a setting; see sandboxgw sandbox update --help`);
  }
  const changed = {
    ...(runtime !== undefined && { runtime }),
    ...(strategy !== undefined && { strategy: strategy === "default" ? null : strategy }),
    ...(label && { labels: label.filter((text) => text !== "none").join(",") }),
    settings,
  };
  const { sandbox } = await cli.change(({ verbs, actor }) => verbs.sandboxes.update(actor, id, changed), options);
  const given = Object.keys(settings).filter((name) => settings[name] !== null);
  for (const doubt of doubtsOf(sandbox, (await cli.loadConfig()).config, given)) cli.output.warn(doubt);
  cli.output.print(sandboxView(sandbox), () => `${id} updated`);
}

async function remove(cli: Cli, id: string, options: RemoveOptions): Promise<void> {
  await cli.confirm(`Remove sandbox ${id} and its instances and routes?`, options);
  const { sandbox, routes } = await cli.change(({ verbs, actor }) => verbs.sandboxes.remove(actor, id), options);
  const withRoutes = routes.length === 0 ? "" : `, and with it ${routes.map(routeName).join(", ")}`;
  cli.output.print(sandboxView(sandbox), () => `${id} removed${withRoutes}`);
}

function sandboxFields({ id, runtime, driver, strategy, labels, settings, createdAt }: Sandbox): string[] {
  return fields({
    id,
    runtime,
    driver,
    strategy: strategy ?? "default",
    labels: formatLabels(labels) || "none",
    created: timestamp(createdAt),
    ...textsOf(settings),
  });
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
