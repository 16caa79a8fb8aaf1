import { type ChildProcess, spawn } from "node:child_process";
import { hasCode } from "../../../errors.ts";
import type { Asking, Finding, Target } from "./probe.ts";

/** All that a program may count on, and nothing of the gateway's own environment: that has secrets in it. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * An instance is well when the program ends with code 0. It is run without a shell and without arguments, in a process group
 * of its own that is killed whole; it learns by its environment which instance is meant, and nobody reads what it prints.
 */
export function askByProgram({ instance, program }: Target, done: (finding: Finding) => void): Asking {
  const child = spawn(program, [], {
    cwd: "/",
    env: { PATH, LANG: "C.UTF-8", ...environmentOf(instance) },
    stdio: "ignore",
    detached: true,
  });
  let over = false;
  const end = (finding: Finding): void => {
    if (over) return;
    over = true;
    done(finding);
  };
  child
    .once("error", (error) =>
      end(hasCode(error, "ENOENT") ? "there is no such program" : `cannot start: ${codeOf(error)}`),
    )
    .once("exit", (code, signal) => {
      killGroup(child); // what it has left behind
      end(code === 0 ? null : signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  return {
    cancel() {
      over = true;
      killGroup(child);
    },
  };
}

function environmentOf({ id, sandboxId, url }: Target["instance"]): Record<string, string> {
  const known = { SANDBOX_ID: sandboxId, INSTANCE_ID: id, INSTANCE_URL: url };
  if (!URL.canParse(url) || url.startsWith("unix:")) return known;
  const { hostname, port, protocol } = new URL(url);
  const ownPort = protocol === "https:" ? "443" : "80";
  return { ...known, INSTANCE_HOST: hostname.replace(/^\[|\]$/g, ""), INSTANCE_PORT: port || ownPort };
}

/** The program and whatever it has started, unless that has left the group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH") && !hasCode(error, "EPERM")) throw error; // nobody is left, or only the dead
  }
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : "unknown";
}
