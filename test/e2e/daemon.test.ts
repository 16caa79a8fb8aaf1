import { Agent, type Dispatcher, request } from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { echo, startUpstream } from "../support/upstream.ts";

/** Keeps so many connections open that with all likelihood every data thread has some. */
function manyConnections(count: number): Dispatcher[] {
  const agents = Array.from({ length: count }, () => new Agent({ connections: 1, pipelining: 1 }));
  onTestFinished(async () => {
    await Promise.all(agents.map((agent) => agent.destroy()));
  });
  return agents;
}

async function statusOf(url: string, authorization: string, dispatcher: Dispatcher): Promise<number> {
  const response = await request(url, { headers: { authorization }, dispatcher });
  await response.body.dump();
  return response.statusCode;
}

test("a token revoked by another process is refused within 100 ms on every thread", async () => {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve({ workers: 2 });
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream((_req, res) => res.end("ok")));
  const { id, authorization } = await gateway.token();
  const agents = manyConnections(16);
  const ask = () => Promise.all(agents.map((agent) => statusOf(`${daemon.url}/s/box/`, authorization, agent)));
  expect(new Set(await ask())).toEqual(new Set([200]));

  // The command prints when it has committed; from then on the clock runs.
  const revoked = await gateway.run("token", "revoke", id);
  const committedAt = performance.now();
  expect(revoked.code).toBe(0);
  let lastSuccessAt = 0;
  await eventually("every connection is refused", async () => {
    const sentAt = performance.now();
    const statuses = await ask();
    if (statuses.includes(200)) lastSuccessAt = sentAt;
    return statuses.every((status) => status === 401);
  });
  expect(lastSuccessAt - committedAt).toBeLessThan(100);
});

test("a stream that is open when its token is revoked is cut within a second, and the record says why", async () => {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve({ workers: 2 });
  let closedAt = 0;
  const url = await startUpstream((req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => res.write("data: tick\n\n"), 20);
    req.socket.once("close", () => {
      clearInterval(timer);
      closedAt = performance.now();
    });
  });
  await gateway.run("sandbox", "add", "box", "--url", url);
  const { id, authorization } = await gateway.token();
  const response = await fetch(`${daemon.url}/s/box/`, { headers: { authorization } });
  const ended = response.text().then(
    () => "complete",
    () => "cut",
  );
  await gateway.run("token", "revoke", id);
  const revokedAt = performance.now();
  expect(await ended).toBe("cut");
  await eventually("the sandbox's side is closed too", () => closedAt > 0);
  expect(closedAt - revokedAt).toBeLessThan(1000);
  await eventually("it is recorded", async () => {
    const { stdout } = await gateway.run("audit", "tail", "-n", "3", "-o", "json");
    return stdout.includes('"outcome":"AUTH_001"') || stdout.includes('\\"outcome\\":\\"AUTH_001\\"');
  });
});

test("a sandbox added and removed while the daemon runs comes into force without a restart", async () => {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve();
  const { authorization } = await gateway.token();
  const [agent] = manyConnections(1);
  const status = () => statusOf(`${daemon.url}/s/box/`, authorization, agent as Dispatcher);
  expect(await status()).toBe(404);
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream(echo));
  await eventually("it is there", async () => (await status()) === 200);
  await gateway.run("sandbox", "remove", "box", "--yes");
  await eventually("it is gone", async () => (await status()) === 404);
});

describe("SIGTERM", () => {
  test("lets the call in flight finish, refuses new connections, and leaves with 0", async () => {
    const gateway = new Installation({ RATE_LIMIT_ENABLED: "false" });
    const daemon = await gateway.serve();
    let answer: (() => void) | undefined;
    const reached = new Promise<void>((resolve) => {
      void startUpstream((_req, res) => {
        answer = () => res.end("finished");
        resolve();
      }).then((url) => gateway.run("sandbox", "add", "box", "--url", url));
    });
    const { authorization } = await gateway.token();
    let response: Promise<Response> | undefined;
    await eventually("the sandbox is there", async () => {
      const list = await fetch(`${daemon.url}/api/v1/sandboxes`, { headers: { authorization } });
      return (await list.text()).includes('"box"');
    });
    response = fetch(`${daemon.url}/s/box/`, { headers: { authorization } });
    await reached;
    const ended = daemon.end("SIGTERM");
    await eventually("it is not ready any more", async () => (await fetch(`${daemon.admin}/readyz`)).status === 503);
    await eventually("new connections are refused", () =>
      fetch(`${daemon.url}/health`).then(
        () => false,
        () => true,
      ),
    );
    answer?.();
    expect(await (await response).text()).toBe("finished");
    expect(await ended).toBe(0);
    const { stdout } = await gateway.run("audit", "tail", "-n", "1");
    expect(stdout).toContain("box");
  });

  test("cuts what is not finished after SHUTDOWN_GRACE", async () => {
    const gateway = new Installation({ SHUTDOWN_GRACE: "300ms" });
    const daemon = await gateway.serve();
    const url = await startUpstream((_req, res) => void res.write("never ends"));
    await gateway.run("sandbox", "add", "box", "--url", url);
    const { authorization } = await gateway.token();
    const response = await fetch(`${daemon.url}/s/box/`, { headers: { authorization } });
    const body = response.text();
    const [code] = await Promise.all([daemon.end("SIGTERM"), expect(body).rejects.toThrow("terminated")]);
    expect(code).toBe(0);
  });
});

test("a second daemon on the same data folder refuses to start and says why", async () => {
  const gateway = new Installation();
  const daemon = await gateway.serve();
  const second = await gateway.run("serve", "--port", "0", "--admin-port", "0");
  expect(second.code).toBe(6);
  expect(second.stderr).toContain("in use by another daemon");
  expect(second.stderr).toContain(String(daemon.child.pid));
  expect((await fetch(`${daemon.admin}/readyz`)).status).toBe(200);
});

test("a second daemon on the same port refuses to start instead of taking half the connections", async () => {
  const daemon = await new Installation().serve();
  const second = await new Installation().run(
    "serve",
    "--port",
    String(daemon.port),
    "--admin-port",
    "0",
    "--workers",
    "2",
  );
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("EADDRINUSE");
});

test("switched-off authentication lets calls through and is said loudly", async () => {
  const gateway = new Installation({ AUTH_ENABLED: "false", RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve();
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream(echo));
  await eventually("calls pass without a token", async () => (await fetch(`${daemon.url}/s/box/`)).status === 200);
  expect(daemon.log.some((line) => line.includes("AUTHENTICATION IS OFF"))).toBe(true);
  const { stdout } = await gateway.run("audit", "tail", "-n", "1");
  expect(stdout).toContain("anonymous");
});
