import { hash } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { activeSigner } from "../../src/auth/keys/key-ring.ts";
import { issueToken } from "../../src/auth/tokens/issue.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { sendRaw } from "../support/raw-client.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { closedPort, readAll, startRawUpstream, startUpstream } from "../support/upstream.ts";

const EXECUTE = "/api/v1/sandbox/execute";
const HELLO = {
  sandbox_id: "py",
  operation: "run_code",
  payload: { language: "python", code: "print('Hello World')" },
};

interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** A gateway before an instance that answers every call with `status` and `answer`, and remembers the calls. */
async function executing(
  answer: unknown = { stdout: "Hello World\n" },
  status = 200,
  env: Record<string, string> = {},
) {
  const gateway = await startTestGateway({ env });
  const calls: Call[] = [];
  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const text = await readAll(req);
    const body = req.url === "/execute" ? (JSON.parse(text) as Record<string, unknown>) : {};
    calls.push({ method: req.method as string, url: req.url as string, headers: req.headers, body });
    res.writeHead(status, { "content-type": "application/json" });
    res.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  };
  await gateway.addSandbox("py", await startUpstream((req, res) => void serve(req, res)));
  return { gateway, calls };
}

type Json = Record<string, unknown>;

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json & { readonly error: Json; readonly result: Json };
}

/** Sends an execute call; `authorization` null: none. */
async function execute(
  gateway: TestGateway,
  body: unknown = HELLO,
  options: { authorization?: string | null; contentType?: string | null; method?: string; path?: string } = {},
): Promise<Reply> {
  const { authorization = await gateway.authorization(), contentType = "application/json", method = "POST" } = options;
  const headers = new Headers();
  if (authorization !== null) headers.set("authorization", authorization);
  if (contentType !== null) headers.set("content-type", contentType);
  const text = typeof body === "string" ? Buffer.from(body) : JSON.stringify(body);
  const init = method === "GET" ? { method, headers } : { method, headers, body: text };
  const response = await fetch(gateway.url + (options.path ?? EXECUTE), init);
  return { status: response.status, headers: response.headers, body: (await response.json()) as Reply["body"] };
}

/** What an error must look like, besides what is special to it. */
function envelope(code: string, rest: Json = {}): Json {
  return {
    error: {
      code,
      message: expect.stringMatching(/./),
      details: expect.any(String),
      remediation: expect.stringMatching(/./),
      retryable: expect.any(Boolean),
      executed: "no",
      request_id: expect.stringMatching(/^req_[0-9a-z]{18,}$/),
      ...rest,
    },
  };
}

