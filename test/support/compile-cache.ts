// Programs that tests start keep what Node makes of the sources: a daemon is there in half the time.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ROOT = join(import.meta.dirname, "../..");

/** For the environment of whatever runs the sources. */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/node-compile-cache") };

/** Before all tests: a daemon starts and stops, for what is compiled is only kept by a process that ends by itself. */
export async function setup(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sandboxgw-test-"));
  const args = ["--data-dir", join(folder, "data"), "serve", "--port", "0", "--admin-port", "0", "--workers", "1"];
  const daemon = spawn(process.execPath, [join(ROOT, "bin/sandboxgw.ts"), ...args], {
    env: { HOME: "/nonexistent", LOG_FORMAT: "json", ...COMPILE_CACHE },
    stdio: ["ignore", "ignore", "pipe"],
  });
  createInterface({ input: daemon.stderr }).on("line", (line) => {
    if (line.includes('"listening"')) daemon.kill("SIGTERM");
  });
  await once(daemon, "exit");
  rmSync(folder, { recursive: true, force: true });
}
