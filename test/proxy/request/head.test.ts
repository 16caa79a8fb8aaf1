import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGatewayOptions } from "../../support/gateway.ts";
import { startOracle } from "../../support/oracle.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

async function oracleGateway(options: TestGatewayOptions = {}) {
  const gateway = await startTestGateway(options);
  const oracle = await startOracle();
  await gateway.addSandbox("box", oracle.url);
  return { gateway, oracle, authorization: await gateway.authorization() };
}

/** Sends each request on a connection of its own; what became of them, by name: status, code, whether it was closed. */
async function verdicts(port: number, requests: readonly (readonly [name: string, bytes: string])[]) {
  const replies = requests.map(async ([name, bytes]) => {
    const { text, statuses, closed } = await sendRaw(port, bytes, { quietMs: 2_000 });
    const code = /"error":\{"code":"(\w+)",.*"request_id":"req_/.exec(text)?.[1];
    return [name, `${statuses.join(" ")} ${code} ${closed && /\r\nconnection: close\r\n/i.test(text) ? "closed" : ""}`];
  });
  return Object.fromEntries(await Promise.all(replies)) as Record<string, string>;
}

function allOf(requests: readonly (readonly [name: string, ...rest: unknown[]])[], verdict: string) {
  return Object.fromEntries(requests.map(([name]) => [name, verdict]));
}

/** A request head of these lines. */
const head = (...lines: string[]): string => `${lines.join("\r\n")}\r\n\r\n`;

describe("the gateway refuses with 400, closes, and lets nothing through:", () => {
  test("a Host field that is missing, doubled or no host", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const hosts = [
      [],
      ["x", "x"],
      ["x", "y"],
      [""],
      ["x y"],
      ["x\ty"],
      ["u@x"],
      ["x/y"],
      ["x\\y"],
      ["x:y"],
      ["[::1"],
      ["x,y@z"],
      ["x,x"],
      ["."],
      [".x"],
      ["x..y"],
      ["x.."],
      ["x%00"],
      ["x%2ey"],
      ["x:65536"],
      ["x:99999"],
      ["x:080808"],
      ["x:-1"],
      ["x:80:80"],
      ["[x]"],
      ["[::::]"],
      ["[1.2.3.4]"],
      ["[::1]x"],
      ["[::1]:65536"],
      ["::1"],
    ];
    const requests = hosts.map((values) => {
      const fields = values.map((value) => `Host: ${value}`);
      return [
        JSON.stringify(values),
        head("GET /s/box/ HTTP/1.1", ...fields, `Authorization: ${authorization}`),
      ] as const;
    });
    expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "400 VAL_001 closed"));
    expect(oracle.received()).toBe("");
  });

  test("a field twice that means one thing", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const values: Record<string, string> = {
      Authorization: authorization,
      "Content-Length": "0",
      "Transfer-Encoding": "chunked",
      "X-Sandbox-Id": "box",
      Expect: "100-continue",
    };
    const names = [
      ...Object.keys(values),
      "Content-Type",
      "content-encoding",
      "Upgrade",
      "X-Sandbox-Port",
      "X-Sandbox-Selector",
      "Idempotency-Key",
      "Origin",
      "Referer",
      "User-Agent",
      "From",
      "Date",
      "Range",
      "If-Range",
      "If-Modified-Since",
      "If-Unmodified-Since",
      "Max-Forwards",
      "Proxy-Authorization",
    ];
    const requests = names.map((name) => {
      const line = `${name}: ${values[name] ?? "a"}`;
      const once = name === "Authorization" ? [] : [`Authorization: ${authorization}`];
      return [
        name,
        head("POST /s/box/ HTTP/1.1", "Host: x", ...once, line, "Accept: */*", line.toLowerCase()),
      ] as const;
    });
    expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "400 VAL_001 closed"));
    expect(oracle.received()).toBe("");
  });

  test("a field that names a destination in a spelling by which nothing goes", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const requests = ["X_Sandbox_Port: 9222", "X_Sandbox_Selector: a=b"].map((line): [string, string] => [
      line,
      head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Content-Length: 0", line),
    ]);
    expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "400 VAL_001 closed"));
    expect(oracle.received()).toBe("");
  });

  test("a request line that is not METHOD /path HTTP/1.1", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const lines = [
      "GET * HTTP/1.1",
      "GET /s/box/ HTTP/2.0",
      "GET /s/box/ HTTP/0.9",
      "GET /s/box/ HTTP/1.2",
      "GET /s/box/ HTTP/1.10",
      "GET /s/box/ http/1.1",
      "GET /s/box/ HTTP/1,1",
      "GET /s/box/ ICE/1.0",
      "GET /s/box/ HTTP/1.1 x",
      "GET\t/s/box/\tHTTP/1.1",
      "GET /s/box/\u00a0HTTP/1.1",
      "GET /s/box/",
      "get /s/box/ HTTP/1.1",
      "G\0ET /s/box/ HTTP/1.1",
      "PRI * HTTP/2.0",
      "GET /s/box/#fragment HTTP/1.1",
      "GET /s/box/?q#fragment HTTP/1.1",
      "GET /s/box/\\..\\ HTTP/1.1",
      "GET /s/box/\x00 HTTP/1.1",
      "GET /s/box/\x7f HTTP/1.1",
      "GET /s/box/\xc3\xa4 HTTP/1.1",
      "GET /s/box/?\xc3\xa4 HTTP/1.1",
      "GET s/box/ HTTP/1.1",
      "GET ?x HTTP/1.1",
      "GET http://user@x/s/box/ HTTP/1.1",
      "GET http://user:word@x/s/box/ HTTP/1.1",
      "GET http:///s/box/ HTTP/1.1",
      "GET http://x#/s/box/ HTTP/1.1",
      "GET http://x y/s/box/ HTTP/1.1",
      "GET http://x:y/s/box/ HTTP/1.1",
      "GET http://x,x/s/box/ HTTP/1.1",
      "GET https:///s/box/ HTTP/1.1",
      "GET https:/s/box/ HTTP/1.1",
      "GET httpss://x/s/box/ HTTP/1.1",
      "POST * HTTP/1.1",
      "OPTIONS ** HTTP/1.1",
      "OPTIONS *?x HTTP/1.1",
      "OPTIONS /s/box/\\ HTTP/1.1",
      "GET ftp://x/s/box/ HTTP/1.1",
      "GET x:80 HTTP/1.1",
      "GET /s/box/../other/ HTTP/1.1",
      "GET /s/box/%2e%2E/other/ HTTP/1.1",
      "GET /s/box/. HTTP/1.1",
    ];
    const requests = lines.map((line) => [line, head(line, "Host: x", `Authorization: ${authorization}`)] as const);
    expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "400 VAL_001 closed"));
    expect(oracle.received()).toBe("");
  });

  test("fields that parsers read differently", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const fields = [
      "X_Sandbox_Id: other",
      "x-sandbox_id: box",
      "X_Sandbox_Token: a",
      "X-Sandbox_Port: 1",
      "X-A : 1",
      " X-A: 1",
      "X A: 1",
      "X-A",
      ": 1",
      "X-\0A: 1",
      "X-A: 1\0",
      "X-A: 1\x01",
      "X-A: 1\x7f",
      "X-A: 1\rX-B: 2",
      "X-A: 1\nX-B: 2",
      "X-A: 1\r\r\nX-B: 2",
      "X-A: 1\r\n folded",
      "X-A: 1\r\n\tfolded",
      "X-\xe4: 1",
      "X-A(: 1",
    ];
    const requests = [
      ...fields.map((field) => [
        field,
        head("GET /s/box/ HTTP/1.1", "Host: x", field, `Authorization: ${authorization}`),
      ]),
      ["first line folded", head("GET /s/box/ HTTP/1.1", " Host: x", "Host: x", `Authorization: ${authorization}`)],
      ["only LF", head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`).replaceAll("\r", "")],
      ["LF at the end", `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\n`],
      ["only CR", head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`).replaceAll("\n", "")],
    ] as [string, string][];
    const { "only CR": stuck, ...refused } = await verdicts(gateway.port, requests);
    expect(refused).toEqual(allOf(requests.slice(0, -1), "400 VAL_001 closed"));
    expect(stuck).not.toContain("200");
    expect(oracle.received()).toBe("");
  });

  test("a body whose length can be read in two ways", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const encodings = [
      "Chunked",
      "CHUNKED",
      "xchunked",
      "chunkedx",
      "chunked, identity",
      "identity, chunked",
      "identity",
      "gzip, chunked",
      "gzip",
      "chunked, chunked",
      "chunked;q=1",
      '"chunked"',
      "chunked,",
      ",chunked",
      "\vchunked",
      "\x01chunked",
      "chu\tnked",
      "",
    ].map((value) => [`TE ${JSON.stringify(value)}`, [`Transfer-Encoding: ${value}`]] as const);
    const lengths = ["+5", "-5", "5,5", "5 5", "5, 5", "0x5", "5;", "5.0", "1e1", "", "five", "9".repeat(25)].map(
      (value) => [`CL ${JSON.stringify(value)}`, [`Content-Length: ${value}`]] as const,
    );
    const framings = [
      ...encodings,
      ...lengths,
      ["two CL", ["Content-Length: 5", "Content-Length: 5"]],
      ["two other CL", ["Content-Length: 5", "content-length: 6"]],
      ["TE and CL", ["Transfer-Encoding: chunked", "Content-Length: 5"]],
      ["CL and TE", ["Content-Length: 5", "Transfer-Encoding: chunked"]],
      ["two TE", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]],
      ["TE_", ["Transfer_Encoding: chunked"]],
      ["CL_", ["Content_Length: 5"]],
      ["TE_ and TE", ["Transfer_Encoding: gzip", "Transfer-Encoding: chunked"]],
      ["CL and CL_", ["Content-Length: 5", "Content_Length: 6"]],
      ["a WebSocket with a length", ["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"]],
      ["a WebSocket with chunks", ["Connection: Upgrade", "Upgrade: WebSocket", "Transfer-Encoding: chunked"]],
      ["a WebSocket among others", ["Connection: Upgrade", "Upgrade: h2c,websocket/13", "Content-Length: 5"]],
    ] as [string, string[]][];
    const smuggled = head("GET /s/box/smuggled HTTP/1.1", "Host: x", `Authorization: ${authorization}`);
    const body = `5\r\nhello\r\n0\r\n\r\n${smuggled}`;
    const requests = framings.map(
      ([name, lines]) =>
        [name, head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, ...lines) + body] as const,
    );
    const old = ["chunked", "Chunked", "gzip, chunked"].map(
      (value) =>
        [
          `HTTP/1.0 ${value}`,
          head("POST /s/box/ HTTP/1.0", "Host: x", `Authorization: ${authorization}`, `Transfer-Encoding: ${value}`) +
            body,
        ] as const,
    );
    expect(await verdicts(gateway.port, [...requests, ...old])).toEqual(
      allOf([...requests, ...old], "400 VAL_001 closed"),
    );
    expect(oracle.received()).toBe("");
  });

  test("chunks that are none, and trailers that change what came before: the sandbox never sees a whole request", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const bodies = [
      "0x5\r\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "-5\r\nhello\r\n0\r\n\r\n",
      " 5\r\nhello\r\n0\r\n\r\n",
      "5 \r\nhello\r\n0\r\n\r\n",
      "5\nhello\n0\n\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "5\r\nhello0\r\n\r\n",
      "zz\r\n",
      "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
      "5;a=\x00\r\nhello\r\n0\r\n\r\n",
      "5;a\nb\r\nhello\r\n0\r\n\r\n",
      ...[
        "Content-Length: 3",
        "Host: y",
        "Transfer-Encoding: chunked",
        "Authorization: x",
        "X-Sandbox-Id: y",
        "X-Any: 1",
      ].map((trailer) => `5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`),
    ];
    const fields = ["Host: x", `Authorization: ${authorization}`, "Transfer-Encoding: chunked"];
    const requests = bodies.map((body) => [body, head("POST /s/box/ HTTP/1.1", ...fields) + body] as const);
    expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "400 VAL_001 closed"));
    expect(oracle.requests).toEqual([]);
    expect(oracle.problems).toEqual([]);
    await eventually("nothing is in flight", async () => (await inFlight(gateway.url)) === 0);
  });
});