describe("a call that an instance carries out", () => {
  test("is answered with 200 and every field of the contract", async () => {
    const { gateway } = await executing();
    const { status, headers, body } = await execute(gateway);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-request-id")).toMatch(/^req_/);
    expect(body).toEqual({
      execution_id: expect.stringMatching(/^exe_[0-9a-z]{20}$/),
      sandbox_id: "py",
      instance_id: expect.stringMatching(/^ins_[0-9a-z]{20}$/),
      operation: "run_code",
      status: "ok",
      result: {
        status: "ok",
        stdout: "Hello World\n",
        stderr: "",
        exit_code: null,
        signal: null,
        results: [],
        error: null,
        truncated: false,
      },
      duration_ms: expect.any(Number),
    });
  });

  test("reaches it as one POST /execute with the operation, and without the caller's credentials", async () => {
    const { gateway, calls } = await executing();
    const { headers, body } = await execute(gateway, { ...HELLO, timeout_ms: 1500 });
    expect(calls).toHaveLength(1);
    const [call] = calls as [Call];
    expect(`${call.method} ${call.url}`).toBe("POST /execute");
    expect(call.body).toEqual({ ...HELLO, timeout_ms: 1500, execution_id: body["execution_id"] });
    expect(call.headers).toMatchObject({
      "content-type": "application/json",
      "x-sandbox-id": "py",
      "x-request-id": headers.get("x-request-id"),
    });
    expect(call.headers).toHaveProperty("x-sandbox-execution-id", body["execution_id"]);
    expect(call.headers).not.toHaveProperty("authorization");
    await execute(gateway);
    expect(calls[1]?.body).not.toHaveProperty("timeout_ms");
  });

  test("leaves one record of its end: who, what, where, the code's size and hash, and never the code", async () => {
    const { gateway } = await executing({ status: "error", exit_code: 1 });
    const { headers, body } = await execute(gateway);
    const { code } = HELLO.payload;
    expect(gateway.records()).toEqual([
      {
        kind: "execute",
        at_ms: expect.any(Number),
        request_id: headers.get("x-request-id"),
        address: "127.0.0.1",
        method: "POST",
        path: EXECUTE,
        subject: "test-executor",
        role: "executor",
        token_id: expect.stringMatching(/^tok_/),
        decision: "allow",
        rule: "role:executor",
        sandbox: "py",
        instance: body["instance_id"],
        status: 200,
        bytes_in: JSON.stringify(HELLO).length,
        bytes_out: JSON.stringify(body).length,
        duration_ms: expect.any(Number),
        execution_id: body["execution_id"],
        operation: "run_code",
        language: "python",
        code_bytes: code.length,
        code_sha256: hash("sha256", code),
        result: "error",
        started: true,
      },
    ]);
    expect(JSON.stringify(gateway.allRecords())).not.toContain("Hello");
  });

  test("may be one the runtime has no name for, even a name every object has", async () => {
    const { gateway, calls } = await executing();
    for (const operation of ["list_files", "constructor", "valueof"]) {
      expect((await execute(gateway, { sandbox_id: "py", operation, payload: {} })).status).toBe(200);
    }
    expect(calls.map(({ body }) => body["operation"])).toEqual(["list_files", "constructor", "valueof"]);
  });

  test("may come in chunks, with a charset, and with parameters in the target", async () => {
    const { gateway, calls } = await executing();
    expect((await execute(gateway, HELLO, { contentType: "Application/JSON; charset=utf-8" })).status).toBe(200);
    expect((await execute(gateway, HELLO, { path: `${EXECUTE}?trace=1` })).status).toBe(200);
    const text = JSON.stringify(HELLO);
    const { statuses } = await sendRaw(
      gateway.port,
      `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: ${await gateway.authorization()}\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${Array.from(text, (character) => `1\r\n${character}\r\n`).join("")}0\r\n\r\n`,
    );
    expect(statuses).toEqual([200]);
    expect(calls).toHaveLength(3);
  });
});

/** A reply without what differs in every one. */
const comparable = ({ status, headers, body }: Reply) => {
  const { date: _date, "x-request-id": _id, ...fields } = Object.fromEntries(headers);
  return { status, fields, error: { ...body.error, request_id: "" } };
};

