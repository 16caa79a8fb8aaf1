import { GatewayError } from "../errors.ts";

/** What this program can be started as besides the command line; each is loaded only in the process that is it. */
const CHILDREN: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  mapper: async () => (await import("../transform/mapper/mapper.ts")).run(),
  "duplicate-sockets": async (args) => (await import("./sockets/duplicate-child.ts")).run(args),
  "wasm-host": async (args) => (await import("../drivers/wasm/host/host.ts")).run(args),
  "wasm-runner": async (args) => (await import("../drivers/wasm/runner/runner.ts")).run(args),
};

/**
 * The life of a child process started by `spawnChild`.
 * @param argv Everything after `__child`: its name, then its arguments.
 */
export async function runChild(argv: readonly string[]): Promise<void> {
  const [name = "", ...args] = argv;
  const life = Object.hasOwn(CHILDREN, name) ? CHILDREN[name] : undefined;
  if (life === undefined) throw new GatewayError("GW_001", { details: `unknown child ${JSON.stringify(name)}` });
  await life(args);
}
