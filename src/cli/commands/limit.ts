import type { Command } from "commander";
import type { LimitHolder } from "../../domain/limit.ts";
import type { Cli } from "../cli.ts";
import { UsageError } from "../usage-error.ts";

export function defineLimit(limit: Command, cli: Cli): void {
  limit.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw limit reset --sub agent-1\n  sandboxgw limit reset --ip 203.0.113.7",
  );
  limit
    .command("reset")
    .summary("give somebody all of the limits back, and end a lockout")
    .description(
      "Forgets what a caller, an address or a sandbox has used of its limits, and that an address is locked out.",
    )
    .option("--sub <subject>", "the caller: the subject of its token")
    .option("--ip <address>", "the address; all of an IPv6 /64 is one")
    .option("--sandbox <id>", "the sandbox, which has a limit by --rate-limit")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw limit reset --sub agent-1
  sandboxgw limit reset --ip 2001:db8::7
  sandboxgw limit reset --sandbox demo`,
    )
    .action((options: ResetOptions) => reset(cli, options));
}

interface ResetOptions {
  readonly sub?: string;
  readonly ip?: string;
  readonly sandbox?: string;
  readonly wait: boolean;
}

async function reset(cli: Cli, { sub, ip, sandbox, wait }: ResetOptions): Promise<void> {
  const named: readonly (readonly [LimitHolder, string | undefined])[] = [
    ["subject", sub],
    ["address", ip],
    ["sandbox", sandbox],
  ];
  const [given, ...more] = named.filter(([, name]) => name !== undefined);
  if (given === undefined || more.length > 0) throw new UsageError("give one of --sub, --ip and --sandbox");
  const [of, wanted] = given;
  const { name } = await cli.change(({ verbs, actor }) => verbs.limits.reset(actor, { of, name: wanted as string }), {
    wait,
  });
  cli.output.print({ of, name, reset: true }, () => `limits of ${of} ${name} reset`);
}
