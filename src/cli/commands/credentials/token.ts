import type { Command } from "commander";
import { duration } from "../../../domain/value/quantities.ts";
import { BUILT_IN_NAMES } from "../../../domain/role/role.ts";
import { NEVER, type TokenForm, type TokenRecord } from "../../../domain/token.ts";
import { moment } from "../../../domain/value/moment.ts";
import type { Cli } from "../../cli.ts";
import { absentNames } from "../../options/narrowing.ts";
import { briefDuration, fields, table, timestamp } from "../../output/output.ts";
import { parsed, required, UsageError } from "../../usage-error.ts";
import { narrowed, tokenStatus, tokenView } from "../../output/views.ts";

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
    .option("--role <role>", `what it may do: ${BUILT_IN_NAMES.join(", ")}, or one of your own (required)`)
    .option("--api-key", "an API key (sgw_…): opaque, to be found by its beginning, without an end if wanted")
    .option(
      "--expires <duration>",
      "lifetime: 90s, 30m, 1h, 7d; never for an API key [default: AUTH_TOKEN_EXPIRY, API_KEY_EXPIRY]",
    )
    .option("--sandbox <pattern>", "only these sandboxes, * stands for anything (repeatable)", collect)
    .option("--operation <name>", "only these operations (repeatable)", collect)
    .option("--no-wait", "do not wait until a running gateway knows an API key")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw token create --sub agent-1 --role executor
  sandboxgw token create --sub ci --role executor --expires 1h --sandbox 'py-*' --operation run_code
  sandboxgw token create --sub backend --role executor --api-key --expires never
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
    .summary("revoke a token, or all that somebody has, at once")
    .description("Revokes tokens. A running gateway refuses them from then on, on open streams too.")
    .argument("[id]", "id of the token (tok_…), or the jti of one that was made elsewhere")
    .option("--sub <subject>", "all that was issued to this subject up to now, whoever made it")
    .option("--issued-before <time>", "with --sub: only what was issued before: 2026-03-01, 2026-03-01T12:00Z, 30m, 7d")
    .option("--foreign", "the token was made elsewhere, with a key that this gateway knows")
    .option("--expires <duration>", "with --foreign: forget it after so long; the token has expired by then")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw token revoke tok_5k2v9x0hq3r8m1t7w4c6
  sandboxgw token revoke --sub agent-1
  sandboxgw token revoke --sub agent-1 --issued-before 2026-03-01T12:00:00Z
  sandboxgw token revoke 0f8fad5b-d9cb-469f --foreign --expires 30d`,
    )
    .action((id: string | undefined, options: RevokeOptions) => revokeAny(cli, id, options));
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
  readonly apiKey?: boolean;
  readonly expires?: string;
  readonly sandbox?: readonly string[];
  readonly operation?: readonly string[];
  readonly wait: boolean;
}

interface RevokeOptions {
  readonly sub?: string;
  readonly issuedBefore?: string;
  readonly foreign?: boolean;
  readonly expires?: string;
  readonly wait: boolean;
}

async function create(cli: Cli, options: CreateOptions): Promise<void> {
  const subject = required(options.sub, "--sub");
  const role = required(options.role, "--role");
  const { expires, sandbox = null, operation = null } = options;
  const form = options.apiKey === true ? "opaque" : "signed";
  const expiresInMs = expires === undefined ? null : lifetime(form, expires);
  const { token, record } = await cli.change(
    async ({ verbs, actor }) => {
      const known = sandbox === null ? [] : (await verbs.sandboxes.list(actor)).map(({ id }) => id);
      const absent = absentNames({ sandboxes: sandbox ?? [], operations: operation ?? [], known });
      for (const remark of absent) cli.output.warn(remark);
      const to = { sandboxes: sandbox, operations: operation };
      return await verbs.tokens.create(actor, { subject, role, form, expiresInMs, ...to });
    },
    { create: true, wait: options.wait },
  );
  cli.output.print({ token, ...tokenView(record, record.createdAt) }, () => token);
  cli.output.note(`${record.id}  expires ${expiry(record)}  (shown once: keep it safe)`);
}

async function list(cli: Cli, { all = false }: { all?: boolean }): Promise<void> {
  const now = Date.now();
  const tokens = await cli.use(({ verbs, actor }) => verbs.tokens.list(actor, { expired: all }));
  cli.output.print(
    tokens.map((token) => tokenView(token, now)),
    (columns) => tokenTable(tokens, now, columns),
  );
}

function lifetime(form: TokenForm, text: string): number {
  if (text !== "never") return parsed(duration("1s", "3650d"), text, "--expires");
  if (form === "opaque") return Number.POSITIVE_INFINITY;
  throw new UsageError("--expires never: only an API key can live that long", "Add --api-key, or give a lifetime");
}

async function revokeAny(cli: Cli, id: string | undefined, options: RevokeOptions): Promise<void> {
  const { sub, issuedBefore, foreign = false, expires, wait } = options;
  if ((id === undefined) === (sub === undefined)) throw new UsageError("give either the id of a token or --sub");
  if (issuedBefore !== undefined && sub === undefined) throw new UsageError("--issued-before needs --sub");
  if (foreign && id === undefined) throw new UsageError("--foreign needs the jti of a token");
  if (expires !== undefined && !foreign) throw new UsageError("--expires needs --foreign");
  if (sub !== undefined) return await revokeSubject(cli, sub, { issuedBefore, wait });
  if (foreign) return await revokeForeign(cli, id as string, { expires, wait });
  return await revoke(cli, id as string, { wait });
}

async function revokeSubject(
  cli: Cli,
  subject: string,
  options: { issuedBefore: string | undefined; wait: boolean },
): Promise<void> {
  const { issuedBefore: text } = options;
  const wanted = text === undefined ? null : parsed(moment(Date.now), text, "--issued-before");
  const { issuedBefore, tokens } = await cli.change(
    ({ verbs, actor }) => verbs.revocations.revokeSubject(actor, { subject, issuedBefore: wanted }),
    options,
  );
  cli.output.print({ subject, issued_before: timestamp(issuedBefore), tokens }, () => {
    return `all that ${subject} was issued before ${timestamp(issuedBefore)} is revoked, ${tokens} of this gateway's tokens among it`;
  });
}

