import { dirname } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Ran, run } from "../cli/run.ts";
import { type DaemonProcess, Installation } from "../support/daemon.ts";
import { echo, startUpstream } from "../support/upstream.ts";

/** A running daemon of two threads, and commands on its data folder: run in this process, so that nothing delays what follows. */
async function running() {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve({ workers: 2 });
  const command = (line: string): Promise<Ran> =>
    run(line.split(" "), { folder: dirname(gateway.dataDir), env: { DATA_DIR: gateway.dataDir } });
  const { token } = JSON.parse((await command("token create --sub e2e --role executor --json")).stdout) as {
    token: string;
  };
  return { daemon, command, authorization: `Bearer ${token}` };
}

/** Statuses of calls on connections of their own, so that with all likelihood both threads are asked. */
async function ask({ url }: DaemonProcess, path: string, authorization: string): Promise<number[]> {
  const calls = Array.from({ length: 4 }, async () => {
    const response = await fetch(`${url}${path}`, { headers: { authorization, connection: "close" } });
    await response.arrayBuffer();
    return response.status;
  });
  return [...new Set(await Promise.all(calls))];
}

test("a sandbox is there when `sandbox add` comes back, and gone when `sandbox remove` does: never a stale answer", async () => {
  const { daemon, command, authorization } = await running();
  const upstream = await startUpstream(echo);
  for (let round = 0; round < 20; round++) {
    expect((await command(`sandbox add box --url ${upstream}`)).code).toBe(0);
    expect(await ask(daemon, "/s/box/", authorization)).toEqual([200]);
    expect((await command("sandbox remove box --yes")).code).toBe(0);
    expect(await ask(daemon, "/s/box/", authorization)).toEqual([404]);
  }
});

test("a route is there when `route add` comes back, and gone when `route remove` does: never a stale answer", async () => {
  const { daemon, command, authorization } = await running();
  await command(`sandbox add box --url ${await startUpstream(echo)}`);
  for (let round = 0; round < 5; round++) {
    const added = await command("route add --path /shop --strip-prefix --sandbox box --json");
    const { id } = JSON.parse(added.stdout) as { id: string };
    expect(await ask(daemon, "/shop/x", authorization)).toEqual([200]);
    expect((await command(`route remove ${id} --yes`)).code).toBe(0);
    expect(await ask(daemon, "/shop/x", authorization)).toEqual([404]);
  }
});

test("a token is refused when `token revoke` comes back: never a stale answer", async () => {
  const { daemon, command } = await running();
  await command(`sandbox add box --url ${await startUpstream(echo)}`);
  for (let round = 0; round < 20; round++) {
    const made = JSON.parse((await command("token create --sub e2e --role executor --json")).stdout) as {
      id: string;
      token: string;
    };
    const authorization = `Bearer ${made.token}`;
    expect(await ask(daemon, "/s/box/", authorization)).toEqual([200]);
    expect((await command(`token revoke ${made.id}`)).code).toBe(0);
    expect(await ask(daemon, "/s/box/", authorization)).toEqual([401]);
  }
});

test("an embedded sandbox is up when `sandbox add` comes back", async () => {
  const { daemon, command, authorization } = await running();
  const { stderr, stdout } = await command("sandbox add box --driver wasm --json");
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toMatchObject({ id: "box", instances: [{ state: "up" }] });
  const response = await fetch(`${daemon.url}/api/v1/sandbox/execute`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ sandbox_id: "box", operation: "run_command", payload: { command: "echo hello" } }),
  });
  expect(await response.text()).toContain("hello\\n");
}, 60_000);

test("a gateway that takes nothing over is waited for a while and no longer, and not at all with --no-wait", async () => {
  const { daemon, command } = await running();
  await command(`sandbox add box --url ${await startUpstream(echo)}`);
  daemon.child.kill("SIGSTOP");
  onTestFinished(() => void daemon.child.kill("SIGCONT"));
  const startedAt = performance.now();
  expect((await command("sandbox add later --url http://127.0.0.1:9 --no-wait")).stderr).toBe("");
  const unwaited = performance.now() - startedAt;
  const { code, stderr } = await command("sandbox remove box --yes");
  const waited = performance.now() - startedAt - unwaited;
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: stored, but .* not yet in force\n$/);
  expect(waited).toBeGreaterThanOrEqual(2000);
  expect(unwaited).toBeLessThan(2000);
});