async function inFlight(url: string): Promise<number> {
  const page = (await (await fetch(`${url}/health/proxy`)).json()) as { in_flight: number };
  return page.in_flight;
}

test("CONNECT and TRACE are refused with 405 and the methods that are allowed", async () => {
  const { gateway, oracle, authorization } = await oracleGateway();
  for (const [method, target] of [
    ["CONNECT", "x:80"],
    ["CONNECT", "/s/box/"],
    ["TRACE", "/s/box/"],
  ]) {
    const { text, statuses } = await sendRaw(
      gateway.port,
      head(`${method} ${target} HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, "Connection: close"),
    );
    expect(statuses).toEqual([405]);
    expect(text).toMatch(/\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n/);
    expect(text).toContain('"code":"ROUTE_003"');
  }
  expect(oracle.received()).toBe("");
});

test("an expectation other than 100-continue is refused with 417", async () => {
  const { gateway, oracle, authorization } = await oracleGateway();
  const requests = ["weird", "100-continue, weird", "100-continues", "x100-continue", ""].map((value) => {
    const fields = ["Host: x", `Authorization: ${authorization}`, `Expect: ${value}`, "Content-Length: 5"];
    return [value, `${head("POST /s/box/ HTTP/1.1", ...fields)}hello`] as const;
  });
  expect(await verdicts(gateway.port, requests)).toEqual(allOf(requests, "417 VAL_009 closed"));
  expect(oracle.received()).toBe("");
});

describe("sizes:", () => {
  test("the hundredth field passes, the next is refused with 431", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const withFields = (count: number): string =>
      head(
        "GET /s/box/ HTTP/1.1",
        "Host: x",
        `Authorization: ${authorization}`,
        "Connection: close",
        ...Array.from({ length: count - 3 }, (_, index) => `X-${index}: 1`),
      );
    const verdict = await verdicts(gateway.port, [
      ["100", withFields(100)],
      ["101", withFields(101)],
      ["1000", withFields(1000)],
    ]);
    expect(verdict).toEqual({ 100: "200 undefined closed", 101: "431 VAL_006 closed", 1000: "431 VAL_006 closed" });
    expect(oracle.requests).toHaveLength(1);
  });

  test("a header section over 16 KiB is refused with 431, however much of it comes, and the client gets to read that", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const withSection = (bytes: number): string => {
      const rest = head(
        "GET /s/box/ HTTP/1.1",
        "Host: x",
        "Connection: close",
        `Authorization: ${authorization}`,
        "X-A: ",
      );
      return rest.replace("X-A: ", `X-A: ${"a".repeat(bytes - rest.length)}`);
    };
    const verdict = await verdicts(gateway.port, [
      ["16,000", withSection(16_000)],
      ["17,000", withSection(17_000)],
      ["a million", withSection(1_000_000)],
    ]);
    expect(verdict).toEqual({
      "16,000": "200 undefined closed",
      "17,000": "431 VAL_006 closed",
      "a million": "431 VAL_006 closed",
    });
    expect(oracle.requests).toHaveLength(1);
  });

  test("a target of 8 KiB passes, one more byte is refused with 414", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const withTarget = (length: number): string => {
      const target = `/s/box/${"a".repeat(length - "/s/box/".length)}`;
      return head(`GET ${target} HTTP/1.1`, "Host: x", "Connection: close", `Authorization: ${authorization}`);
    };
    const verdict = await verdicts(gateway.port, [
      ["8192", withTarget(8192)],
      ["8193", withTarget(8193)],
    ]);
    expect(verdict).toEqual({ 8192: "200 undefined closed", 8193: "414 VAL_007 closed" });
    expect(oracle.requests).toHaveLength(1);
  });
});

describe("what passes:", () => {
  test("an absolute target loses scheme and authority, which say what Host says", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const targets = [
      ["http://x/s/box/a?b", "x"],
      ["HTTP://X:80/s/box/a?b", "x"],
      ["http://x:/s/box/a?b", "x:80"],
      ["http://[::1]:8080/s/box/a?b", "[::1]:8080"],
      ["https://x/s/box/a?b", "x:443"],
      ["https://x.y:8443/s/box/a?b", "X.Y:8443"],
    ];
    for (const [target, host] of targets) {
      const bytes = head(`GET ${target} HTTP/1.1`, `Host: ${host}`, `Authorization: ${authorization}`);
      expect(
        (await sendRaw(gateway.port, bytes.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))).statuses,
      ).toEqual([200]);
    }
    expect(oracle.requests.map(({ target }) => target)).toEqual(targets.map(() => "/a?b"));
    expect(oracle.problems).toEqual([]);
  });

  test("an absolute target names the host of an HTTP/1.0 request that has no Host field", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const bytes = head("GET http://x:81/s/box/ HTTP/1.0", `Authorization: ${authorization}`);
    expect((await sendRaw(gateway.port, bytes)).statuses).toEqual([200]);
    expect(oracle.requests[0]?.fields).toContainEqual(["x-forwarded-host", "x:81"]);
  });

  test.each([
    ["other", "x"],
    ["x:81", "x"],
    ["x:443", "x"],
    ["x", "x."],
    ["[::1]", "[::2]"],
  ])("not a target for %s with a Host of %s", async (authority, host) => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const bytes = head(`GET http://${authority}/s/box/ HTTP/1.1`, `Host: ${host}`, `Authorization: ${authorization}`);
    expect(await verdicts(gateway.port, [["it", bytes]])).toEqual({ it: "400 VAL_001 closed" });
    expect(oracle.received()).toBe("");
  });

  test("OPTIONS of a whole server, where a field names the sandbox", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const fields = ["Host: x", "X-Sandbox-Id: box", `Authorization: ${authorization}`, "Connection: close"];
    for (const target of ["*", "http://x"]) {
      expect((await sendRaw(gateway.port, head(`OPTIONS ${target} HTTP/1.1`, ...fields))).statuses).toEqual([200]);
    }
    expect(oracle.requests.map(({ method, target }) => [method, target])).toEqual([
      ["OPTIONS", "*"],
      ["OPTIONS", "*"],
    ]);
    expect(oracle.problems).toEqual([]);
  });

  test("every visible character that ends no path, byte for byte", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const path = "/!\"$%&'()*+,-.0:;<=>@A[]^_`a{|}~?!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    const bytes = head(`GET /s/box${path} HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, "Connection: close");
    expect((await sendRaw(gateway.port, bytes)).statuses).toEqual([200]);
    expect(oracle.requests.map(({ target }) => target)).toEqual([path]);
  });

  test.each([
    ["none", [], ""],
    ["one with a length", ["Content-Length: 5"], "hello"],
  ])("an offer to go on in another protocol, with a body or without: %s", async (_what, framing, body) => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const fields = ["Host: x", `Authorization: ${authorization}`];
    // What Java's HttpClient sends with every request until a server has answered.
    const offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk"];
    const connection = new RawConnection(gateway.port);
    connection.send(head("POST /s/box/1 HTTP/1.1", ...fields, ...offer, ...framing) + body);
    await connection.received("ok");
    connection.send(head("GET /s/box/2 HTTP/1.1", ...fields, "Connection: close"));
    await connection.end();
    expect(connection.statuses).toEqual([200, 200]);
    expect(oracle.requests.map((request) => [request.target, request.body])).toEqual([
      ["/1", body === "" ? "" : "hello"],
      ["/2", ""],
    ]);
    const names = oracle.requests[0]?.fields.map(([name]) => name);
    expect(names).not.toContain("upgrade");
    expect(names).not.toContain("http2-settings");
    expect(oracle.problems).toEqual([]);
  });

  test("white space around a value is no part of it", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const fields = [
      "Host:\t x \t",
      `Authorization: ${authorization} \t`,
      "Transfer-Encoding: \t chunked",
      "Connection: close ",
    ];
    const bytes = `${head("POST /s/box/ HTTP/1.1", ...fields)}5\r\nhello\r\n0\r\n\r\n`;
    expect((await sendRaw(gateway.port, bytes)).statuses).toEqual([200]);
    expect(oracle.requests).toMatchObject([{ body: "hello" }]);
    expect(oracle.problems).toEqual([]);
  });

  test.each(["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND", "QUERY"])(
    "a %s body, with a length or in chunks, arrives as one unambiguous body",
    async (method) => {
      const { gateway, oracle, authorization } = await oracleGateway();
      const fields = ["Host: x", `Authorization: ${authorization}`];
      const chunks = "2;ext=1\r\nhe\r\n003\r\nllo\r\n0\r\nServer-Timing: a\r\n\r\n";
      const bytes = [
        `${head(`${method} /s/box/1 HTTP/1.1`, ...fields, "Content-Length: 5")}hello`,
        `${head(`${method} /s/box/2 HTTP/1.1`, ...fields, "Transfer-Encoding: chunked")}${chunks}`,
        head(`${method} /s/box/3 HTTP/1.1`, ...fields, "Content-Length: 0"),
        head(`${method} /s/box/4 HTTP/1.1`, ...fields, "Connection: close"),
      ].join("");
      const { statuses } = await sendRaw(gateway.port, bytes);
      expect(statuses).toEqual([200, 200, 200, 200]);
      expect(oracle.problems).toEqual([]);
      expect(oracle.requests.map(({ target, body }) => [target, body])).toEqual([
        ["/1", "hello"],
        ["/2", "hello"],
        ["/3", ""],
        ["/4", ""],
      ]);
    },
  );
});

