// More descriptors of a socket this process has. Node has no dup(2), but it passes sockets to and from a child process, and
// what comes back is the same socket under a number of its own.

import { spawnChild } from "../../executable.ts";
import { GatewayError } from "../../errors.ts";

const LIMIT_MS = 60_000;
/** Descriptors of the child before those that it is to duplicate: three of its own, and its channel. */
const OWN_FDS = 4;

/**
 * For each of these descriptors another one of the same socket. Whoever listens on one (`{ fd }`) owns it from then on; nobody
 * else closes it.
 * @throws GatewayError GW_018
 */
export function duplicate(fds: readonly number[]): Promise<readonly number[]> {
  const distinct = [...new Set(fds)];
  const child = spawnChild(
    "duplicate-sockets",
    fds.map((fd) => String(OWN_FDS + distinct.indexOf(fd))),
    {
      stdio: ["ignore", "ignore", "ignore", "ipc", ...distinct],
    },
  );
  return new Promise((resolve, reject) => {
    const duplicates: number[] = [];
    const fail = (details: string): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new GatewayError("GW_018", { details: `they cannot be shared by the data threads: ${details}` }));
    };
    const timer = setTimeout(() => fail(`no answer within ${LIMIT_MS} ms`), LIMIT_MS);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`the child process ended with ${code}`));
    child.on("message", (_message, handle: unknown) => {
      const fd = (handle as { readonly fd?: number } | undefined)?.fd ?? -1;
      if (fd < 0) return fail("a socket was lost on its way");
      duplicates.push(fd);
      if (duplicates.length < fds.length) return;
      clearTimeout(timer);
      child.removeAllListeners("exit").disconnect();
      resolve(duplicates);
    });
  });
}
