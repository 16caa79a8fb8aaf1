import { resolve } from "node:path";
import type { Command } from "commander";
import type { SigningKeyView } from "../../../control/verbs/keys.ts";
import { SIGNING_ALGORITHMS } from "../../../domain/credential/signing-key.ts";
import { duration } from "../../../domain/value/quantities.ts";
import { choice } from "../../../domain/value/words.ts";
import type { Cli } from "../../cli.ts";
import { briefDuration, table, timestamp } from "../../output/output.ts";
import { parsed } from "../../usage-error.ts";

const EXAMPLE_ID = "kid_5k2v9x0hq3r8m1t7w4c6";
const OVERLAP = "24h";

export function defineKey(key: Command, cli: Cli): void {
  key.addHelpText("after", "\nExamples:\n  sandboxgw key list\n  sandboxgw key rotate --algorithm EdDSA --overlap 24h");
  key
    .command("list")
    .alias("ls")
    .summary("list the keys tokens are signed with")
    .description("Lists the keys tokens are signed with, newest first.")
    .addHelpText("after", "\nExamples:\n  sandboxgw key list\n  sandboxgw key list -o json")
    .action(() => list(cli));
  key
    .command("rotate")
    .summary("sign with a new key from now on")
    .description("Makes a key that signs from now on. What the one before has signed stays good for a while.")
    .option("--algorithm <name>", `${SIGNING_ALGORITHMS.join(", ")} [default: that of the key before]`)
    .option("--overlap <duration>", "for how long what the key before has signed stays good; 0s = no more", OVERLAP)
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw key rotate\n  sandboxgw key rotate --algorithm EdDSA --overlap 24h\n  sandboxgw key rotate --overlap 0s",
    )
    .action((options: RotateOptions) => rotate(cli, options));
  key
    .command("retire")
    .summary("take back at once all that a key has signed")
    .description("Takes back at once all that a key has signed, on open streams too, and destroys it.")
    .argument("<id>", "id of the key (kid_…), as key list shows it")
    .option("--no-wait", "do not wait until a running gateway has it in force")
    .addHelpText("after", `\nExamples:\n  sandboxgw key retire ${EXAMPLE_ID}`)
    .action((id: string, options: { wait: boolean }) => retire(cli, id, options));
  key
    .command("rekey")
    .summary("seal all secrets anew with another master key")
    .description("Makes another master key and seals all secrets with it. A running gateway goes on undisturbed.")
    .option("--new-key-file <file>", "use the key in this file, where the master key is not the data folder's own")
    .addHelpText(
      "after",
      "\nExamples:\n  sandboxgw key rekey\n  sandboxgw key rekey --new-key-file /run/secrets/next.key",
    )
    .action((options: RekeyOptions) => rekey(cli, options));
}

interface RekeyOptions {
  readonly newKeyFile?: string;
}

interface RotateOptions {
  readonly algorithm?: string;
  readonly overlap: string;
  readonly wait: boolean;
}

async function rekey(cli: Cli, { newKeyFile }: RekeyOptions): Promise<void> {
  const { file, secrets } = await cli.use(({ verbs, actor }) =>
    verbs.keys.rekey(actor, { newKeyFile: newKeyFile === undefined ? null : resolve(newKeyFile) }),
  );
  cli.output.print({ master_key: file, secrets }, () => `${secrets} secrets are sealed with ${file} from now on`);
  if (newKeyFile !== undefined) cli.output.note("have SECRETS_KEY_FILE name it before the gateway is started again");
}

async function list(cli: Cli): Promise<void> {
  const now = Date.now();
  const keys = await cli.use(({ verbs, actor }) => verbs.keys.list(actor));
  cli.output.print(keys.map(keyView), (columns) =>
    table(
      ["ID", "ALGORITHM", "STATE", "VERIFIES FOR", "AGE"],
      keys.map(({ id, algorithm, state, retiresAt, createdAt }) => [
        id,
        algorithm,
        state,
        state === "verifying" && retiresAt !== null ? briefDuration(retiresAt - now) : "-",
        createdAt === null ? "TOKEN_SECRET" : briefDuration(now - createdAt),
      ]),
      columns,
    ),
  );
}

async function rotate(cli: Cli, options: RotateOptions): Promise<void> {
  const { algorithm: name, overlap } = options;
  const algorithm = name === undefined ? null : parsed(choice(...SIGNING_ALGORITHMS), name, "--algorithm");
  const overlapMs = parsed(duration("0s", "3650d"), overlap, "--overlap");
  const { key, before } = await cli.change(
    ({ verbs, actor }) => verbs.keys.rotate(actor, { algorithm, overlapMs }),
    options,
  );
  cli.output.print({ ...keyView(key), before: before.map(keyView) }, () => [
    `${key.id} signs from now on (${key.algorithm})`,
    ...before.map((old) =>
      old.state === "retired"
        ? `${old.id} retired: what it has signed is good no more`
        : `what ${old.id} has signed is good until ${timestamp(old.retiresAt as number)}`,
    ),
  ]);
}

async function retire(cli: Cli, id: string, options: { wait: boolean }): Promise<void> {
  const { key } = await cli.change(({ verbs, actor }) => verbs.keys.retire(actor, id), options);
  cli.output.print(keyView(key), () => `${key.id} retired: what it has signed is good no more`);
}

function keyView({ id, algorithm, state, createdAt, retiresAt }: SigningKeyView): Record<string, unknown> {
  return {
    id,
    algorithm,
    state,
    source: createdAt === null ? "TOKEN_SECRET" : "data folder",
    created_at: createdAt === null ? null : timestamp(createdAt),
    retires_at: retiresAt === null ? null : timestamp(retiresAt),
  };
}
