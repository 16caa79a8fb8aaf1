import type { Command } from "commander";
import { duration } from "../../domain/value/quantities.ts";
import { ROLES } from "../../domain/role.ts";
import type { TokenRecord } from "../../domain/token.ts";
import type { Cli } from "../cli.ts";
import { absentNames } from "../options/narrowing.ts";
import { briefDuration, fields, table, timestamp } from "../output/output.ts";
import { parsed, required, UsageError } from "../usage-error.ts";
import { narrowed, tokenStatus, tokenView } from "../output/views.ts";

export function defineToken(token: Command, cli: Cli): void {
  token.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw token create --sub agent-1 --role executor\n  sandboxgw token revoke tok_5k2v9x0hq3r8m1t7w4c6",
  );
  token
    .command("create")
    .summary("create a token and print it, once")
    .description("Creates a token and prints it. It is not stored and cannot be shown again.")
    .option("--sub <subject>", "who the token is for (required)")
    .option("--role <role>", `what it may do: ${ROLES.join(", ")} (required)`)
    .option("--expires <duration>", "lifetime: 90s, 30m, 1h, 7d [default: AUTH_TOKEN_EXPIRY]")
    .option("--sandbox <pattern>", "only these sandboxes, * stands for anything (repeatable)", collect)
    .option("--operation <name>", "only these operations (repeatable)", collect)
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw token create --sub agent-1 --role executor
  sandboxgw token create --sub ci --role executor --expires 1h --sandbox 'py-*' --operation run_code
  TOKEN=$(sandboxgw token create --sub me --role admin)`,
    )
    .action((options: CreateOptions) => create(cli, options));
  token
    .command("list")
    .alias("ls")
    .summary("list tokens")
    .description("Lists the tokens that have not expired, newest first.")
    .option("-a, --all", "expired ones too")
    .addHelpText("after", "\nExamples:\n  sandboxgw token list\n  sandboxgw token list --all -o json")
    .action((options: { all?: boolean }) => list(cli, options));
  token
    .command("revoke")
    .summary("revoke a token at once")
    .description("Revokes a token. A running gateway refuses it from then on, on open streams too.")
    .argument("<id>", "id of the token (tok_…)")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", "\nExamples:\n  sandboxgw token revoke tok_5k2v9x0hq3r8m1t7w4c6")
    .action((id: string, options: { wait: boolean }) => revoke(cli, id, options));
  token
    .command("inspect")
    .summary("show what a token may do")
    .description("Shows subject, role, expiry and state of a token, by its id or from the token itself on stdin.")
    .argument("[id]", "id of the token (tok_…), or - to read the token from stdin")
    .option("--token-stdin", "read the token from stdin")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw token inspect tok_5k2v9x0hq3r8m1t7w4c6
  printenv TOKEN | sandboxgw token inspect -`,
    )
    .action((id: string | undefined, options: { tokenStdin?: boolean }) => inspect(cli, id, options));
}

interface CreateOptions {
  readonly sub?: string;
  readonly role?: string;
  readonly expires?: string;
  readonly sandbox?: readonly string[];
  readonly operation?: readonly string[];
}

async function create(cli: Cli, options: CreateOptions): Promise<void> {
  const subject = required(options.sub, "--sub");
  const role = required(options.role, "--role");
  const { expires, sandbox = null, operation = null } = options;
  const expiresInMs = expires === undefined ? null : parsed(duration("1s", "3650d"), expires, "--expires");
  const { token, record } = await cli.use(
    async ({ verbs, actor }) => {
      const known = sandbox === null ? [] : (await verbs.sandboxes.list(actor)).map(({ id }) => id);
      const absent = absentNames({ sandboxes: sandbox ?? [], operations: operation ?? [], known });
      for (const remark of absent) cli.output.warn(remark);
      const to = { sandboxes: sandbox, operations: operation };
      return await verbs.tokens.create(actor, { subject, role, expiresInMs, ...to });
    },
    { create: true },
  );
  cli.output.print({ token, ...tokenView(record, record.createdAt) }, () => token);
  cli.output.note(`${record.id}  expires ${timestamp(record.expiresAt)}  (shown once: keep it safe)`);
}

async function list(cli: Cli, { all = false }: { all?: boolean }): Promise<void> {
  const now = Date.now();
  const tokens = await cli.use(({ verbs, actor }) => verbs.tokens.list(actor, { expired: all }));
  cli.output.print(
    tokens.map((token) => tokenView(token, now)),
    (columns) => tokenTable(tokens, now, columns),
  );
}

async function revoke(cli: Cli, id: string, options: { wait: boolean }): Promise<void> {
  refuseToken(id);
  const { record } = await cli.change(({ verbs, actor }) => verbs.tokens.revoke(actor, id), options);
  cli.output.print(tokenView(record, Date.now()), () => `${record.id} revoked`);
}

async function inspect(
  cli: Cli,
  id: string | undefined,
  { tokenStdin = false }: { tokenStdin?: boolean },
): Promise<void> {
  const fromStdin = tokenStdin || id === "-";
  if (fromStdin === (id !== undefined && id !== "-")) throw new UsageError("give either an id or --token-stdin");
  if (!fromStdin) refuseToken(id ?? "");
  const token = fromStdin ? await cli.readSecret() : undefined;
  const now = Date.now();
  const record = await cli.use(({ verbs, actor }) =>
    token === undefined ? verbs.tokens.find(actor, id ?? "") : verbs.tokens.inspect(actor, token),
  );
  cli.output.print(tokenView(record, now), () =>
    fields({
      id: record.id,
      subject: record.subject,
      role: record.role,
      sandboxes: narrowed(record.sandboxes),
      operations: narrowed(record.operations),
      status: tokenStatus(record, now),
      created: timestamp(record.createdAt),
      expires: timestamp(record.expiresAt),
      revoked: record.revokedAt === null ? "no" : timestamp(record.revokedAt),
    }),
  );
}

function tokenTable(tokens: readonly TokenRecord[], now: number, columns: number): string[] {
  return table(
    ["ID", "SUBJECT", "ROLE", "SANDBOXES", "OPERATIONS", "STATUS", "EXPIRES", "AGE"],
    tokens.map((token) => [
      token.id,
      token.subject,
      token.role,
      narrowed(token.sandboxes),
      narrowed(token.operations),
      tokenStatus(token, now),
      token.expiresAt > now
        ? `in ${briefDuration(token.expiresAt - now)}`
        : `${briefDuration(now - token.expiresAt)} ago`,
      briefDuration(now - token.createdAt),
    ]),
    columns,
  );
}

/** What is on the command line is in the shell's history and in everybody's process list. */
function refuseToken(id: string): void {
  if (!/^ey\w+\.\w+\./.test(id)) return;
  throw new UsageError("this is a token, not its id", "Pipe it instead: … | sandboxgw token inspect --token-stdin");
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
