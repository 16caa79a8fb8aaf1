import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../machine/free-port.ts";
import { CORE, type Processes } from "../machine/processes.ts";
import { REPLY } from "./reply.ts";
import { nginx, nginxCommand, nginxConfig } from "../targets/nginx.ts";
import { peerCommand } from "../targets/node-peers.ts";

/** Starts what stands behind every proxy, on the load generator's core; returns its port. */
export async function startUpstream(processes: Processes, folder: string): Promise<number> {
  const port = await freePort();
  const config = path.join(folder, "upstream.conf");
  writeFileSync(
    config,
    nginxConfig("upstream", `listen 127.0.0.1:${port}; default_type application/json; return 200 '${REPLY}';`),
  );
  const command = nginx.path === undefined ? peerCommand("bare", [port]) : nginxCommand(config);
  const running = processes.start({ ...command, core: CORE.load });
  await processes.ready(running, `http://127.0.0.1:${port}/`);
  return port;
}
