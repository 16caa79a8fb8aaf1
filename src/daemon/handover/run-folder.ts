import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../errors.ts";

/**
 * A folder of this process's own for the sockets of instances that it starts: those of the process before it are still in
 * use. What killed processes have left behind is removed.
 */
export function ownRunFolder(run: string, pid: number = process.pid): string {
  for (const name of readdirSync(run)) {
    if (/^\d+$/.test(name) && !isAlive(Number(name))) rmSync(join(run, name), { recursive: true, force: true });
  }
  const own = join(run, String(pid));
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { mode: 0o700 });
  return own;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
