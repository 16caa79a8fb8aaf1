import type { Command } from "commander";
import { type CustomRoute, routeName } from "../../domain/route/route.ts";
import { textsOf } from "../../domain/settings/settings.ts";
import type { Cli } from "../cli.ts";
import { defineSettings, settingTexts } from "../options/settings.ts";
import { briefDuration, fields, table, timestamp } from "../output/output.ts";
import { routeView } from "../output/views.ts";
import { required, UsageError } from "../usage-error.ts";

export function defineRoute(route: Command, cli: Cli): void {
  route.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw route add --path /shop --strip-prefix --sandbox web\n  sandboxgw route list",
  );
  const adding = route
    .command("add")
    .summary("lead a host or path to a sandbox")
    .description(
      "Leads a path, a host, or a path of a host to a sandbox. Of several routes for a request the host's own go first, then the longest path, then those that name its method. Callers need the same token and rights as under /s/ID/.",
    )
    .option("--path <path>", "the path and all below it, whole segments [with --host: /]")
    .option("--host <name>", "only requests for this host; with the path / all of it, /api and /health too")
    .option("--methods <list>", "only these, as GET,POST; GET includes HEAD [all]")
    .option("--strip-prefix", "the sandbox sees only what is behind the path, and X-Forwarded-Prefix")
    .option("--sandbox <id>", "where they lead (required)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw route add --path /shop --strip-prefix --sandbox web
  sandboxgw route add --host shop.example --sandbox web
  sandboxgw route add --host shop.example --path /v1/search --methods GET --sandbox py --total-timeout 5s`,
    )
    .action((options: AddOptions) => add(cli, options));
  defineSettings(adding, { route: true });
  route
    .command("list")
    .alias("ls")
    .summary("list routes")
    .description("Lists all routes, or those to one sandbox.")
    .option("--sandbox <id>", "those that lead there")
    .addHelpText("after", "\nExamples:\n  sandboxgw route list\n  sandboxgw route list --sandbox web -o json")
    .action((options: { sandbox?: string }) => list(cli, options.sandbox));
  route
    .command("show")
    .summary("show a route and its settings")
    .description("Shows a route and its settings.")
    .argument("<id>", "id of the route (rte_…)")
    .addHelpText("after", "\nExamples:\n  sandboxgw route show rte_5k2v9x0hq3r8m1t7w4c6")
    .action((id: string) => show(cli, id));
  route
    .command("remove")
    .alias("rm")
    .summary("remove a route")
    .description("Removes a route. What has reached the sandbox by it is finished.")
    .argument("<id>", "id of the route (rte_…)")
    .option("-y, --yes", "do not ask")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw route remove rte_5k2v9x0hq3r8m1t7w4c6 --yes")
    .action((id: string, options: RemoveOptions) => remove(cli, id, options));
}

/** The settings too, by their names. */
interface AddOptions extends Readonly<Record<string, unknown>> {
  readonly path?: string;
  readonly host?: string;
  readonly methods?: string;
  readonly stripPrefix?: boolean;
  readonly sandbox?: string;
  readonly wait: boolean;
}

interface RemoveOptions {
  readonly yes?: boolean;
  readonly wait: boolean;
}

async function add(cli: Cli, options: AddOptions): Promise<void> {
  const { path, host = null, methods = null, stripPrefix = false } = options;
  if (path === undefined && host === null) throw new UsageError("option --path or --host is missing");
  const sandboxId = required(options.sandbox, "--sandbox");
  const added = { sandboxId, host, path: path ?? "/", methods, stripPrefix, settings: settingTexts(options) };
  const { route } = await cli.change(({ verbs, actor }) => verbs.routes.create(actor, added), options);
  cli.output.print(routeView(route), () => `${route.id} added: ${routeName(route)} leads to ${sandboxId}`);
}

async function list(cli: Cli, sandboxId: string | undefined): Promise<void> {
  const routes = await cli.use(({ verbs, actor }) => verbs.routes.list(actor, { sandboxId }));
  const now = Date.now();
  cli.output.print(routes.map(routeView), (columns) =>
    table(
      ["ID", "HOST", "PATH", "METHODS", "PREFIX", "SANDBOX", "AGE"],
      routes.map((route) => [
        route.id,
        route.host ?? "any",
        route.path,
        methodsOf(route),
        prefixOf(route),
        route.sandboxId,
        briefDuration(now - route.createdAt),
      ]),
      columns,
    ),
  );
}

async function show(cli: Cli, id: string): Promise<void> {
  const route = await cli.use(({ verbs, actor }) => verbs.routes.find(actor, id));
  cli.output.print(routeView(route), () =>
    fields({
      id,
      host: route.host ?? "any",
      path: route.path,
      methods: methodsOf(route),
      prefix: prefixOf(route),
      sandbox: route.sandboxId,
      created: timestamp(route.createdAt),
      ...textsOf(route.settings),
    }),
  );
}

async function remove(cli: Cli, id: string, options: RemoveOptions): Promise<void> {
  await cli.confirm(`Remove route ${id}?`, options);
  const { route } = await cli.change(({ verbs, actor }) => verbs.routes.remove(actor, id), options);
  cli.output.print(routeView(route), () => `${id} removed: ${routeName(route)} leads to ${route.sandboxId} no more`);
}

function methodsOf({ methods }: CustomRoute): string {
  return methods?.join(",") ?? "all";
}

function prefixOf({ stripPrefix }: CustomRoute): string {
  return stripPrefix ? "stripped" : "kept";
}
