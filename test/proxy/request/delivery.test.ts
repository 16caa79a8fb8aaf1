import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { startScriptedUpstream, startUpstream } from "../../support/upstream.ts";

/** A client that has sent its requests and reads nothing before it is told to. */
async function silentReader(gateway: TestGateway, requests: string): Promise<Socket> {
  const socket = connect(gateway.port, "127.0.0.1").on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.pause();
  socket.write(requests);
  return socket;
}

function connectionsOf({ memory }: TestGateway): number | undefined {
  return memory.connections[0]?.total[0];
}

function proxied(authorization: string): string {
  return `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
}

function executing(authorization: string): string {
  const body = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });
  const fields = `Host: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  return `POST /api/v1/sandbox/execute HTTP/1.1\r\n${fields}\r\n\r\n${body}`;
}

const MB = 1_000_000;

describe("a client that does not read", () => {
  const env = { PROXY_SEND_TIMEOUT: "500ms" };

  test("an answer made here is cut off in time, and nothing is kept for it", async () => {
    const gateway = await startTestGateway({ env });
    await gateway.addSandbox(
      "box",
      await startUpstream((_req, res) => void res.end(`{"stdout":"${"x".repeat(6 * MB)}"}`)),
    );
    const authorization = await gateway.authorization();
    for (let client = 0; client < 4; client++) await silentReader(gateway, executing(authorization));
    await eventually("all are recorded", () => gateway.records().length === 4, 15_000);
    expect(gateway.records().map(({ status }) => status)).toEqual(Array(4).fill(200));
    await eventually("all are cut off", () => connectionsOf(gateway) === 0, 5_000);
    expect(gateway.gateway.inFlight.size).toBe(0);
    expect(gateway.memory.slots.shared[0]).toBe(0);
  });

  test("the last bytes of a sandbox's answers is cut off", async () => {
    const gateway = await startTestGateway({ env });
    await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end("x".repeat(50_000))));
    const calls = proxied(await gateway.authorization()).repeat(90); // each whole when it comes, together more than kernels keep
    for (let client = 0; client < 3; client++) await silentReader(gateway, calls);
    await eventually("they are served", () => gateway.records().length > 3);
    await eventually("they are cut off", () => connectionsOf(gateway) === 0, 10_000);
    expect(gateway.gateway.inFlight.size).toBe(0);
  });

  test("a sandbox's answer is cut off and recorded, though more of it had been read when it fell behind", async () => {
    const gateway = await startTestGateway({ env });
    // What goes out is shorter than what comes in, so that the client falls behind in the middle of a read.
    const chunks = `800;a=${"b".repeat(2_000)}\r\n${"x".repeat(0x800)}\r\n`.repeat(7_000);
    await gateway.addSandbox(
      "box",
      await startScriptedUpstream(() => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`),
    );
    await silentReader(gateway, proxied(await gateway.authorization()));
    await eventually("it is cut off", () => connectionsOf(gateway) === 0 && gateway.records().length === 1, 10_000);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_006", status: 200 }]);
    expect(gateway.memory.slots.shared[0]).toBe(0);
  });
});

test.each([
  ["made here", executing],
  ["of a sandbox", proxied],
])("a client that trickles its reading of an answer %s is cut off, though it never stops", async (_, call) => {
  const gateway = await startTestGateway({ env: { PROXY_SEND_TIMEOUT: "500ms" } });
  const answer = `{"stdout":"${"x".repeat(6 * MB)}"}`;
  await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end(answer)));
  const socket = await silentReader(gateway, call(await gateway.authorization()));
  const trickle = setInterval(() => socket.read(1_000), 20);
  onTestFinished(() => clearInterval(trickle));
  await eventually("it is recorded", () => gateway.records().length === 1, 10_000);
  await eventually("it is cut off", () => connectionsOf(gateway) === 0, 5_000);
  expect(gateway.gateway.inFlight.size).toBe(0);
});

test.each([
  ["made here", executing],
  ["of a sandbox", proxied],
])(
  "a client that reads slowly gets the whole of an answer %s, though it takes longer than a pause may",
  async (_, call) => {
    const gateway = await startTestGateway({ env: { PROXY_SEND_TIMEOUT: "1s" } });
    const answer = `{"stdout":"${"x".repeat(6 * MB)}"}`;
    await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end(answer)));
    const socket = await silentReader(gateway, call(await gateway.authorization()));
    const before = performance.now();
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 15);
    });
    socket.resume();
    await eventually("all of it has come", () => received > 6 * MB || socket.destroyed, 18_000);
    expect(received).toBeGreaterThan(6 * MB);
    expect(performance.now() - before).toBeGreaterThan(1_000);
  },
);
