import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { ACTOR, startTestGateway } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const JUPYTER = "/usr/bin/jupyter-server";
const SECRET = "of-jupyter-itself";

/** A Jupyter server that knows its base URL. Returns its own URL when it answers. */
async function startJupyter(baseUrl: string): Promise<string> {
  const port = await freePort();
  const home = temporaryFolder();
  const settings = { ip: "127.0.0.1", port, port_retries: 0, base_url: baseUrl, root_dir: home };
  const options = Object.entries(settings).map(([name, value]) => `--ServerApp.${name}=${value}`);
  const child = spawn(JUPYTER, [...options, "--no-browser", "--allow-root", `--IdentityProvider.token=${SECRET}`], {
    env: { PATH: "/usr/bin:/bin", HOME: home, JUPYTER_TOKEN: SECRET },
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      if (line.includes(`http://127.0.0.1:${port}${baseUrl}`)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`jupyter-server ended with ${code}: ${log.join("\n")}`)));
  });
  return `http://127.0.0.1:${port}`;
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

describe.skipIf(!existsSync(JUPYTER))("Jupyter (skipped where Debian's package jupyter-server is missing)", () => {
  test("works behind a path that it knows: pages, redirects, its own cookie and token, files", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("lab", await startJupyter("/s/lab/"));
    await gateway.verbs.sandboxes.update(ACTOR, "lab", { settings: { "keep-prefix": "true" } });
    await gateway.feed.wake();
    const token = (await gateway.authorization()).replace("Bearer ", "");
    const ask = (
      path: string,
      { secret = SECRET, ...init }: { secret?: string; method?: string; body?: string } = {},
    ) =>
      fetch(`${gateway.url}${path}`, {
        ...init,
        redirect: "manual",
        headers: { "x-sandbox-token": token, authorization: `token ${secret}` },
      });

    const bare = await ask("/s/lab?x=1");
    expect([bare.status, bare.headers.get("location")]).toEqual([308, "/s/lab/?x=1"]);
    const stranger = await ask("/s/lab/files/a.txt", { secret: "wrong" });
    expect([stranger.status, stranger.headers.get("location")]).toEqual([
      302,
      expect.stringMatching(/^\/s\/lab\/login\?next=/),
    ]);
    const content = { type: "file", format: "text", content: "through the gateway" };
    const put = await ask("/s/lab/api/contents/a%20b.txt", { method: "PUT", body: JSON.stringify(content) });
    expect([put.status, put.headers.get("location")]).toEqual([201, "/s/lab/api/contents/a%20b.txt"]);
    const file = await ask("/s/lab/files/a%20b.txt");
    expect([file.status, await file.text()]).toEqual([200, "through the gateway"]);
    const [cookie] = file.headers.getSetCookie();
    expect(cookie).toMatch(/^username-.*; Path=\/s\/lab\/$/);
  });
});
