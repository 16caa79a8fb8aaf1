import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import { GatewayError } from "../../../src/errors.ts";
import { BodyMemory } from "../../../src/limits/body-memory.ts";
import { Cap } from "../../../src/limits/cap.ts";
import { Exchange } from "../../../src/proxy/request/exchange.ts";
import { InFlight } from "../../../src/proxy/request/in-flight.ts";
import { type BodyLimits, readBody } from "../../../src/proxy/request/read-body.ts";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

const LIMITS: BodyLimits = { size: 1000, silenceMs: 60_000, rate: { bytesPerSecond: 100, afterMs: 100 } };

/** A server that reads bodies and keeps what came of it. */
async function reading(limits: BodyLimits) {
  const memory = createSharedMemory(1);
  const cap = new Cap({ lanes: memory.bodies, thread: 0, max: 1000, share: 1000 });
  const outcomes: (string | GatewayError)[] = [];
  const server = createServer((req, res) => {
    const exchange = new Exchange(req, res, "req_1", new InFlight<Exchange>());
    readBody(exchange, new BodyMemory({ cap, callerKey: null }), limits).then(
      (body) => void outcomes.push(body.toString()),
      (error: GatewayError) => void outcomes.push(error),
    );
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
  return { port, outcomes };
}

function post(length: number, body: string): string {
  return `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

describe("a body", () => {
  test("that comes a byte now and then is given up, though it never stands still", async () => {
    const { port, outcomes } = await reading({ ...LIMITS, silenceMs: 300 });
    const connection = await RawConnection.open(port);
    connection.send(post(1000, "x"));
    const drip = setInterval(() => connection.send("x"), 50);
    onTestFinished(() => clearInterval(drip));
    await eventually("it is given up", () => outcomes.length === 1);
    expect(outcomes[0]).toMatchObject({ code: "VAL_008", details: "slower than 100 bytes a second" });
  });

  test("that is slow but fast enough is read", async () => {
    const { port, outcomes } = await reading(LIMITS);
    const connection = await RawConnection.open(port);
    connection.send(post(500, "x".repeat(400)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    connection.send("x".repeat(100));
    await eventually("it is read", () => outcomes.length === 1);
    expect(outcomes[0]).toBe("x".repeat(500));
  });
});

/** An execute call's head and all of its body but the last byte. */
function unfinished(authorization: string, bytes: number): string {
  const start = '{"sandbox_id":"box","operation":"run_code","payload":{"code":"';
  const body = `${start}${"x".repeat(bytes - start.length - 3)}"}}`;
  return `POST /api/v1/sandbox/execute HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n${body.slice(0, -1)}`;
}

describe("bodies held in memory", () => {
  const KB = 1024;

  async function begin({ port, memory }: TestGateway, authorization: string): Promise<RawConnection> {
    const connection = await RawConnection.open(port);
    const before = memory.bodies[0]?.total[0] as number;
    connection.send(unfinished(authorization, 390 * KB));
    const came = (): boolean => memory.bodies[0]?.total[0] === before + 390 || connection.text.includes("request_id");
    await eventually("all but a byte of it is held, or it is refused", came);
    return connection;
  }

  test("are bounded in all and for each caller, over that refused at once, and leave nothing behind", async () => {
    const env = { MAX_BUFFERED_BODIES: "1mb", MAX_BODY_SIZE: "400kb", MAX_CONCURRENT_REQUESTS: "100" };
    const gateway = await startTestGateway({ env });
    await gateway.addSandbox("box", await startUpstream((_req, res) => res.end("{}")));
    const [one, other, third] = [
      await gateway.authorization(),
      await gateway.authorization("operator"),
      await gateway.authorization("admin"),
    ];
    const held = [await begin(gateway, one)];
    const overShare = await begin(gateway, one);
    expect(overShare.statuses).toEqual([503]);
    expect(overShare.text).toContain('"code":"RATE_005"');
    expect(overShare.text).toContain("No room for more of this caller's bodies");
    expect(overShare.text).toMatch(/retry-after: 1\r\n/i);
    held.push(await begin(gateway, other));
    expect((await begin(gateway, third)).text).toContain("No room for more of all callers' bodies");
    for (const connection of held) {
      connection.send("}");
      await connection.received("request_id", 5_000).catch(() => undefined);
      expect(connection.statuses).toEqual([200]);
    }
    await eventually("all memory is free", () => gateway.memory.bodies[0]?.total[0] === 0);
    expect(gateway.memory.bodies[0]?.sketch.every((count) => count === 0)).toBe(true);
  });

  test("are not read before their call has a slot", async () => {
    const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
    await gateway.addSandbox("box", await startUpstream((_req, res) => res.end("{}")));
    const authorization = await gateway.authorization();
    await begin(gateway, authorization);
    const waiting = await RawConnection.open(gateway.port);
    waiting.send(unfinished(authorization, 390 * KB));
    await eventually("it waits", () => gateway.memory.slots.waiting[0] === 1);
    expect(gateway.memory.bodies[0]?.total[0]).toBe(390);
  });
});