const expecting = (path: string, ...fields: string[]): string =>
  head(`POST ${path} HTTP/1.1`, "Host: x", "Expect: 100-continue", "Content-Length: 5", ...fields);

describe("Expect: 100-continue", () => {
  test("is not answered before the caller is known and may go on", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const viewer = await gateway.authorization("viewer");
    const json = "Content-Type: application/json";
    const cases = [
      [401, expecting("/s/box/")],
      [401, expecting("/s/box/", "Authorization: Bearer nonsense")],
      [403, expecting("/s/box/", `Authorization: ${viewer}`)],
      [404, expecting("/s/none/", `Authorization: ${authorization}`)],
      [401, expecting("/api/v1/sandbox/execute", json)],
      [403, expecting("/api/v1/sandbox/execute", json, `Authorization: ${viewer}`)],
      [415, expecting("/api/v1/sandbox/execute", `Authorization: ${authorization}`)],
    ] as const;
    const replies = await Promise.all(cases.map(([, bytes]) => sendRaw(gateway.port, bytes, { quietMs: 2_000 })));
    expect(replies).toMatchObject(cases.map(([status]) => ({ statuses: [status], closed: true })));
    expect(replies.filter(({ text }) => text.includes("100 Continue"))).toEqual([]);
    expect(oracle.received()).toBe("");
  });

  test("is answered once the caller may go on, and the body follows", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const connection = new RawConnection(gateway.port);
    const fields = ["Host: x", "Expect: 100-continue", "Content-Length: 5", `Authorization: ${authorization}`];
    connection.send(head("POST /s/box/ HTTP/1.1", ...fields));
    await connection.received("HTTP/1.1 100 Continue\r\n\r\n");
    connection.send("hello");
    await connection.received("HTTP/1.1 200 OK");
    expect(oracle.requests.map(({ body }) => body)).toEqual(["hello"]);
  });
});

