import type { Command } from "commander";
import type { SessionRecord } from "../../../domain/credential/session.ts";
import type { Cli } from "../../cli.ts";
import { briefDuration, table, timestamp } from "../../output/output.ts";
import { narrowed } from "../../output/views.ts";
import { UsageError } from "../../usage-error.ts";

export function defineSession(session: Command, cli: Cli): void {
  session.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw session list --sub ada\n  sandboxgw session kill ses_5k2v9x0hq3r8m1t7w4c6",
  );
  session
    .command("list")
    .alias("ls")
    .summary("list open sessions")
    .description("Lists the open sessions, newest first.")
    .option("--sub <subject>", "only this subject's")
    .addHelpText("after", "\nExamples:\n  sandboxgw session list\n  sandboxgw session list --sub ada -o json")
    .action((options: { sub?: string }) => list(cli, options));
  session
    .command("kill")
    .summary("end a session, or all that somebody has, at once")
    .description("Ends sessions. What they have open ends within a second; the token they stem from stays good.")
    .argument("[id]", "id of the session (ses_…)")
    .option("--sub <subject>", "all sessions of this subject")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw session kill ses_5k2v9x0hq3r8m1t7w4c6\n  sandboxgw session kill --sub ada",
    )
    .action((id: string | undefined, options: { sub?: string; wait: boolean }) => kill(cli, id, options));
}

async function list(cli: Cli, { sub: subject = null }: { sub?: string | null }): Promise<void> {
  const now = Date.now();
  const sessions = await cli.use(({ verbs, actor }) => verbs.sessions.list(actor, { subject }));
  cli.output.print(sessions.map(sessionView), (columns) =>
    table(
      ["ID", "SUBJECT", "ROLE", "SANDBOXES", "OPERATIONS", "FROM", "AGE", "USED", "EXPIRES"],
      sessions.map((session) => [
        session.id,
        session.subject,
        session.role,
        narrowed(session.sandboxes),
        narrowed(session.operations),
        session.grantedBy,
        briefDuration(now - session.createdAt),
        `${briefDuration(now - session.lastUsedAt)} ago`,
        `in ${briefDuration(session.expiresAt - now)}`,
      ]),
      columns,
    ),
  );
}

async function kill(cli: Cli, id: string | undefined, options: { sub?: string; wait: boolean }): Promise<void> {
  const { sub } = options;
  if ((id === undefined) === (sub === undefined)) throw new UsageError("give either the id of a session or --sub");
  if (sub !== undefined) {
    const { sessions } = await cli.change(({ verbs, actor }) => verbs.sessions.killOf(actor, sub), options);
    return cli.output.print({ subject: sub, killed: sessions.map((session) => session.id) }, () => {
      return `${sessions.length} ${sessions.length === 1 ? "session" : "sessions"} of ${sub} killed`;
    });
  }
  const { session } = await cli.change(
    ({ verbs, actor }) => verbs.sessions.end(actor, id as string, "killed"),
    options,
  );
  return cli.output.print(sessionView(session), () => `${session.id} killed`);
}

function sessionView(session: SessionRecord): Record<string, unknown> {
  const { id, subject, role, sandboxes, operations, grantedBy, createdAt, lastUsedAt, expiresAt } = session;
  return {
    id,
    subject,
    role,
    sandboxes,
    operations,
    granted_by: grantedBy,
    created_at: timestamp(createdAt),
    last_used_at: timestamp(lastUsedAt),
    expires_at: timestamp(expiresAt),
  };
}
