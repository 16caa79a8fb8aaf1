import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startRawUpstream, startUpstream } from "../../support/upstream.ts";

describe("an error", () => {
  test("is JSON in the contract's envelope, not to be cached or guessed at, under its request's id", async () => {
    const gateway = await startTestGateway();
    const response = await fetch(`${gateway.url}/nowhere`, {
      headers: { authorization: await gateway.authorization() },
    });
    expect(response.status).toBe(404);
    const text = await response.text();
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/json",
      "content-length": String(text.length),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-request-id": expect.stringMatching(/^req_/),
      connection: "keep-alive",
      "keep-alive": expect.any(String),
      date: expect.any(String),
    });
    expect(JSON.parse(text)).toEqual({
      error: {
        code: "ROUTE_002",
        message: "No such page",
        details: "",
        remediation: "See the README for the paths the gateway serves",
        retryable: false,
        executed: "no",
        request_id: response.headers.get("x-request-id"),
      },
    });
  });

  test("to HEAD has the same head and no body, and the connection goes on", async () => {
    const gateway = await startTestGateway();
    const authorization = await gateway.authorization();
    const request = (method: string, ...fields: string[]): string =>
      [`${method} /nowhere HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, ...fields, "", ""].join("\r\n");
    const connection = new RawConnection(gateway.port);
    connection.send(request("HEAD") + request("GET", "Connection: close"));
    await connection.end();
    const [, first = "", second = ""] = connection.text.split("HTTP/1.1 404 Not Found\r\n");
    const length = /content-length: (\d+)/.exec(first)?.[1];
    expect(length).toBe(/content-length: (\d+)/.exec(second)?.[1]);
    expect(first.endsWith("\r\n\r\n")).toBe(true);
    expect(second).toContain('"ROUTE_002"');
  });

  test("keeps the connection when the request has been read to its end, and closes it when not", async () => {
    const gateway = await startTestGateway();
    const complete = await sendRaw(
      gateway.port,
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab".repeat(2),
    );
    expect(complete).toMatchObject({ statuses: [401, 401], closed: false });
    const open = await sendRaw(gateway.port, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", {
      quietMs: 2_000,
    });
    expect(open).toMatchObject({ statuses: [401], closed: true });
  });

  test("about a body that breaks off says what may have happened to the part that came", async () => {
    const gateway = await startTestGateway();
    let received = "";
    await gateway.addSandbox(
      "box",
      await startRawUpstream((socket) => void socket.on("data", (chunk) => (received += String(chunk)))),
    );
    const connection = new RawConnection(gateway.port);
    const fields = `Host: x\r\nAuthorization: ${await gateway.authorization()}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    connection.send(`POST /s/box/ HTTP/1.1\r\n${fields}5\r\nhello\r\n`);
    await eventually("the part arrives", () => received.includes("hello"));
    await connection.send("nonsense\r\n").end();
    expect(connection.statuses).toEqual([400]);
    expect(connection.text).toContain('"code":"VAL_001"');
    expect(connection.text).toContain('"executed":"maybe"');
  });

  test("inside the gateway is reported once and ends its own request only", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end("fine")));
    const sandbox = {
      id: "odd",
      runtime: "generic",
      driver: "static",
      strategy: "none",
      labels: {},
      settings: {},
      createdAt: 0,
      instances: [],
    };
    gateway.gateway.apply([{ revision: 9, change: { kind: "sandbox.put", sandbox } }]);
    const headers = { authorization: await gateway.authorization() };
    const response = await fetch(`${gateway.url}/s/odd/`, { headers });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "GW_001", retryable: false, executed: "no" } });
    expect(gateway.internalErrors).toMatchObject([{ code: "GW_001", details: "unknown strategy none" }]);
    expect((await fetch(`${gateway.url}/s/box/`, { headers })).status).toBe(200);
    expect(gateway.memory.slots.shared[0]).toBe(0);
  });
});

describe("who is not admitted", () => {
  test("because of his address is dropped when he connects, and summed in the record", async () => {
    const gateway = await startTestGateway({ env: { IP_DENY_LIST: "127.0.0.2/31" } });
    let calls = 0;
    await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end(String(++calls))));
    const request = `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n\r\n`;
    for (const [localAddress, status] of [
      ["127.0.0.2", "dropped"],
      ["127.0.0.3", "dropped"],
      ["127.0.0.1", 200],
      ["127.0.0.4", 200],
    ] as const) {
      const connection = new RawConnection(gateway.port, { localAddress });
      connection.send(request);
      await (status === 200 ? connection.received(/\r\n\r\n./) : connection.end());
      expect(connection.text === "" ? "dropped" : connection.statuses[0]).toBe(status);
    }
    expect(calls).toBe(2);
    const recorded = (): string[] =>
      gateway.records().map(({ kind, address, rule }) => [kind, address, rule].join(" "));
    await eventually("the sums are records", () => recorded().length === 4);
    expect(recorded().toSorted()).toEqual([
      "proxy 127.0.0.1 role:executor",
      "proxy 127.0.0.4 role:executor",
      "refused 127.0.0.2 AUTH_006",
      "refused 127.0.0.3 AUTH_006",
    ]);
  });

  test("cannot talk himself in with X-Forwarded-For, unless a trusted proxy says it", async () => {
    const lists = { IP_DENY_LIST: "10.0.0.0/8", TRUSTED_PROXIES: "127.0.0.9, 192.168.0.0/16" };
    const gateway = await startTestGateway({ env: lists });
    await gateway.addSandbox("box", await startUpstream((req, res) => void res.end(req.headers["x-forwarded-for"])));
    const authorization = await gateway.authorization();
    const addressOf = async (localAddress: string, ...forwarded: string[]): Promise<string> => {
      const fields = forwarded.map((value) => `X-Forwarded-For: ${value}\r\n`).join("");
      const connection = new RawConnection(gateway.port, { localAddress });
      connection.send(
        `GET /s/box/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n${fields}\r\n`,
      );
      await connection.end();
      const [, body = ""] = connection.text.split("\r\n\r\n");
      return connection.statuses[0] === 200
        ? body.replace(/^[0-9a-f]+\r\n|\r\n.*/g, "")
        : String(connection.statuses[0]);
    };
    expect(await addressOf("127.0.0.1", "203.0.113.7")).toBe("127.0.0.1");
    expect(await addressOf("127.0.0.1", "10.0.0.1")).toBe("127.0.0.1");
    expect(await addressOf("127.0.0.9", "203.0.113.7")).toBe("203.0.113.7");
    expect(await addressOf("127.0.0.9", "1.1.1.1, 203.0.113.7, 192.168.3.4")).toBe("203.0.113.7");
    expect(await addressOf("127.0.0.9", "1.1.1.1", "203.0.113.7")).toBe("203.0.113.7");
    expect(await addressOf("127.0.0.9", "203.0.113.7, 10.0.0.1")).toBe("403");
    expect(await addressOf("127.0.0.9", "10.0.0.1, 203.0.113.7")).toBe("203.0.113.7");
    expect(await addressOf("127.0.0.9", "::ffff:10.0.0.1")).toBe("403");
    expect(await addressOf("127.0.0.9", "nonsense")).toBe("127.0.0.9");
    const recorded = gateway.records().map(({ address }) => address);
    expect(new Set(recorded)).toEqual(new Set(["127.0.0.1", "203.0.113.7", "127.0.0.9"]));
  });
});