describe("requests sent without waiting for answers", () => {
  test("are served one after the other and answered in order", async () => {
    const gateway = await startTestGateway();
    const seen: string[] = [];
    let release: (() => void) | undefined;
    const url = await startUpstream((req, res) => {
      seen.push(req.url as string);
      if (req.url === "/1") release = () => void res.end("answer to /1");
      else res.end(`answer to ${req.url}`);
    });
    await gateway.addSandbox("box", url);
    const authorization = await gateway.authorization();
    const request = (path: string, ...fields: string[]): string =>
      head(`GET /s/box${path} HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, ...fields);
    const bytes = request("/1") + request("/2") + request("/3", "Connection: close");
    const reply = sendRaw(gateway.port, bytes, { quietMs: 2_000 });
    await eventually("the first arrives", () => seen.includes("/1"));
    await fetch(`${gateway.url}/s/box/meanwhile`, { headers: { authorization } });
    expect(seen).toEqual(["/1", "/meanwhile"]);
    release?.();
    expect([...(await reply).text.matchAll(/answer to ..?/g)].map(String)).toEqual([
      "answer to /1",
      "answer to /2",
      "answer to /3",
    ]);
  });

  test("are not looked at behind one that closes the connection", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const behind = head(
      "POST /s/box/behind HTTP/1.1",
      "Host: x",
      `Authorization: ${authorization}`,
      "Content-Length: 0",
    );
    const closing: [string, number][] = [
      [head("GET /s/box/first HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Connection: close"), 200],
      [head("GET /s/box/first HTTP/1.0", "Host: x", `Authorization: ${authorization}`), 200],
      [head("GET /s/box/first HTTP/1.1", "Host: x", "Host: y", `Authorization: ${authorization}`), 400],
      [
        head(
          "POST /s/box/first HTTP/1.1",
          "Host: x",
          "X_Sandbox_Id: 1",
          `Authorization: ${authorization}`,
          "Content-Length: 1",
        ),
        400,
      ],
      // Its trailers give node:http the time to end the answer before the parser is done with this piece of input.
      [
        `${head("PUT /s/box/first HTTP/1.1", "Host: x", "Host: y", `Authorization: ${authorization}`, "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\nServer-Timing: 1\r\n\r\n`,
        400,
      ],
    ];
    for (const [first, status] of closing) {
      const body = /Content-Length: (\d)/.exec(first)?.[1] ?? "0";
      const reply = await sendRaw(gateway.port, first + "b".repeat(Number(body)) + behind + behind, { quietMs: 2_000 });
      expect(reply).toMatchObject({ statuses: [status], closed: true });
    }
    expect(oracle.requests.map(({ target }) => target)).toEqual(["/first", "/first"]);
  });

  test("are answered before bytes behind them that are no request; those get the last answer", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const request = head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`);
    const reply = await sendRaw(gateway.port, `${request}${request}GET / nonsense\r\n\r\n`, { quietMs: 2_000 });
    expect(reply).toMatchObject({ statuses: [200, 200, 400], closed: true });
    expect(oracle.requests).toHaveLength(2);
  });

  test("may be a hundred; a client that sends more is cut off", async () => {
    const gateway = await startTestGateway();
    let calls = 0;
    await gateway.addSandbox("box", await startUpstream(() => void (calls += 1)));
    const request = head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${await gateway.authorization()}`);
    const reply = await sendRaw(gateway.port, request.repeat(102), { quietMs: 5_000 });
    expect(reply).toEqual({ text: "", statuses: [], closed: true });
    expect(calls).toBeLessThan(2);
    await eventually("nothing is in flight", async () => (await inFlight(gateway.url)) === 0);
  });
});

