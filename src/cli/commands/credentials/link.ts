import type { Command } from "commander";
import type { LinkRecord } from "../../../domain/credential/link.ts";
import { portFrom } from "../../../domain/value/ports.ts";
import { duration } from "../../../domain/value/quantities.ts";
import type { Cli } from "../../cli.ts";
import { linkUrl } from "../../output/link-url.ts";
import { briefDuration, table, timestamp } from "../../output/output.ts";
import { parsed, UsageError } from "../../usage-error.ts";

export function defineLink(link: Command, cli: Cli): void {
  link.addHelpText(
    "after",
    "\nExamples:\n  sandboxgw link create jupyter --expires 8h\n  sandboxgw link revoke lnk_5k2v9x0hq3r8m1t7w4c6",
  );
  link
    .command("create")
    .summary("create a link that opens a sandbox, and print it, once")
    .description(
      "Creates a signed link to a sandbox, or to a part of it, for whoever has the link: a browser that opens it gets a cookie for that sandbox alone and the URL without the secret. It cannot be shown again.",
    )
    .argument("<sandbox>", "id of the sandbox")
    .option("--sub <subject>", "for whom it is: what it does is recorded under this name", "link")
    .option("--expires <duration>", "lifetime: 30m, 8h, 7d", "1h")
    .option("--path <path>", "only the sandbox's paths at and below this one", "/")
    .option("--port <number>", "a port that the sandbox has besides its instances' own")
    .option("--methods <list>", "only these, as GET,POST; GET includes HEAD [all]")
    .option("--base-url <url>", "where clients reach the gateway [default: PUBLIC_URL, else where it listens]")
    .option("--by-host", "to the sandbox's own host under GATEWAY_DOMAIN, where it is an origin of its own")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw link create jupyter --sub ada --expires 8h
  sandboxgw link create web --path /reports --methods GET --expires 7d --base-url https://gw.example`,
    )
    .action((sandbox: string, options: CreateOptions) => create(cli, sandbox, options));
  link
    .command("list")
    .alias("ls")
    .summary("list links")
    .description("Lists the links that are good, newest first.")
    .option("-a, --all", "those that have ended or were revoked too")
    .addHelpText("after", "\nExamples:\n  sandboxgw link list\n  sandboxgw link list --all -o json")
    .action((options: { all?: boolean }) => list(cli, options));
  link
    .command("revoke")
    .summary("revoke a link, or all, at once")
    .description("Revokes links. What they have open ends within a second.")
    .argument("[id]", "id of the link (lnk_…)")
    .option("--all", "all links that there are: the key that proves them is retired")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw link revoke lnk_5k2v9x0hq3r8m1t7w4c6\n  sandboxgw link revoke --all",
    )
    .action((id: string | undefined, options: { all?: boolean; wait: boolean }) => revoke(cli, id, options));
}

interface CreateOptions {
  readonly sub: string;
  readonly expires: string;
  readonly path: string;
  readonly port?: string;
  readonly methods?: string;
  readonly baseUrl?: string;
  readonly byHost?: boolean;
}

async function create(cli: Cli, sandboxId: string, options: CreateOptions): Promise<void> {
  const { sub: subject, path, methods = null, byHost = false } = options;
  const port = options.port === undefined ? null : portFrom(options.port);
  if (port === undefined) throw new UsageError(`--port ${options.port}: expected a number from 1 to 65535`);
  const expiresInMs = parsed(duration("1s", "3650d"), options.expires, "--expires");
  const { config } = await cli.loadConfig();
  const place = { config, baseUrl: options.baseUrl, byHost };
  linkUrl(place, { sandboxId, port, path }, "checked before anything is made");
  const { text, link } = await cli.use(({ verbs, actor }) =>
    verbs.links.create(actor, { sandboxId, port, methods, path, subject, expiresInMs }),
  );
  const url = linkUrl(place, link, text);
  cli.output.print({ url, ...linkView(link, link.createdAt) }, () => url);
  cli.output.note(`${link.id}  expires ${timestamp(link.expiresAt)}  (shown once: who has it can open the sandbox)`);
}

async function list(cli: Cli, { all = false }: { all?: boolean }): Promise<void> {
  const now = Date.now();
  const links = await cli.use(({ verbs, actor }) => verbs.links.list(actor, { all }));
  cli.output.print(
    links.map((link) => linkView(link, now)),
    (columns) =>
      table(
        ["ID", "SUBJECT", "SANDBOX", "PORT", "PATH", "METHODS", "STATUS", "EXPIRES", "KEY"],
        links.map((link) => [
          link.id,
          link.subject,
          link.sandboxId,
          link.port === null ? "-" : String(link.port),
          link.path,
          link.methods?.join(",") ?? "all",
          statusOf(link, now),
          link.expiresAt > now
            ? `in ${briefDuration(link.expiresAt - now)}`
            : `${briefDuration(now - link.expiresAt)} ago`,
          link.keyId,
        ]),
        columns,
      ),
  );
}

async function revoke(cli: Cli, id: string | undefined, options: { all?: boolean; wait: boolean }): Promise<void> {
  if ((id === undefined) === (options.all !== true)) throw new UsageError("give either the id of a link or --all");
  if (id === undefined) {
    const { links } = await cli.change(({ verbs, actor }) => verbs.links.revokeAll(actor), options);
    return cli.output.print({ revoked: links }, () => `all links are revoked, ${links} that were good`);
  }
  const { link } = await cli.change(({ verbs, actor }) => verbs.links.revoke(actor, id), options);
  return cli.output.print(linkView(link, Date.now()), () => `${link.id} revoked`);
}

function statusOf({ expiresAt, revokedAt }: LinkRecord, now: number): "active" | "expired" | "revoked" {
  if (revokedAt !== null) return "revoked";
  return expiresAt > now ? "active" : "expired";
}

function linkView(link: LinkRecord, now: number): Record<string, unknown> {
  const { id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt, revokedAt } = link;
  return {
    id,
    subject,
    sandbox_id: sandboxId,
    port,
    methods,
    path,
    key_id: keyId,
    status: statusOf(link, now),
    created_at: timestamp(createdAt),
    expires_at: timestamp(expiresAt),
    revoked_at: revokedAt === null ? null : timestamp(revokedAt),
  };
}
