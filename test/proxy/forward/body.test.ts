import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { closedPort, echo, startRawUpstream, startUpstream } from "../../support/upstream.ts";

async function posting(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  const authorization = await gateway.authorization();
  const post = async (...fields: string[]): Promise<RawConnection> => {
    const client = await RawConnection.open(gateway.port);
    const lines = ["POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, ...fields];
    return client.send(`${lines.join("\r\n")}\r\n\r\n`);
  };
  return { gateway, post };
}

test("a body that the instance does not take is not taken from the client either", async () => {
  const { gateway, post } = await posting({ MAX_BODY_SIZE: "100mb" });
  let received = 0;
  const held: Socket[] = [];
  await gateway.addSandbox(
    "box",
    await startRawUpstream((socket) => {
      held.push(socket);
      socket.pause().on("data", (chunk) => (received += chunk.length));
    }),
  );
  const client = await post("Content-Length: 30000000");
  client.send("x".repeat(30_000_000));
  const taken = (): number => [...gateway.gateway.inFlight][0]?.bytesIn ?? 0;
  let before = -1;
  await eventually("the taking stops", () => {
    const still = taken() === before && before > 0;
    before = taken();
    return new Promise((resolve) => setTimeout(() => resolve(still), 100));
  });
  expect(taken()).toBeLessThan(15_000_000); // what the kernels and the streams between keep
  expect(client.socket.writableLength).toBeGreaterThan(0);
  held[0]?.resume();
  await eventually("all of it arrives", () => received > 30_000_000, 10_000);
  expect(taken()).toBe(30_000_000);
});

test("a body is untouched by an attempt that got no connection", async () => {
  const { gateway, post } = await posting();
  await gateway.addSandbox("box", await closedPort(), await closedPort(), await startUpstream(echo));
  const client = await post("Connection: close", "Transfer-Encoding: chunked");
  client.send("3\r\none\r\n4\r\n two\r\n0\r\n\r\n");
  await client.end();
  expect(client.statuses).toEqual([200]);
  expect(client.text).toContain('"body":"one two"');
});

test("an answer that comes before the body is whole reaches the client, and the rest of the body no other call", async () => {
  const { gateway, post } = await posting();
  const brought: string[] = [];
  const url = await startRawUpstream((socket) => {
    const index = brought.push("") - 1;
    socket.on("data", (chunk) => {
      brought[index] += chunk.toString("latin1");
      if (brought[index]?.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
    });
  });
  await gateway.addSandbox("box", url);
  const client = await post("Content-Length: 1000");
  await client.received("early");
  client.send("x".repeat(500));
  await client.end();
  const next = await post("Content-Length: 0", "Connection: close");
  await next.end();
  expect(next.statuses).toEqual([200]);
  expect(brought).toHaveLength(2);
  expect(brought[1]).toMatch(/^POST \/ /);
});
