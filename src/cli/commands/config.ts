import type { Command } from "commander";
import { formatFinding, lintIni } from "../../config/lint.ts";
import { locateConfigFile } from "../../config/load.ts";
import { describeConfig } from "../../config/print.ts";
import { EXIT, GatewayError } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { table } from "../output/output.ts";

export function defineConfig(config: Command, cli: Cli): void {
  config.addHelpText("after", "\nExamples:\n  sandboxgw config print --origin\n  sandboxgw config validate");
  config
    .command("print")
    .summary("print the configuration in force")
    .description("Prints every key with its value; secrets are masked.")
    .option("--origin", "also where each value comes from")
    .addHelpText("after", "\nExamples:\n  sandboxgw config print\n  GATEWAY_PORT=9090 sandboxgw config print --origin")
    .action((options: { origin?: boolean }) => print(cli, options));
  config
    .command("validate")
    .summary("check the configuration")
    .description("Checks the configuration file and the environment: file, line, key and reason (exit code 3).")
    .addHelpText("after", "\nExamples:\n  sandboxgw config validate\n  sandboxgw config validate --config ./my.ini")
    .action(() => validate(cli));
  config
    .command("path")
    .summary("print where the configuration file is")
    .description("Prints the path of the configuration file that is read (exit code 5 when there is none).")
    .addHelpText("after", "\nExamples:\n  sandboxgw config path")
    .action(() => printPath(cli));
}

async function print(cli: Cli, { origin = false }: { origin?: boolean }): Promise<void> {
  const rows = describeConfig(await cli.loadConfig());
  const entries = rows.map((row) => [row.key, origin ? { value: row.value, origin: row.origin } : row.value]);
  cli.output.print(Object.fromEntries(entries), () =>
    origin
      ? table(
          ["KEY", "VALUE", "ORIGIN"],
          rows.map((row) => [row.key, row.value, row.origin]),
        )
      : table(
          ["KEY", "VALUE"],
          rows.map((row) => [row.key, row.value]),
        ),
  );
}

/** Everything that is wrong is said at once: the file line by line, then what the environment adds. */
async function validate(cli: Cli): Promise<void> {
  const file = locateConfigFile(cli.place);
  const findings = file === null ? [] : lintIni(file.text, file.path);
  const problems = findings.filter(({ severity }) => severity === "error").map(formatFinding);
  const warnings = findings.filter(({ severity }) => severity === "warning").map(formatFinding);
  try {
    const loaded = await cli.loadConfig();
    warnings.push(...loaded.warnings);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== "GW_012") throw error;
    problems.push(...error.details.split("\n"));
  }
  const unique = [...new Set(problems)];
  const remarks = [...new Set(warnings)].filter((warning) => !unique.includes(warning));
  for (const remark of remarks) cli.output.warn(remark);
  if (unique.length > 0) {
    throw new GatewayError("GW_012", { details: unique.join("\n"), remediation: "Correct what is named" });
  }
  const path = file?.path ?? null;
  cli.output.print({ valid: true, file: path, warnings: remarks }, () => `ok: ${path ?? "no file, defaults hold"}`);
}

async function printPath(cli: Cli): Promise<void> {
  const path = locateConfigFile(cli.place)?.path ?? null;
  if (path === null) {
    cli.exitCode = EXIT.notFound;
    cli.output.note("no configuration file; looked for sandboxgw.ini here, in ~/.config/sandboxgw and /etc/sandboxgw");
  }
  if (path !== null || cli.output.isJson) cli.output.print({ file: path }, () => path ?? "");
}
