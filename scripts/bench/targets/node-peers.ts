import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { freePort } from "../machine/free-port.ts";
import { launch, type Target } from "../target.ts";

const require = createRequire(import.meta.url);

export const bareTarget = nodePeer("bare", `node:http on Node ${process.versions.node}, proxies nothing`);
export const undiciTarget = nodePeer("undici", "node:http + undici dispatch, no gateway logic");
export const httpProxyTarget = nodePeer(
  "http-proxy",
  `http-proxy ${installedVersion("http-proxy") ?? ""}`,
  "http-proxy",
);

const CHP = "configurable-http-proxy";

export const configurableHttpProxyTarget: Target = {
  name: CHP,
  about: `${CHP} ${installedVersion(CHP) ?? ""}`,
  missing: missingPackage(CHP),
  async start(bench) {
    const [port, apiPort] = [await freePort(), await freePort()];
    const bin = path.join(path.dirname(require.resolve(`${CHP}/package.json`)), "bin", CHP);
    const listen = [
      "--ip",
      "127.0.0.1",
      "--port",
      String(port),
      "--api-ip",
      "127.0.0.1",
      "--api-port",
      String(apiPort),
    ];
    const upstream = ["--default-target", `http://127.0.0.1:${bench.upstreamPort}`];
    const args = [bin, ...listen, ...upstream, "--log-level", "error"];
    return launch(bench, port, { program: process.execPath, args });
  },
};

/** How to start a script of `peers/`; its first argument is its port. */
export function peerCommand(script: string, args: readonly number[]): { program: string; args: string[] } {
  const file = fileURLToPath(new URL(`../peers/${script}.ts`, import.meta.url));
  return { program: process.execPath, args: [file, ...args.map(String)] };
}

function nodePeer(script: string, about: string, npmPackage?: string): Target {
  return {
    name: script,
    about,
    missing: npmPackage === undefined ? undefined : missingPackage(npmPackage),
    async start(bench) {
      const port = await freePort();
      return launch(bench, port, peerCommand(script, [port, bench.upstreamPort]));
    },
  };
}

function missingPackage(name: string): string | undefined {
  return installedVersion(name) === undefined ? `${name} is not installed (npm install)` : undefined;
}

function installedVersion(name: string): string | undefined {
  try {
    return z.object({ version: z.string() }).parse(require(`${name}/package.json`)).version;
  } catch {
    return undefined;
  }
}