describe("a caller", () => {
  test("without a token gets 401 and a challenge that names no error", async () => {
    const { gateway, calls } = await executing();
    const { status, headers, body } = await execute(gateway, HELLO, { authorization: null });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe('Bearer realm="sandboxgw"');
    expect(body).toEqual(envelope("AUTH_002"));
    expect(calls).toEqual([]);
  });

  test("whose token has expired gets 401 that says so", async () => {
    const { gateway, calls } = await executing();
    const now = Date.now();
    const token = await issueToken({
      principal: { subject: "late", role: "executor", tokenId: "tok_late", sandboxes: null, operations: null },
      key: await activeSigner(gateway.keys, gateway.store.signingKeys),
      issuer: gateway.config.TOKEN_ISSUER,
      audience: gateway.config.TOKEN_AUDIENCE,
      now: now - 7_200_000,
      expiresAt: now - 3_600_000,
    });
    const { status, headers, body } = await execute(gateway, HELLO, { authorization: `Bearer ${token}` });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe(
      'Bearer realm="sandboxgw", error="invalid_token", error_description="Token has expired"',
    );
    expect(body).toEqual(envelope("AUTH_001", { details: "Token has expired" }));
    expect(calls).toEqual([]);
  });

  test("whose token is revoked, forged or no token gets 401, and 400 where the field is no Bearer field", async () => {
    const { gateway, calls } = await executing();
    const good = await gateway.authorization();
    const forged = `${good.slice(0, -4)}AAAA`;
    for (const [authorization, status, code, error] of [
      [forged, 401, "AUTH_001", "invalid_token"],
      ["Bearer x.y.z", 401, "AUTH_001", "invalid_token"],
      ["Basic dXNlcjp3b3Jk", 400, "AUTH_005", "invalid_request"],
      ["Bearer", 400, "AUTH_005", "invalid_request"],
      [`${good}, ${good}`, 400, "AUTH_005", "invalid_request"],
    ] as const) {
      const { headers, ...reply } = await execute(gateway, HELLO, { authorization });
      expect(reply).toEqual({ status, body: envelope(code) });
      expect(headers.get("www-authenticate")).toContain(`error="${error}"`);
    }
    expect(calls).toEqual([]);
  });

  test("who is a viewer gets 403 with insufficient_scope", async () => {
    const { gateway, calls } = await executing();
    const authorization = await gateway.authorization("viewer");
    const { status, headers, body } = await execute(gateway, HELLO, { authorization });
    expect(status).toBe(403);
    expect(headers.get("www-authenticate")).toContain('error="insufficient_scope"');
    expect(body).toEqual(envelope("AUTH_003"));
    expect(calls).toEqual([]);
    expect(gateway.records()).toMatchObject([{ decision: "deny", rule: "AUTH_003", status: 403 }]);
  });

  test("whose token is narrowed to operations gets 403 for others, and for the transparent proxy", async () => {
    const { gateway, calls } = await executing();
    const authorization = await gateway.authorization("executor", { operations: ["run_command"] });
    const command = { sandbox_id: "py", operation: "run_command", payload: { command: "ls" } };
    expect((await execute(gateway, command, { authorization })).status).toBe(200);
    const { status, headers, body } = await execute(gateway, HELLO, { authorization });
    expect(status).toBe(403);
    expect(body).toEqual(envelope("AUTH_004"));
    expect(headers.get("www-authenticate")).toContain('error="insufficient_scope"');
    for (const path of ["/s/py/", "/s/none/"]) {
      const proxied = await fetch(gateway.url + path, { headers: { authorization } });
      expect(proxied.status).toBe(403);
      expect(await proxied.json()).toEqual(envelope("AUTH_004"));
    }
    expect(calls).toHaveLength(1);
  });

  test("cannot tell a sandbox that is not his from one that does not exist, neither here nor on the proxy", async () => {
    const { gateway, calls } = await executing();
    const authorization = await gateway.authorization("executor", { sandboxes: ["js-*"] });
    const notHis = comparable(await execute(gateway, HELLO, { authorization }));
    const unknown = comparable(await execute(gateway, { ...HELLO, sandbox_id: "no" }, { authorization }));
    expect(notHis).toEqual(unknown);
    expect(notHis).toMatchObject({ status: 404, error: { code: "ROUTE_001" } });
    const get = { authorization, method: "GET", contentType: null };
    const proxied = comparable(await execute(gateway, "", { ...get, path: "/s/py/" }));
    expect(proxied).toEqual(comparable(await execute(gateway, "", { ...get, path: "/s/no/" })));
    expect(proxied).toMatchObject({ status: 404, error: { code: "ROUTE_001" } });
    expect(calls).toEqual([]);
  });
});

