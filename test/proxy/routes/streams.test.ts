import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { readAll, startUpstream } from "../../support/upstream.ts";

/** A gateway before an instance that answers /events with an open event stream, /long with a part, the rest at once. */
async function streaming(env: Record<string, string>) {
  const gateway = await startTestGateway({ env });
  const open: ServerResponse[] = [];
  const url = await startUpstream(async (req, res) => {
    await readAll(req);
    if (req.url === "/events") res.setHeader("content-type", "text/event-stream; charset=utf-8");
    if (req.url !== "/events" && req.url !== "/long") return res.end("quick");
    open.push(res);
    return res.write("data: 1\n\n");
  });
  await gateway.addSandbox("box", url);
  return { gateway, open };
}

async function call({ port }: TestGateway, authorization: string, path: string): Promise<RawConnection> {
  const connection = await RawConnection.open(port);
  return connection.send(`GET /s/box${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`);
}

async function counts({ url }: TestGateway): Promise<Record<string, unknown>> {
  const { in_flight, waiting, streams } = (await (await fetch(`${url}/health/proxy`)).json()) as Record<
    string,
    unknown
  >;
  return { in_flight, waiting, streams };
}

describe("an event stream", () => {
  test("is counted apart from requests from its beginning, until it ends", async () => {
    const { gateway } = await streaming({ MAX_CONCURRENT_REQUESTS: "1" });
    const authorization = await gateway.authorization();
    const streams = await Promise.all([1, 2, 3].map(() => call(gateway, authorization, "/events")));
    for (const stream of streams) await stream.received("data: 1");
    expect(await counts(gateway)).toEqual({ in_flight: 0, waiting: 0, streams: 3 });
    await (await call(gateway, authorization, "/")).received("quick");
    for (const stream of streams) stream.socket.destroy();
    await eventually("the places are free", async () => (await counts(gateway))["streams"] === 0);
  });

  test("beyond the caller's share is refused before its head, and others' are not", async () => {
    const { gateway } = await streaming({ MAX_STREAMS: "3", MAX_STREAMS_PER_CALLER: "1" });
    const [one, other] = [await gateway.authorization(), await gateway.authorization("operator")];
    await (await call(gateway, one, "/events")).received("data: 1");
    const refused = await call(gateway, one, "/events");
    await refused.received("request_id");
    expect(refused.statuses).toEqual([429]);
    expect(refused.text).toContain('"code":"RATE_004"');
    expect(refused.text).toContain('"executed":"maybe"');
    expect(refused.text, "the sandbox had the call: nobody is told to send it again").not.toMatch(/retry-after/i);
    await (await call(gateway, other, "/events")).received("data: 1");
    await eventually("the refused one left nothing behind", async () => (await counts(gateway))["in_flight"] === 0);
  });

  test("beyond all places is refused as overload", async () => {
    const { gateway } = await streaming({ MAX_STREAMS: "1", MAX_STREAMS_PER_CALLER: "1" });
    await (await call(gateway, await gateway.authorization(), "/events")).received("data: 1");
    const refused = await call(gateway, await gateway.authorization("operator"), "/events");
    await refused.received("request_id");
    expect(refused.statuses).toEqual([503]);
    expect(refused.text).toContain("No place for another stream");
    expect(refused.text).toContain('"executed":"maybe"');
    expect(refused.text).not.toMatch(/retry-after/i);
  });
});

describe("an answer that goes on", () => {
  test("becomes a stream and gives its slot to the next", async () => {
    const { gateway, open } = await streaming({ MAX_CONCURRENT_REQUESTS: "1", STREAM_AFTER: "50ms" });
    const authorization = await gateway.authorization();
    const long = await call(gateway, authorization, "/long");
    await long.received("data: 1");
    await (await call(gateway, authorization, "/")).received("quick");
    expect(await counts(gateway)).toMatchObject({ streams: 1 });
    open[0]?.end("the end");
    await long.received("the end");
    await eventually("its place is free", async () => (await counts(gateway))["streams"] === 0);
  });

  test("keeps its slot when there is no place for another stream", async () => {
    const env = { MAX_CONCURRENT_REQUESTS: "1", STREAM_AFTER: "1ms", MAX_STREAMS: "0", QUEUE_TIMEOUT: "600ms" };
    const { gateway, open } = await streaming(env);
    const authorization = await gateway.authorization();
    const long = await call(gateway, authorization, "/long");
    await long.received("data: 1");
    const next = await call(gateway, authorization, "/");
    await next.received("No slot came free in time");
    expect(next.statuses).toEqual([503]);
    open[0]?.end("the end");
    await long.received("the end");
    await (await call(gateway, authorization, "/")).received("quick");
  });
});

test("an answer that waits in memory for its client keeps its slot until it is read or the client has gone", async () => {
  const env = { MAX_CONCURRENT_REQUESTS: "1", MAX_RESPONSE_SIZE: "64mb" };
  const gateway = await startTestGateway({ env });
  const stdout = "x".repeat(24 * 1024 * 1024);
  await gateway.addSandbox("box", await startUpstream((_req, res) => res.end(JSON.stringify({ stdout }))));
  const authorization = await gateway.authorization();
  const body = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });
  const connection = await RawConnection.open(gateway.port);
  connection.socket.pause();
  connection.send(
    `POST /api/v1/sandbox/execute HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const answers = (): number => gateway.records().filter(({ status }) => status === 200).length;
  await eventually("it is recorded", () => answers() === 1);
  expect(await counts(gateway)).toEqual({ in_flight: 1, waiting: 0, streams: 0 });
  connection.socket.destroy();
  await eventually("the slot is free", async () => (await counts(gateway))["in_flight"] === 0);
});
