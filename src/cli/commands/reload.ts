import type { Command } from "commander";
import { GatewayError } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { within } from "../within.ts";

/** All threads have a new configuration within a few milliseconds. */
const RELOADED = { ms: 5_000, everyMs: 10 };

export function defineReload(reload: Command, cli: Cli): void {
  reload
    .description(
      "Has the running gateway read its configuration anew, and returns when all of it follows. No connection is dropped. An " +
        "invalid configuration is refused (exit code 3) and the one before stays. SIGHUP does the same.",
    )
    .addHelpText("after", "\nExamples:\n  sandboxgw reload\n  sandboxgw reload -o json")
    .action(() => run(cli));
}

async function run(cli: Cli): Promise<void> {
  const outcome = await cli.use(async ({ verbs, actor }) => {
    const { daemon } = await verbs.status.find(actor);
    if (daemon?.holder.pid === undefined) {
      throw new GatewayError("GW_016");
    }
    const before = (await verbs.status.lastReload(actor))?.at_ms ?? 0;
    process.kill(daemon.holder.pid, "SIGHUP");
    let found = await verbs.status.lastReload(actor);
    await within(RELOADED, async () => {
      found = await verbs.status.lastReload(actor);
      return found !== undefined && found.at_ms !== before;
    });
    return found?.at_ms === before ? undefined : found;
  });
  if (outcome === undefined) {
    throw new GatewayError("GW_016", { details: "it did not answer in time: its log says why" });
  }
  const { problem, changed, waiting } = outcome;
  if (problem !== null) throw new GatewayError("GW_012", { details: problem });
  cli.output.print({ changed, waiting_for_restart: waiting }, () => [
    ...(changed.length === 0 ? ["nothing has changed that can follow"] : changed),
    ...waiting.map((line) => `${line} (waits for a restart)`),
  ]);
}
