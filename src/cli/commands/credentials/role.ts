import type { Command } from "commander";
import { formatGrant, parseGrant } from "../../../domain/role/grant-text.ts";
import { BUILT_IN_NAMES, PERMISSIONS, type Role } from "../../../domain/role/role.ts";
import { GatewayError } from "../../../errors.ts";
import type { Cli } from "../../cli.ts";
import { readText } from "../../options/read-text.ts";
import { fields, table } from "../../output/output.ts";
import { UsageError } from "../../usage-error.ts";

const GRANT = "permissions, then what narrows them: sandboxes=, labels=, operations=, ports=, methods= (repeatable)";
const FILE = "grants from a file: JSON, as `role show -o json` prints them";
const FILE_SIZE = 65_536;

export function defineRole(role: Command, cli: Cli): void {
  role.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw role create ci --grant 'sandbox:execute sandboxes=py-* operations=run_code'\n  sandboxgw role list",
  );
  role
    .command("create")
    .summary("create a role")
    .description("Creates a role. It allows what one of its grants allows, and nothing else.")
    .argument("<name>", "small letters, digits, dots and hyphens")
    .option("--grant <grant>", GRANT, collect)
    .option("--file <file>", FILE)
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      `
Permissions: ${PERMISSIONS.slice(0, 6).join(", ")},
             ${PERMISSIONS.slice(6).join(", ")}

Examples:
  sandboxgw role create ci --grant 'sandbox:execute sandboxes=py-* operations=run_code'
  sandboxgw role create viewer-a --grant 'sandbox:proxy,sandbox:read labels=team=a methods=GET,HEAD ports=8888'
  sandboxgw role create ci --grant 'sandbox:read' --grant 'sandbox:proxy sandboxes=web-*'
  sandboxgw role create ci --file ci.json`,
    )
    .action((name: string, options: WriteOptions) => write(cli, "create", name, options));
  role
    .command("list")
    .alias("ls")
    .summary("list roles")
    .description("Lists the roles, the built-in ones first.")
    .addHelpText("after", "\nExamples:\n  sandboxgw role list\n  sandboxgw role list -o json")
    .action(() => list(cli));
  role
    .command("show")
    .summary("show what a role allows")
    .description("Shows the grants of a role.")
    .argument("<name>", "name of the role")
    .addHelpText("after", "\nExamples:\n  sandboxgw role show operator\n  sandboxgw role show ci -o json > ci.json")
    .action((name: string) => show(cli, name));
  role
    .command("update")
    .summary("give a role other grants, at once")
    .description("Replaces all grants of a role. What its tokens have open and may no longer do ends within a second.")
    .argument("<name>", "name of the role")
    .option("--grant <grant>", GRANT, collect)
    .option("--file <file>", FILE)
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw role update ci --grant 'sandbox:execute sandboxes=py-*'\n  sandboxgw role update ci --file ci.json",
    )
    .action((name: string, options: WriteOptions) => write(cli, "update", name, options));
  role
    .command("remove")
    .alias("rm")
    .summary("remove a role, at once")
    .description("Removes a role. Tokens of it are good for nothing from then on; what they have open ends.")
    .argument("<name>", "name of the role")
    .option("--force", "also when there are tokens of it")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw role remove ci\n  sandboxgw role remove ci --force")
    .action((name: string, options: { force?: boolean; wait: boolean }) => remove(cli, name, options));
}

interface WriteOptions {
  readonly grant?: readonly string[];
  readonly file?: string;
  readonly wait: boolean;
}

async function write(cli: Cli, verb: "create" | "update", name: string, options: WriteOptions): Promise<void> {
  const grants = grantsIn(options);
  const { role } = await cli.change(({ verbs, actor }) => verbs.roles[verb](actor, { name, grants }), {
    create: verb === "create",
    wait: options.wait,
  });
  print(cli, role);
}

function grantsIn({ grant = [], file }: WriteOptions): unknown {
  if ((grant.length === 0) === (file === undefined)) throw new UsageError("give either --grant or --file");
  if (file !== undefined) return grantsFrom(readText(file, "--file", FILE_SIZE), file);
  try {
    return grant.map(parseGrant);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== "VAL_010") throw error;
    throw new UsageError(
      `--grant: ${error.details}`,
      "Give it as: 'sandbox:execute sandboxes=py-* operations=run_code'",
    );
  }
}

/** The list of grants, or a role that has them. */
function grantsFrom(text: string, file: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    const isRole = typeof value === "object" && value !== null && "grants" in value;
    return isRole ? value.grants : value;
  } catch (error) {
    throw new UsageError(`--file: ${file} is not JSON: ${(error as Error).message}`);
  }
}

async function list(cli: Cli): Promise<void> {
  const roles = await cli.use(({ verbs, actor }) => verbs.roles.list(actor));
  cli.output.print(roles.map(roleView), (columns) =>
    table(
      ["NAME", "KIND", "GRANTS"],
      roles.flatMap(({ name, grants }) =>
        grants.map((grant, at) => (at > 0 ? ["", "", formatGrant(grant)] : [name, kindOf(name), formatGrant(grant)])),
      ),
      columns,
    ),
  );
}

async function show(cli: Cli, name: string): Promise<void> {
  print(cli, await cli.use(({ verbs, actor }) => verbs.roles.find(actor, name)));
}

async function remove(cli: Cli, name: string, options: { force?: boolean; wait: boolean }): Promise<void> {
  const { role, tokens } = await cli.change(
    ({ verbs, actor }) => verbs.roles.remove(actor, name, { force: options.force ?? false }),
    options,
  );
  cli.output.print({ ...roleView(role), tokens }, () => `role ${name} removed`);
  if (tokens > 0) cli.output.warn(`${tokens} token${tokens === 1 ? " is" : "s are"} good for nothing now`);
}

function print(cli: Cli, role: Role): void {
  cli.output.print(roleView(role), () =>
    fields({
      name: role.name,
      kind: kindOf(role.name),
      ...Object.fromEntries(role.grants.map((grant, at) => [`grant ${at + 1}`, formatGrant(grant)])),
    }),
  );
}

function roleView({ name, grants }: Role): Record<string, unknown> {
  return { name, built_in: BUILT_IN_NAMES.includes(name), grants };
}

function kindOf(name: string): string {
  return BUILT_IN_NAMES.includes(name) ? "built-in" : "own";
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