describe("a rate limit", () => {
  const env = { RATE_LIMIT_ENABLED: "true", PROXY_RATE_LIMIT_REQUESTS: "6", PROXY_RATE_LIMIT_BURST: "3" };

  test("answers 429 with the time to wait and the policy, to one caller over all his connections", async () => {
    const gateway = await startTestGateway({ env });
    let calls = 0;
    await gateway.addSandbox("box", await startUpstream((_req, res) => void res.end(String(++calls))));
    const authorization = await gateway.authorization();
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => fetch(`${gateway.url}/s/box/`, { headers: { authorization } })),
    );
    expect(responses.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(3);
    const refused = responses.find(({ status }) => status === 429);
    expect(refused?.headers.get("ratelimit-policy")).toBe('"proxy";q=6;w=60');
    const wait = Number(refused?.headers.get("retry-after"));
    expect(wait).toBeGreaterThan(8);
    expect(wait).toBeLessThanOrEqual(10);
    expect(refused?.headers.get("ratelimit")).toBe(`"proxy";r=0;t=${wait}`);
    const details = "This caller's limit of proxied requests (PROXY_RATE_LIMIT_REQUESTS): 6 in 60 s";
    const error = { code: "RATE_001", details, retryable: true, executed: "no" };
    expect(await refused?.json()).toMatchObject({ error });
    expect(calls).toBe(3);
  });

  test("holds for an address too, so that guessing tokens has one; behind a trusted proxy for the client's", async () => {
    const gateway = await startTestGateway({
      env: { RATE_LIMIT_ENABLED: "true", ADDRESS_RATE_LIMIT_REQUESTS: "25", TRUSTED_PROXIES: "127.0.0.9" },
    });
    const guess = async (localAddress: string, forwarded = ""): Promise<number | undefined> => {
      const connection = new RawConnection(gateway.port, { localAddress });
      connection.send(
        `GET /s/box/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer a.b.c\r\nX-Forwarded-For: ${forwarded}\r\n\r\n`,
      );
      await connection.end();
      return connection.statuses[0];
    };
    const guesses = async (...args: [string, string?]): Promise<unknown[]> => {
      const statuses = [];
      for (let round = 0; round < 4; round++) statuses.push(await guess(...args));
      return statuses;
    };
    expect(await guesses("127.0.0.1")).toEqual([401, 401, 401, 429]);
    expect(await guess("127.0.0.1", "203.0.113.1")).toBe(429);
    expect(await guesses("127.0.0.2")).toEqual([401, 401, 401, 429]);
    expect(await guesses("127.0.0.9", "203.0.113.1")).toEqual([401, 401, 401, 429]);
    expect(await guess("127.0.0.9", "203.0.113.2")).toBe(401);
    expect(await guesses("127.0.0.9", "2001:db8::1")).toEqual([401, 401, 401, 429]);
    expect(await guess("127.0.0.9", "2001:db8::ffff:1")).toBe(429);
  });

  test("does not hold for the health pages", async () => {
    const gateway = await startTestGateway({ env });
    for (let round = 0; round < 10; round++) expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });
});

test("when all places are taken and the queue is full, the next gets 503 with Retry-After; who leaves makes room", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1", MAX_PENDING_REQUESTS: "1" } });
  await gateway.addSandbox("box", await startRawUpstream(() => undefined));
  const request = `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n\r\n`;
  const served = new RawConnection(gateway.port).send(request);
  await eventually("one is served", () => gateway.memory.slots.shared[0] === 1);
  const waiting = new RawConnection(gateway.port).send(request);
  await eventually("one waits", () => gateway.memory.slots.waiting[0] === 1);
  const refused = new RawConnection(gateway.port).send(request);
  await refused.received('"code":"RATE_002"');
  expect(refused.statuses).toEqual([503]);
  expect(refused.text).toMatch(/\r\nretry-after: 1\r\n/);
  waiting.socket.destroy();
  await eventually("nobody waits", () => gateway.memory.slots.waiting[0] === 0);
  served.socket.destroy();
  await eventually("nobody is served", () => gateway.memory.slots.shared[0] === 0);
});