describe("a request that is not one", () => {
  test.each([
    ["not JSON", "{nonsense", "Syntax error at byte 1"],
    ["nothing", "", "Syntax error: it ends too early"],
    ["half of it", JSON.stringify(HELLO).slice(0, -1), "Syntax error: it ends too early"],
    ["two things at once", '{"sandbox_id":"py","sandbox_id":"js"}', 'Member "sandbox_id" twice in one object'],
    ["two things in its payload", '{"payload":{"code":"1","\\u0063ode":"2"}}', 'Member "code" twice in one object'],
    ["not UTF-8", Buffer.from('{"a":"\xff"}', "latin1").toString("latin1"), "Not UTF-8"],
    ["deeply nested", `{"payload":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "Nested too deeply"],
  ])("because its body is %s gets 400", async (name, text, details) => {
    const { gateway, calls } = await executing();
    const body = name === "not UTF-8" ? undefined : text;
    const response = await fetch(gateway.url + EXECUTE, {
      method: "POST",
      headers: { authorization: await gateway.authorization(), "content-type": "application/json" },
      body: body ?? Buffer.from(text, "latin1"),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(envelope("VAL_002", { details }));
    expect(calls).toEqual([]);
    expect(gateway.internalErrors).toEqual([]);
  });

  const { sandbox_id, operation, payload } = HELLO;
  test.each<[unknown, string[]]>([
    [{ operation, payload }, ["sandbox_id"]],
    [{ sandbox_id, payload }, ["operation"]],
    [{ sandbox_id, operation }, ["payload"]],
    [{}, ["sandbox_id", "operation", "payload"]],
    [[], ["body"]],
    ["null", ["body"]],
    [{ ...HELLO, sandbox_id: 7 }, ["sandbox_id"]],
    [{ ...HELLO, sandbox_id: "../py" }, ["sandbox_id"]],
    [{ ...HELLO, operation: "Run Code" }, ["operation"]],
    [{ ...HELLO, operation: "__proto__" }, ["operation"]],
    [{ ...HELLO, payload: [] }, ["payload"]],
    [{ ...HELLO, payload: { language: "python" } }, ["payload.code"]],
    [{ ...HELLO, payload: { code: 1, language: "" } }, ["payload.code", "payload.language"]],
    [{ ...HELLO, operation: "run_command" }, ["payload.command"]],
    [{ ...HELLO, timeout_ms: 0 }, ["timeout_ms"]],
    [{ ...HELLO, timeout_ms: 1.5 }, ["timeout_ms"]],
    [{ ...HELLO, timeout_ms: "1" }, ["timeout_ms"]],
    [{ ...HELLO, timeout_ms: 3_600_000 }, ["timeout_ms"]],
    [{ ...HELLO, sandboxid: "py" }, ["sandboxid"]],
    [{ ...HELLO, payloads: {}, extra: 1 }, ["payloads", "extra"]],
    ['{"sandbox_id":"py","operation":"x","payload":{},"__proto__":{}}', ["__proto__"]],
  ])("because of its shape (%j) gets 422 that names the fields", async (body, fields) => {
    const { gateway, calls } = await executing();
    const reply = await execute(gateway, body);
    expect(reply.status).toBe(422);
    expect(reply.body).toEqual(envelope("VAL_003"));
    for (const field of fields) expect(reply.body.error["details"]).toContain(field);
    expect(calls).toEqual([]);
  });

  test("is not told back what it is made of, however much that is", async () => {
    const { gateway } = await executing();
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`unknown_${index}`, 1]));
    const { status, body } = await execute(gateway, { ...HELLO, ...many });
    expect(status).toBe(422);
    expect(JSON.stringify(body).length).toBeLessThan(1_000);
  });

  test("because it is too large gets 413, whether it says its length or not", async () => {
    const { gateway, calls } = await executing({}, 200, { MAX_BODY_SIZE: "1kb" });
    const large = { ...HELLO, payload: { code: "x".repeat(2_000) } };
    const declared = await execute(gateway, large);
    expect(declared).toMatchObject({ status: 413, body: envelope("VAL_004") });
    const text = JSON.stringify(large);
    const chunked = await sendRaw(
      gateway.port,
      `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: ${await gateway.authorization()}\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
    );
    expect(chunked.statuses).toEqual([413]);
    expect(chunked.text).toContain('"code":"VAL_004"');
    expect(calls).toEqual([]);
  });

  test.each([
    null,
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "text/json",
    "application/json-seq",
  ])("because it is declared as %s gets 415", async (contentType) => {
    const { gateway, calls } = await executing();
    expect(await execute(gateway, HELLO, { contentType })).toMatchObject({ status: 415, body: envelope("VAL_005") });
    expect(calls).toEqual([]);
  });

  test("because its method is GET gets 405 and the method that is allowed", async () => {
    const { gateway } = await executing();
    const { status, headers, body } = await execute(gateway, "", { method: "GET", contentType: null });
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("POST");
    expect(body).toEqual(envelope("ROUTE_003"));
  });
});

