import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { startUpstreamClient } from "../../../support/upstream-client.ts";

/** One host with servers on many ports; `open`: to how many of them there is a connection. */
async function startPorts(count: number) {
  const connections = new Map<number, number>();
  const ports: number[] = [];
  for (let index = 0; index < count; index++) {
    const server = createServer((req, res) => res.end(`${req.headers.host}`));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    server.on("connection", (socket) => {
      connections.set(port, (connections.get(port) ?? 0) + 1);
      socket.on("close", () => connections.set(port, (connections.get(port) as number) - 1));
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    ports.push(port);
  }
  const open = (): number => ports.filter((port) => (connections.get(port) ?? 0) > 0).length;
  return { ports, open };
}

test("each port of an instance has connections of its own, and not too many ports have any at a time", async () => {
  const { ports, open } = await startPorts(40);
  const { client, instance, ask } = startUpstreamClient(`http://127.0.0.1:${ports[0]}`);
  expect((await ask()).body).toBe(`127.0.0.1:${ports[0]}`);
  for (const port of ports) expect(await ask({ port })).toMatchObject({ status: 200, body: `127.0.0.1:${port}` });
  await eventually("the ports used first are let go of", () => open() === 33); // the own one too
  const again = await ask({ port: ports.at(-1) as number });
  expect(again.events).not.toContain("connecting");
  client.forget(instance.id);
  await eventually("all are", () => open() === 0);
  expect((await ask({ port: ports[1] as number })).body).toBe(`127.0.0.1:${ports[1]}`);
});
