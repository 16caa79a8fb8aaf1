import type { Command } from "commander";
import type { ReloadOutcome } from "../../control/verbs/status.ts";
import { GatewayError, hasCode } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { within } from "../within.ts";

/** All threads have a new configuration within a few milliseconds. */
const RELOADED = { ms: 3_000, everyMs: 10 };

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
    if (daemon === undefined) throw new GatewayError("GW_016");
    const askedAt = Date.now();
    askToReload(daemon.holder.pid);
    let found: ReloadOutcome | undefined;
    // One that was read before, another reload may still be bringing into force.
    const isReloaded = await within(RELOADED, async () => {
      found = await verbs.status.lastReload(actor);
      return found !== undefined && found.at_ms >= askedAt;
    });
    return isReloaded ? found : undefined;
  });
  if (outcome === undefined) throw new GatewayError("GW_017", { details: "it did not answer in time" });
  const { problem, changed, waiting, warnings = [] } = outcome;
  for (const warning of warnings) cli.output.warn(warning);
  if (problem !== null) throw new GatewayError("GW_012", { details: problem });
  cli.output.print({ changed, waiting_for_restart: waiting, warnings }, () => [
    ...(changed.length === 0 ? ["nothing has changed"] : changed),
    ...waiting.map((line) => `${line} (waits for a restart)`),
  ]);
}

/** @throws GatewayError GW_017 when it cannot be asked. */
export function askToReload(pid: number | undefined): void {
  if (pid === undefined) throw new GatewayError("GW_017", { details: "it is just starting", remediation: "Repeat" });
  try {
    process.kill(pid, "SIGHUP");
  } catch (cause) {
    if (hasCode(cause, "ESRCH")) {
      const details = `no process ${pid} is to be seen from here: it has just ended, or runs in a container of its own`;
      throw new GatewayError("GW_017", { details, remediation: "Reload where the gateway runs", cause });
    }
    const details = `process ${pid} cannot be sent a signal: ${String(cause)}`;
    throw new GatewayError("GW_017", { details, remediation: "Reload as the user whose process it is", cause });
  }
}