describe("a sandbox", () => {
  test("that is unknown gets 404", async () => {
    const { gateway } = await executing();
    const reply = await execute(gateway, { ...HELLO, sandbox_id: "no" });
    expect(reply).toMatchObject({ status: 404, body: envelope("ROUTE_001") });
  });

  test("whose instances are all down gets 503: nothing was executed, try again", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("py", await closedPort(), await closedPort());
    const { status, headers, body } = await execute(gateway);
    expect(status).toBe(503);
    expect(headers.get("retry-after")).toBe("1");
    expect(body).toEqual(envelope("PROXY_001", { executed: "no", retryable: true }));
  });

  test.each<[string, number, unknown, number, string, Json]>([
    ["no JSON", 200, "<html>", 502, "EXEC_001", { executed: "yes" }],
    ["another protocol", 200, { stdout: 7 }, 502, "EXEC_001", { executed: "yes" }],
    ["an unknown status", 200, { status: "fine" }, 502, "EXEC_001", { executed: "yes" }],
    ["a list", 200, [], 502, "EXEC_001", { executed: "yes" }],
    ["a pit", 200, `{"results":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, 502, "EXEC_001", { executed: "yes" }],
    [
      "500",
      500,
      { error: "secret stack" },
      502,
      "SANDBOX_002",
      { executed: "maybe", details: "The instance answered 500" },
    ],
    ["a redirect", 302, "", 502, "SANDBOX_002", { executed: "maybe" }],
    ["404", 404, "", 502, "SANDBOX_002", { executed: "maybe" }],
    ["422", 422, { error: { message: "no such language" } }, 422, "EXEC_002", { details: "no such language" }],
    ["422 without reason", 422, "", 422, "EXEC_002", { details: "" }],
  ])("that answers with %s gets the error that says so", async (_, status, answer, expected, code, rest) => {
    const { gateway, calls } = await executing(answer, status);
    expect(await execute(gateway)).toMatchObject({ status: expected, body: envelope(code, rest) });
    expect(calls).toHaveLength(1);
    expect(gateway.internalErrors).toEqual([]);
    expect(gateway.records()).toMatchObject([{ decision: "allow", outcome: code, result: "" }]);
  });

  test("that is busy gets 503 with Retry-After", async () => {
    const { gateway } = await executing("", 503);
    const { status, headers, body } = await execute(gateway);
    expect(status).toBe(503);
    expect(headers.get("retry-after")).toBe("1");
    expect(body).toEqual(envelope("SANDBOX_001", { retryable: true }));
  });

  test("that answers with too much gets 502, and is not read to the end", async () => {
    const { gateway } = await executing({ stdout: "x".repeat(10_000) }, 200, { MAX_RESPONSE_SIZE: "1kb" });
    expect(await execute(gateway)).toMatchObject({ status: 502, body: envelope("EXEC_003", { executed: "maybe" }) });
  });

  test("that never answers gets 504 once the caller's own time and a margin are over", async () => {
    const gateway = await startTestGateway({ env: { PROXY_TIMEOUT: "200ms" } });
    await gateway.addSandbox("py", await startRawUpstream(() => undefined));
    const reply = await execute(gateway);
    expect(reply).toMatchObject({ status: 504, body: envelope("PROXY_003", { executed: "maybe", retryable: false }) });
  });

  test("that trickles its answer gets 504 all the same: the whole of it has to come in time", async () => {
    const gateway = await startTestGateway({ env: { PROXY_TIMEOUT: "200ms" } });
    const url = await startUpstream((_, res) => {
      res.writeHead(200, { "content-type": "application/json" });
      const trickle = setInterval(() => res.write(" "), 20);
      res.once("close", () => clearInterval(trickle));
    });
    await gateway.addSandbox("py", url);
    const reply = await execute(gateway);
    expect(reply).toMatchObject({
      status: 504,
      body: envelope("PROXY_003", { executed: "maybe", details: "The answer did not end in time" }),
    });
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_003", result: "" }]);
  });

  test("that breaks after it got the call is not called a second time", async () => {
    const gateway = await startTestGateway();
    const bodies: string[] = [];
    const serve = async (req: IncomingMessage): Promise<void> => {
      bodies.push(await readAll(req));
      req.socket.resetAndDestroy();
    };
    const url = await startUpstream((req) => void serve(req));
    await gateway.addSandbox("py", url, url.replace("127.0.0.1", "localhost"));
    for (let round = 0; round < 4; round++) {
      expect(await execute(gateway)).toMatchObject({ status: 502, body: envelope("PROXY_002", { executed: "maybe" }) });
    }
    expect(bodies).toHaveLength(4);
    expect(new Set(bodies.map((body) => (JSON.parse(body) as Json)["execution_id"])).size).toBe(4);
  });
});

test("a caller who leaves cancels the call at the sandbox, and gives the place back", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
  let arrived = false;
  let cancelled = false;
  const url = await startUpstream((req, res) => {
    arrived = true;
    req.resume();
    res.once("close", () => {
      cancelled = true;
    });
  });
  await gateway.addSandbox("py", url);
  const connection = new RawConnection(gateway.port);
  const text = JSON.stringify(HELLO);
  connection.send(
    `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  await eventually("the call arrives", () => arrived);
  connection.socket.destroy();
  await eventually("the call is cancelled", () => cancelled);
  await eventually("it is recorded", () => gateway.records().length === 1);
  expect(gateway.records()).toMatchObject([{ outcome: "PROXY_005", decision: "allow" }]);
  expect(gateway.memory.slots.shared[0]).toBe(0);
});

test("neither a token nor code appears in any answer, record or report, whatever goes wrong", async () => {
  const canary = "canary-5d3a";
  const code = `print("${canary}")`;
  const { gateway } = await executing("<html>");
  const down = await closedPort();
  await gateway.addSandbox("down", down);
  const good = await gateway.authorization();
  const secret = good.slice(-43);
  const tokens = [
    good,
    `${good.slice(0, -43)}${canary.padEnd(43, "A")}`,
    `Basic ${canary}`,
    `Bearer ${canary}`,
    canary,
  ];
  const seen: string[] = [];
  for (const authorization of tokens) {
    for (const path of [EXECUTE, "/s/py/", "/s/down/", "/s/no/", "/api/v1/sandboxes", "/health", "/no"]) {
      for (const body of [{ ...HELLO, payload: { code } }, { ...HELLO, payload: { code: [code] } }, code]) {
        const headers = { authorization, "content-type": "application/json", "x-api-key": canary, cookie: canary };
        const text = typeof body === "string" ? body : JSON.stringify(body);
        const response = await fetch(`${gateway.url}${path}?access_token=${canary}`, {
          method: "POST",
          headers,
          body: text,
        });
        seen.push(JSON.stringify([...response.headers]), await response.text());
      }
    }
    const raw = `GET /s/py/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nAuthorization: ${authorization}\r\n\r\n`;
    seen.push(
      (await sendRaw(gateway.port, raw)).text,
      (await sendRaw(gateway.port, raw.replace("HTTP/1.1", "HTP"))).text,
    );
  }
  seen.push(...gateway.records().map((record) => JSON.stringify(record)));
  for (const error of gateway.internalErrors) seen.push(`${error.details} ${String(error.cause)}`);
  expect(seen.filter((text) => text.includes(canary) || text.includes(secret))).toEqual([]);
  expect(gateway.internalErrors).toEqual([]);
});
