import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

interface Reply {
  readonly status: number;
  readonly policy: string | null;
  readonly details: string | undefined;
}

async function limited(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { RATE_LIMIT_ENABLED: "true", ...env } });
  await gateway.addSandbox("box", await startUpstream((_req, res) => res.end("{}")));
  return gateway;
}

async function ask({ url }: TestGateway, path: string, authorization: string, init: RequestInit = {}): Promise<Reply> {
  const headers = { authorization, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { headers, ...init });
  const body = (await response.json()) as { error?: { details: string } };
  return {
    status: response.status,
    policy: response.headers.get("ratelimit-policy"),
    details: body.error?.details,
  };
}

const CODE = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });
const run = (gateway: TestGateway, authorization: string): Promise<Reply> =>
  ask(gateway, "/api/v1/sandbox/execute", authorization, { method: "POST", body: CODE });

describe("at default limits", () => {
  test("an ordinary page of 43 requests is served whole, and again", async () => {
    const gateway = await limited();
    const authorization = await gateway.authorization();
    for (let visit = 0; visit < 2; visit++) {
      const replies = await Promise.all(
        Array.from({ length: 43 }, (_, asset) => ask(gateway, `/s/box/${asset}`, authorization)),
      );
      expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 43 }, () => 200));
    }
  });

  test("a caller meets its own limit before its address does, and others there go on", async () => {
    const gateway = await limited();
    const [one, other] = [await gateway.authorization(), await gateway.authorization("operator")];
    const replies = [await ask(gateway, "/api/v1/sandboxes", one)];
    while (replies.at(-1)?.status === 200) replies.push(await ask(gateway, "/api/v1/sandboxes", one));
    expect(replies.length).toBeGreaterThan(100); // and a few more, for the time it took
    expect(replies.at(-1)).toEqual({
      status: 429,
      policy: '"api";q=100;w=60',
      details: "This caller's limit of execute and API calls (RATE_LIMIT_REQUESTS): 100 in 60 s",
    });
    expect((await ask(gateway, "/api/v1/sandboxes", other)).status).toBe(200);
  });
});

test("running code and proxied requests have limits of their own", async () => {
  const gateway = await limited({ RATE_LIMIT_REQUESTS: "2", PROXY_RATE_LIMIT_REQUESTS: "3" });
  const authorization = await gateway.authorization();
  const ran = [await run(gateway, authorization), await run(gateway, authorization), await run(gateway, authorization)];
  expect(ran.map(({ status }) => status)).toEqual([200, 200, 429]);
  const proxied: Reply[] = [];
  for (let call = 0; call < 4; call++) proxied.push(await ask(gateway, "/s/box/", authorization));
  expect(proxied.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  expect([ran[2]?.policy, proxied[3]?.policy]).toEqual(['"api";q=2;w=60', '"proxy";q=3;w=60']);
});

test("requests that go nowhere count among a caller's API calls", async () => {
  const gateway = await limited({ RATE_LIMIT_REQUESTS: "2" });
  const authorization = await gateway.authorization();
  const statuses: number[] = [];
  for (const path of ["/nowhere", "/s/-bad-/", "/nowhere"])
    statuses.push((await ask(gateway, path, authorization)).status);
  expect(statuses).toEqual([404, 404, 429]);
});

test("an address's limit says that it is the address's", async () => {
  const gateway = await limited({ ADDRESS_RATE_LIMIT_REQUESTS: "1" });
  const authorization = await gateway.authorization();
  expect((await ask(gateway, "/s/box/", authorization)).status).toBe(200);
  expect(await ask(gateway, "/s/box/", authorization)).toEqual({
    status: 429,
    policy: '"address";q=1;w=60',
    details: "The limit of requests from this address (ADDRESS_RATE_LIMIT_REQUESTS): 1 in 60 s",
  });
});

test("behind a trusted proxy each client is counted, not the proxy", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONNECTIONS_PER_IP: "1", TRUSTED_PROXIES: "127.0.0.1" } });
  await gateway.addSandbox("box", await startUpstream(() => undefined));
  const authorization = await gateway.authorization();
  const from = async (client: string): Promise<RawConnection> => {
    const connection = await RawConnection.open(gateway.port);
    return connection.send(
      `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nX-Forwarded-For: ${client}\r\n\r\n`,
    );
  };
  await from("7.7.7.7");
  await from("8.8.8.8");
  await eventually("both are in flight", () => gateway.gateway.inFlight.size === 2);
  const another = await from("7.7.7.7");
  await another.received("request_id");
  expect(another.statuses).toEqual([429]);
  expect(another.text).toContain('"code":"RATE_003"');
  expect(another.text).toContain("Too many requests in flight");
});

test("a connection beyond all that are allowed is told so, and not that its address had too many", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONNECTIONS: "1" } });
  await RawConnection.open(gateway.port);
  const another = await RawConnection.open(gateway.port);
  await another.received("request_id");
  expect(another.statuses).toEqual([503]);
  expect(another.text).toContain('"code":"RATE_006"');
});