async function revokeForeign(
  cli: Cli,
  tokenId: string,
  options: { expires: string | undefined; wait: boolean },
): Promise<void> {
  const { expires } = options;
  refuseToken(tokenId);
  const lifetimeMs = expires === undefined ? null : parsed(duration("1s", "3650d"), expires, "--expires");
  const expiresAt = lifetimeMs === null ? null : Date.now() + lifetimeMs;
  await cli.change(({ verbs, actor }) => verbs.revocations.revokeForeign(actor, { tokenId, expiresAt }), options);
  cli.output.print({ id: tokenId, foreign: true, status: "revoked" }, () => `${tokenId} revoked`);
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
      kind: record.form === "opaque" ? `API key ${record.prefix}…` : "signed token",
      subject: record.subject,
      role: record.role,
      sandboxes: narrowed(record.sandboxes),
      operations: narrowed(record.operations),
      status: tokenStatus(record, now),
      created: timestamp(record.createdAt),
      expires: expiry(record),
      revoked: record.revokedAt === null ? "no" : timestamp(record.revokedAt),
      ...(record.form === "opaque" && {
        "last used": record.lastUsedAt === null ? "never" : timestamp(record.lastUsedAt),
      }),
    }),
  );
}

function tokenTable(tokens: readonly TokenRecord[], now: number, columns: number): string[] {
  const keys = tokens.some(({ form }) => form === "opaque");
  return table(
    ["ID", "SUBJECT", "ROLE", "SANDBOXES", "OPERATIONS", "STATUS", "EXPIRES", "AGE", ...(keys ? ["KEY", "USED"] : [])],
    tokens.map((token) => [
      token.id,
      token.subject,
      token.role,
      narrowed(token.sandboxes),
      narrowed(token.operations),
      tokenStatus(token, now),
      expiresIn(token, now),
      briefDuration(now - token.createdAt),
      ...(keys ? [token.prefix === null ? "-" : `${token.prefix}…`, lastUse(token, now)] : []),
    ]),
    columns,
  );
}

function lastUse({ form, lastUsedAt }: TokenRecord, now: number): string {
  if (lastUsedAt === null) return form === "opaque" ? "never" : "-";
  return `${briefDuration(now - lastUsedAt)} ago`;
}

function expiry({ expiresAt }: TokenRecord): string {
  return expiresAt === NEVER ? "never" : timestamp(expiresAt);
}

function expiresIn({ expiresAt }: TokenRecord, now: number): string {
  if (expiresAt === NEVER) return "never";
  return expiresAt > now ? `in ${briefDuration(expiresAt - now)}` : `${briefDuration(now - expiresAt)} ago`;
}

/** What is on the command line is in the shell's history and in everybody's process list. */
function refuseToken(id: string): void {
  if (!/^(?:ey\w+\.\w+\.|sgw_)/.test(id)) return;
  throw new UsageError("this is a token, not its id", "Pipe it instead: … | sandboxgw token inspect --token-stdin");
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
