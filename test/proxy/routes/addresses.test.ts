import { expect, test } from "vitest";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

async function guarded() {
  const gateway = await startTestGateway();
  const url = await startUpstream((req, res) => {
    if (req.url === "/events") res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    else res.end("fine");
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const set = async (settings: Record<string, string | null>): Promise<void> => {
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
    await gateway.feed.wake();
  };
  const ask = async (localAddress: string, request = `GET /s/box/ HTTP/1.1\r\nHost: x\r\n`) => {
    const connection = new RawConnection(gateway.port, { localAddress });
    connection.send(`${request}Authorization: ${authorization}\r\nConnection: close\r\n\r\n`);
    await connection.end();
    return /"code":"(\w+)"/.exec(connection.text)?.[1] ?? connection.statuses[0];
  };
  return { gateway, authorization, set, ask };
}

test("a sandbox is called from where its own lists allow it, and from nowhere else, whichever way", async () => {
  const { set, ask, gateway, authorization } = await guarded();
  await set({ "allow-ip": "127.0.0.8/29,::/0", "deny-ip": "127.0.0.9" });
  expect(await ask("127.0.0.8")).toBe(200);
  expect(await ask("127.0.0.15")).toBe(200);
  expect(await ask("127.0.0.9")).toBe("AUTH_006");
  expect(await ask("127.0.0.1")).toBe("AUTH_006");
  expect(await ask("127.0.0.1", `GET / HTTP/1.1\r\nHost: x\r\nX-Sandbox-Id: box\r\n`)).toBe("AUTH_006");
  const execute = await fetch(`${gateway.url}/api/v1/sandbox/execute`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } }),
  });
  expect(await execute.json()).toMatchObject({
    error: { code: "AUTH_006", details: "This sandbox may not be called from this address", executed: "no" },
  });
  await set({ "allow-ip": null });
  expect(await ask("127.0.0.1")).toBe(200);
  expect(await ask("127.0.0.9")).toBe("AUTH_006");
});

test("who may not see a sandbox is not told where it may be called from", async () => {
  const { gateway, set } = await guarded();
  await set({ "deny-ip": "127.0.0.0/8" });
  const authorization = await gateway.authorization("executor", { sandboxes: ["other"] });
  const answer = await fetch(`${gateway.url}/s/box/`, { headers: { authorization } });
  expect(await answer.json()).toMatchObject({ error: { code: "ROUTE_001" } });
});

test("a stream ends when its sandbox may not be called from there any more", async () => {
  const { gateway, authorization, set } = await guarded();
  const stream = await RawConnection.open(gateway.port);
  await stream
    .send(`GET /s/box/events HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`)
    .received("data");
  await set({ "deny-ip": "10.0.0.0/8" });
  expect(stream.closed).toBe(false);
  await set({ "deny-ip": "::ffff:127.0.0.0/104" });
  await stream.end();
});
