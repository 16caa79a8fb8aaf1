import fs from "node:fs";

/** Whether a process runs: one that has ended and was not collected by its parent does not count. */
export function isAlive(pid: number | undefined): boolean {
  return pid !== undefined && (stateOf(pid)?.state ?? "Z") !== "Z";
}

/** The living processes that a process started, and those that they started. */
export function descendantsOf(pid: number): number[] {
  const children = fs
    .readdirSync("/proc")
    .map(Number)
    .filter((candidate) => stateOf(candidate)?.parent === pid && isAlive(candidate));
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

function stateOf(pid: number): { state: string; parent: number } | undefined {
  try {
    // pid (name) state parent …: the name may hold anything, so what follows its last parenthesis counts.
    const [state = "", parent] = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** The arguments of a process, each followed by a zero byte; empty when it is gone. */
export function argumentsOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
