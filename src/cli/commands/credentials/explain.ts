import type { Command } from "commander";
import { formatGrant } from "../../../domain/role/grant-text.ts";
import { portFrom } from "../../../domain/value/ports.ts";
import type { Cli } from "../../cli.ts";
import { fields } from "../../output/output.ts";
import { narrowed } from "../../output/views.ts";
import { required, UsageError } from "../../usage-error.ts";

interface Options {
  readonly tokenId?: string;
  readonly role?: string;
  readonly sandbox?: string;
  readonly operation?: string;
  readonly method: string;
  readonly port?: string;
}

export function defineExplain(command: Command, cli: Cli): void {
  command
    .description("Says whether a token or a role may call a sandbox, by which grant, and why not. Nothing is run.")
    .option("--token-id <id>", "id of a token or API key (tok_…)")
    .option("--role <role>", "a token of this role that is narrowed in nothing")
    .option("--sandbox <id>", "the sandbox (required)")
    .option("--operation <name>", "executes this [raw HTTP]")
    .option("--method <method>", "by HTTP with this method", "GET")
    .option("--port <number>", "to this port [the instance's own]")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw explain --token-id tok_5k2v9x0hq3r8m1t7w4c6 --sandbox py-1 --operation run_code
  sandboxgw explain --role ci --sandbox web --method POST --port 3000`,
    )
    .action((options: Options) => explain(cli, options));
}

async function explain(cli: Cli, options: Options): Promise<void> {
  const sandboxId = required(options.sandbox, "--sandbox");
  const { tokenId = null, role = null, operation = null } = options;
  if ((tokenId === null) === (role === null)) throw new UsageError("give either --token-id or --role");
  const port = options.port === undefined ? null : portFrom(options.port);
  if (port === undefined) throw new UsageError(`--port ${options.port}: expected a number from 1 to 65535`);
  const question = { sandboxId, operation, method: options.method.toUpperCase(), port };
  const { principal, verdict, exists } = await cli.use(({ verbs, actor }) =>
    verbs.roles.explain(actor, { tokenId, role }, question),
  );
  const who = { token_id: tokenId, subject: tokenId === null ? null : principal.subject, role: principal.role };
  const asked = { sandbox: sandboxId, operation, method: operation === null ? question.method : null, port };
  const instances = verdict.allowed
    ? verdict.sandbox.instances.map(({ id, url, draining, tripped }) => ({ id, url, draining, tripped }))
    : [];
  const answer = verdict.allowed
    ? { allowed: true, rule: verdict.rule, grant: verdict.grant, instances }
    : { allowed: false, code: verdict.code, why: verdict.why, sandbox_exists: exists };
  cli.output.print({ ...who, ...asked, ...answer }, () =>
    fields({
      ...(tokenId === null ? {} : { token: `${tokenId} of ${principal.subject}` }),
      role: principal.role,
      "token narrows to": `sandboxes ${narrowed(principal.sandboxes)}, operations ${narrowed(principal.operations)}`,
      ...(verdict.allowed
        ? {
            verdict: "allowed",
            rule: verdict.rule,
            grant: formatGrant(verdict.grant),
            instances: instances.map(({ id, url }) => `${id} ${url}`).join(", ") || "none",
          }
        : {
            verdict: `refused with ${verdict.code}`,
            why: verdict.why,
            sandbox: exists ? "exists" : "does not exist",
          }),
    }),
  );
}
