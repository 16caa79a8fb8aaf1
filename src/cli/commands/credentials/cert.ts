import { rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { host } from "../../../domain/value/networks.ts";
import { duration } from "../../../domain/value/quantities.ts";
import { GatewayError } from "../../../errors.ts";
import type { Cli } from "../../cli.ts";
import { timestamp } from "../../output/output.ts";
import { parsed, UsageError } from "../../usage-error.ts";

const ALWAYS = ["localhost", "127.0.0.1", "::1"];

export function defineCert(cert: Command, cli: Cli): void {
  cert.addHelpText("after", "\nExamples:\n  sandboxgw cert create --host gw.test");
  cert
    .command("create")
    .summary("make a self-signed certificate for development")
    .description("Makes a certificate that nobody but itself has signed, and its key: for development.")
    .option("--host <name>", `a name or address it is for, beside ${ALWAYS.join(", ")} (repeatable)`, collect)
    .option("--expires <duration>", "how long it is good", "365d")
    .option("--cert <file>", "where the certificate goes", "cert.pem")
    .option("--key <file>", "where its private key goes, for its owner alone to read", "key.pem")
    .option("--force", "in the place of files that are there")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw cert create
  sandboxgw cert create --host gw.test --host 192.0.2.7 --expires 30d
  TLS_CERT_FILE=cert.pem TLS_KEY_FILE=key.pem sandboxgw serve
  curl --cacert cert.pem https://localhost:8080/health`,
    )
    .action((options: CreateOptions) => create(cli, options));
}

interface CreateOptions {
  readonly host?: readonly string[];
  readonly expires: string;
  readonly cert: string;
  readonly key: string;
  readonly force?: boolean;
}

async function create(cli: Cli, options: CreateOptions): Promise<void> {
  const named = (options.host ?? []).map((name) => parsed(host(), name, "--host").toLowerCase());
  const hosts = [...new Set([...ALWAYS, ...named])];
  const lifetimeMs = parsed(duration("1m", "825d"), options.expires, "--expires"); // browsers refuse longer ones
  const at = (file: string): string => resolve(cli.place.cwd ?? ".", file);
  const files = { certificate: at(options.cert), key: at(options.key) };
  if (files.certificate === files.key) throw new UsageError("--cert and --key are the same file");
  const { selfSigned } = await import("../../../auth/keys/self-signed.ts");
  const pair = await selfSigned(hosts, lifetimeMs);
  const force = options.force === true;
  write(files.key, pair.key, { mode: 0o600, force });
  write(files.certificate, pair.certificate, { mode: 0o644, force });
  const expires = timestamp(Date.now() + lifetimeMs);
  cli.output.print({ ...files, hosts, expires_at: expires }, () => [
    `${files.certificate} and ${files.key}`,
    `for ${hosts.join(", ")}, until ${expires}`,
    `next: TLS_CERT_FILE=${options.cert} TLS_KEY_FILE=${options.key} sandboxgw serve`,
  ]);
}

/** A file of its own, never through what stands there: its mode, its owner, or where a link leads. */
function write(file: string, content: string, { mode, force }: { mode: number; force: boolean }): void {
  try {
    if (force) rmSync(file, { force: true });
    writeFileSync(file, content, { mode, flag: "wx" });
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") {
      throw new UsageError(`${file} is there already`, "Name another file, or add --force");
    }
    throw new GatewayError("GW_008", { details: cause instanceof Error ? cause.message : String(cause), cause });
  }
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
