import { GatewayError } from "../errors.ts";

/** What this program can be started as besides the command line; each is loaded only in the process that plays it. */
const ROLES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  "wasm-host": async (args) => (await import("../drivers/wasm/host/host.ts")).run(args),
  "wasm-runner": async (args) => (await import("../drivers/wasm/runner/runner.ts")).run(args),
};

/**
 * The life of a child process started by `spawnRole`.
 * @param argv Everything after `__role`: the role, then its arguments.
 */
export async function runRole(argv: readonly string[]): Promise<void> {
  const [name = "", ...args] = argv;
  const role = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
  if (role === undefined) throw new GatewayError("GW_001", { details: `unknown role ${JSON.stringify(name)}` });
  await role(args);
}