test("bytes after the last request of a connection are nobody's", async () => {
  const { gateway, oracle, authorization } = await oracleGateway();
  const last = head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Connection: close");
  const reply = await sendRaw(gateway.port, `${last}anything\0at all`, { quietMs: 2_000 });
  expect(reply).toMatchObject({ statuses: [200], closed: true });
  expect(oracle.requests).toHaveLength(1);
});

describe("whatever is changed in a valid request,", () => {
  const SPLICES = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "_",
    "\xff",
    "#",
    "\\",
    "@",
    "0",
    "5",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Connection: close\r\n",
    "Connection: content-length, host\r\n",
    "Host: y\r\n",
    "Upgrade: h2c\r\n",
    "Connection: upgrade\r\nUpgrade: h2c\r\n",
    "Connection: upgrade\r\nUpgrade: websocket\r\n",
    "Content_Length: 3\r\n",
    "X_Y: 1\r\n",
    "Expect: 100-continue\r\n",
    "0\r\n\r\n",
    "\r\n\r\n",
    "GET /s/box/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
    "chunked",
    "POST ",
    "X-Sandbox-Id: box\r\n",
  ]; // prettier-ignore

  const splice = fc.record({
    at: fc.nat({ max: 1_000 }),
    atLine: fc.boolean(),
    remove: fc.constantFrom(0, 0, 0, 1, 2, 10),
    insert: fc.constantFrom("", ...SPLICES),
  });
  const mutant = fc.record({ base: fc.nat({ max: 3 }), splices: fc.array(splice, { minLength: 1, maxLength: 3 }) });

  test("the sandbox never sees bytes that can be read in two ways, nor a request that gets no answer", async () => {
    const { gateway, oracle, authorization } = await oracleGateway({ env: { MAX_CONCURRENT_REQUESTS: "1000" } });
    const fields = ["Host: x", `Authorization: ${authorization}`];
    const bases = [
      head("GET /s/box/a?b=c HTTP/1.1", ...fields),
      `${head("POST /s/box/ HTTP/1.1", ...fields, "Content-Type: text/plain", "Content-Length: 5")}hello`,
      `${head("POST /s/box/ HTTP/1.1", ...fields, "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`,
      `${head("PUT /s/box/ HTTP/1.1", "X-Sandbox-Id: box", ...fields, "Transfer-Encoding: chunked")}5;a=b\r\nhello\r\n0\r\nServer-Timing: 1\r\n\r\n`,
    ];
    const last = head("GET /s/box/last HTTP/1.1", ...fields, "Connection: close");
    await fc.assert(
      fc.asyncProperty(fc.array(mutant, { minLength: 30, maxLength: 30 }), async (mutants) => {
        const sent = async (quietMs: number) => {
          const before = oracle.requests.length;
          const answered = mutants.map(async ({ base, splices }) => {
            const bytes = splices.reduce((text, { at, atLine, remove, insert }) => {
              const anywhere = Math.floor((at / 1_000) * text.length);
              const index = atLine ? text.indexOf("\n", anywhere) + 1 : anywhere;
              return text.slice(0, index) + insert + text.slice(index + remove);
            }, bases[base] as string);
            const { text } = await sendRaw(gateway.port, bytes + last, { quietMs });
            return text.split("\r\nx-oracle: 1\r\n").length - 1;
          });
          const answers = (await Promise.all(answered)).reduce((sum, count) => sum + count, 0);
          return { answers, requests: oracle.requests.length - before };
        };
        let seen = await sent(250);
        if (seen.requests !== seen.answers) {
          // A busy machine answers later, and what it still has of the first round is not the second's.
          await eventually("nothing is in flight", async () => (await inFlight(gateway.url)) === 0);
          seen = await sent(3_000);
        }
        expect(oracle.problems).toEqual([]);
        expect(seen.requests).toBe(seen.answers);
      }),
      { numRuns: 12, endOnFailure: true },
    );
    expect(gateway.internalErrors).toEqual([]);
    await eventually("nothing is in flight", async () => (await inFlight(gateway.url)) === 0);
  });
});
