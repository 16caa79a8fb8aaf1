import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../machine/free-port.ts";
import { findProgram } from "../machine/program.ts";
import { launch, type Target } from "../target.ts";

const caddy = findProgram("caddy", ["version"], "caddy");

export const caddyTarget: Target = {
  name: "caddy",
  about: `Caddy ${caddy.version}, reverse proxy, GOMAXPROCS=1`,
  missing: caddy.missing,
  paced: true,
  async start(bench) {
    const port = await freePort();
    const config = path.join(bench.folder, "Caddyfile");
    // The default of 32 idle upstream connections would make it reconnect all the time.
    const text = `
{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${bench.upstreamPort} {
    transport http {
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
    writeFileSync(config, text);
    return launch(bench, port, {
      program: caddy.path ?? "caddy",
      args: ["run", "--config", config, "--adapter", "caddyfile"],
      env: { GOMAXPROCS: "1" },
    });
  },
};
