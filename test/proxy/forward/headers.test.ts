import type { ServerResponse } from "node:http";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FROM_CLIENT, FROM_SANDBOX } from "../../../src/domain/fields/dropped-fields.ts";
import { responseFields } from "../../../src/proxy/forward/headers.ts";
import { startTestGateway, type TestGatewayOptions } from "../../support/gateway.ts";
import { startOracle } from "../../support/oracle.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { startUpstream } from "../../support/upstream.ts";

/** What the sandbox sees of a request with these field lines, name and values. */
async function oracleGateway(options: TestGatewayOptions = {}) {
  const gateway = await startTestGateway(options);
  const oracle = await startOracle({ underscores: options.env?.["UNDERSCORE_FIELDS"] === "pass" });
  await gateway.addSandbox("box", oracle.url);
  const authorization = await gateway.authorization();
  const seenFor = async (...lines: string[]): Promise<Map<string, string[]>> => {
    const fields = ["Host: x", "Connection: close", `Authorization: ${authorization}`, ...lines].join("\r\n");
    const { statuses } = await sendRaw(gateway.port, `GET /s/box/ HTTP/1.1\r\n${fields}\r\n\r\n`);
    expect(statuses).toEqual([200]);
    expect(oracle.problems).toEqual([]);
    const seen = new Map<string, string[]>();
    for (const [name, value] of oracle.requests.at(-1)?.fields ?? [])
      seen.set(name, [...(seen.get(name) ?? []), value]);
    return seen;
  };
  return { gateway, oracle, authorization, seenFor };
}

/** What only the gateway may say. */
const OURS = [
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded-Prefix",
  "X-Sandbox-Id",
  "X-Request-Id",
  "Via",
];
/** Every name that is not a client's to say, in lower case; families with members. What frames or steers the request itself is left out. */
const FORGED = FROM_CLIENT.flatMap(({ names }) => names)
  .flatMap((name) => (name.endsWith("*") ? ["user", "email", "x"].map((member) => name.replace("*", member)) : [name]))
  .filter(
    (name) =>
      !/^(?:host|content-length|expect|transfer-encoding|authorization|connection|upgrade|via|x-request-timeout-ms)$/.test(
        name,
      ),
  );

describe("identity", () => {
  test("is the gateway's to tell, exactly once, whatever a client sends and however it spells that", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const name = fc
      .constantFrom(...FORGED, ...OURS.map((ours) => ours.toLowerCase()))
      .filter((one) => one !== "x-sandbox-id" && one !== "x-sandbox-token");
    const spelling = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => text.toUpperCase(),
      (text) => text.replace(/(?<![a-z])[a-z]/g, (letter) => letter.toUpperCase()),
      (text) => text.replace(/-(?!token|id|port)/, "_"),
    );
    const line = fc.tuple(name, spelling).map(([text, spelled]) => spelled(text));
    const named = fc.array(name, { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(line, { minLength: 1, maxLength: 25, selector: (text) => text.toLowerCase() }),
        named,
        async (names, connection) => {
          const lines = names.flatMap((one) => [
            `${one}: forged`,
            ...(/proxy.auth/i.test(one) ? [] : [`${one}: forged2`]),
          ]);
          const fields = [
            "Host: x",
            `Authorization: ${authorization}`,
            ...lines,
            `Connection: close, ${connection.join(", ")}`,
          ];
          const { statuses } = await sendRaw(gateway.port, `GET /s/box/ HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`, {
            quietMs: 3_000,
          });
          expect(statuses).toEqual([200]);
          const seen = oracle.requests.at(-1)?.fields ?? [];
          expect(seen.filter(([known, value]) => known !== "via" && value.includes("forged"))).toEqual([]);
          for (const ours of OURS) expect(seen.filter(([known]) => known === ours.toLowerCase())).toHaveLength(1);
        },
      ),
      { numRuns: 60 },
    );
    expect(oracle.problems).toEqual([]);
  });

  test("has a name for every one of its fields, each dropped alone", async () => {
    const { seenFor } = await oracleGateway();
    const names = FORGED.filter((name) => !name.startsWith("x-sandbox-"));
    for (let index = 0; index < names.length; index += 50) {
      const seen = await seenFor(...names.slice(index, index + 50).map((name) => `${name}: forged`), "X-Kept: 1");
      expect([...seen].filter(([, values]) => values.includes("forged"))).toEqual([]);
      expect(seen.get("x-kept")).toEqual(["1"]);
    }
  });

  test("of a family is more than its first letters", async () => {
    const { seenFor } = await oracleGateway();
    const names = [
      "remote",
      "x-realm",
      "x-forward",
      "x-accelerate",
      "cf-ray",
      "x-user",
      "x-api-key",
      "x-goog-api-key",
      "proxying",
    ];
    const seen = await seenFor(...names.map((name) => `${name}: 1`));
    expect(names.filter((name) => !seen.has(name))).toEqual([]);
  });

  test("says who called whom, over which name, and adds the gateway to the way", async () => {
    const { seenFor } = await oracleGateway();
    const seen = await seenFor("Via: 1.0 first", "Via: 1.1 second");
    seen.delete("connection"); // between the gateway and the sandbox
    expect(Object.fromEntries([...seen].map(([name, values]) => [name, values.join(" | ")]))).toEqual({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      "x-request-id": expect.stringMatching(/^req_/),
      "x-sandbox-id": "box",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "x",
      "x-forwarded-prefix": "/s/box",
      via: expect.stringMatching(/^1\.0 first, 1\.1 second, 1\.1 sandboxgw-[0-9a-f]{8}$/),
    });
  });
});

function underscored(seen: Map<string, string[]>): string[] {
  return [...seen.keys()].filter((name) => name.includes("_"));
}

describe("behind a trusted proxy", () => {
  test("the client's address and scheme are the ones it says, and only there", async () => {
    const lines = ["X-Forwarded-For: 6.6.6.6, 198.51.100.4:567", "X-Forwarded-Proto: https"];
    const told = async (TRUSTED_PROXIES: string) => {
      const { seenFor } = await oracleGateway({ env: { TRUSTED_PROXIES } });
      const seen = await seenFor(...lines);
      return [seen.get("x-forwarded-for"), seen.get("x-forwarded-proto")];
    };
    expect(await told("127.0.0.0/8")).toEqual([["198.51.100.4"], ["https"]]);
    expect(await told("10.0.0.0/8")).toEqual([["127.0.0.1"], ["http"]]);
    expect(await told("")).toEqual([["127.0.0.1"], ["http"]]);
  });
});

describe("a field with an underscore in its name", () => {
  const LINES = ["lang_version: 1", "X_User: 1", "x_forwarded-for: 6.6.6.6", "X-Kept: 1", "X_Kept: 2", "A_B: 3"];

  test("is dropped, the others stay", async () => {
    const { seenFor } = await oracleGateway();
    const seen = await seenFor(...LINES);
    expect(underscored(seen)).toEqual([]);
    expect(seen.get("x-kept")).toEqual(["1"]);
    expect(seen.get("x-forwarded-for")).toEqual(["127.0.0.1"]);
  });

  test("passes when it shall, but not beside its twin with a hyphen, nor in the place of one that is not the client's", async () => {
    const { seenFor } = await oracleGateway({ env: { UNDERSCORE_FIELDS: "pass" } });
    const seen = await seenFor(
      ...LINES,
      "Connection: X-Named, y_named",
      "X_Named: 1",
      "Y_Named: 1",
      "X_Real_IP: 1",
      "X-HTTP_Method_Override: PUT",
    );
    expect(underscored(seen)).toEqual(["lang_version", "x_user", "a_b"]);
    expect(seen.get("x-kept")).toEqual(["1"]);
  });

  test("is refused when it shall", async () => {
    const { gateway, oracle, authorization } = await oracleGateway({ env: { UNDERSCORE_FIELDS: "refuse" } });
    const bytes = `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nX_User: 1\r\n\r\n`;
    expect(await sendRaw(gateway.port, bytes)).toMatchObject({ statuses: [400], closed: true });
    expect(oracle.received()).toBe("");
  });
});

describe("a field that makes another method of a request", () => {
  test("passes with POST, which is never repeated, and with no other", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const headers = {
      authorization,
      "x-http-method-override": "DELETE",
      "x-http-method": "PUT",
      "x-method-override": "PATCH",
    };
    for (const method of ["POST", "GET", "PUT"]) await fetch(`${gateway.url}/s/box/`, { method, headers });
    const seen = oracle.requests.map(({ fields }) =>
      fields.filter(([name]) => /method/.test(name)).map(([, value]) => value),
    );
    expect(seen).toEqual([["DELETE", "PUT", "PATCH"], [], []]);
  });
});

describe("hop-by-hop fields", () => {
  test("and those that Connection names do not pass, wherever that stands and however often", async () => {
    const { seenFor } = await oracleGateway();
    const seen = await seenFor(
      "X-Before: 1",
      "Connection: x-before, X-AFTER",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "TE: gzip",
      "Trailer: x",
      "Proxy-Authorization: Basic eA==",
      "Connection:,, x-third ,",
      "X-After: 1",
      "X-Third: 1",
      "X-Kept: 1",
    );
    expect(
      [...seen.keys()].filter((name) => /^(?:x-(?:before|after|third)|keep-|proxy-|te$|trailer)/.test(name)),
    ).toEqual([]);
    expect(seen.get("x-kept")).toEqual(["1"]);
  });

  test("named in Connection cannot take away what the gateway says or how the body is framed", async () => {
    const { gateway, oracle, authorization } = await oracleGateway();
    const fields = [
      "Host: x",
      `Authorization: ${authorization}`,
      "Connection: close, host, content-length, transfer-encoding, x-forwarded-for, x-request-id, x-sandbox-id, via",
      "Content-Length: 5",
    ];
    await sendRaw(gateway.port, `POST /s/box/ HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\nhello`);
    expect(oracle.problems).toEqual([]);
    expect(oracle.requests).toMatchObject([{ body: "hello" }]);
    const names = oracle.requests[0]?.fields.map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(["x-forwarded-for", "x-request-id", "x-sandbox-id", "via"]));
  });
});

/** What becomes of a request with these field lines, in which OWN and OTHER stand for two good tokens. */
async function called(...lines: string[]) {
  const { gateway, oracle, authorization } = await oracleGateway();
  const own = authorization.slice("Bearer ".length);
  const other = (await gateway.authorization("viewer")).slice("Bearer ".length);
  const fields = lines.map((line) => `${line.replace("OWN", own).replace("OTHER", other)}\r\n`).join("");
  const { statuses, text } = await sendRaw(
    gateway.port,
    `GET /s/box/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`,
  );
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  const seen = oracle.requests.map(({ fields: all }) => all.filter(([name]) => name === "authorization"));
  const leaked = [own, other].some((token) => oracle.received().includes(token));
  return { answer: code ?? statuses[0], authorization: seen[0]?.map(([, value]) => value), leaked };
}

describe("X-Sandbox-Token", () => {
  test.each([
    ["authenticates in the place of Authorization", ["X-Sandbox-Token: OWN"], []],
    [
      "lets a sandbox have its own Authorization",
      ["Authorization: Basic dXNlcjp3b3Jk", "X-Sandbox-Token: OWN"],
      ["Basic dXNlcjp3b3Jk"],
    ],
    [
      "lets a sandbox have its own bearer token",
      ["X-Sandbox-Token: OWN", "Authorization: Bearer sandbox.own.token"],
      ["Bearer sandbox.own.token"],
    ],
    ["keeps itself back where Authorization repeats it", ["X-Sandbox-Token: OWN", "Authorization: bearer  OWN"], []],
  ])("%s", async (_what, lines, authorization) => {
    expect(await called(...lines)).toEqual({ answer: 200, authorization, leaked: false });
    // A field that Connection names is for the gateway alone.
    expect(await called(...lines, "Connection: authorization")).toEqual({
      answer: 200,
      authorization: [],
      leaked: false,
    });
  });

  test.each([
    ["another token of the gateway beside it", ["X-Sandbox-Token: OWN", "Authorization: Bearer OTHER"], "AUTH_005"],
    ["no token in it", ["X-Sandbox-Token: ", "Authorization: Bearer OWN"], "AUTH_005"],
    ["two tokens in it", ["X-Sandbox-Token: OWN, OTHER"], "AUTH_005"],
    ["a bad one, whatever Authorization says", ["X-Sandbox-Token: OWNx", "Authorization: Bearer OWN"], "AUTH_001"],
    ["two of it", ["X-Sandbox-Token: OWN", "X-Sandbox-Token: OWN"], "VAL_001"],
    ["neither of the two", [], "AUTH_002"],
  ])("%s is refused", async (_what, lines, code) => {
    expect(await called(...lines)).toEqual({ answer: code, authorization: undefined, leaked: false });
  });

  test("is kept back, and Authorization passed on, where authentication is off too", async () => {
    const { oracle, gateway } = await oracleGateway({ env: { AUTH_ENABLED: "false" } });
    for (const authorization of ["Basic eA==", "Bearer same"]) {
      const headers = { authorization, "x-sandbox-token": "same" };
      expect((await fetch(`${gateway.url}/s/box/`, { headers })).status).toBe(200);
    }
    const seen = oracle.requests.map(({ fields }) => fields.find(([name]) => name === "authorization")?.[1]);
    expect(seen).toEqual(["Basic eA==", undefined]);
    expect(oracle.received()).not.toContain("same");
  });
});

test("every other field passes unchanged, in order, and as often as it was sent", async () => {
  const { gateway, oracle, authorization } = await oracleGateway();
  const added = new Set(["host", "connection", ...OURS.map((ours) => ours.toLowerCase())]);
  const special = fc.constantFrom("constructor", "tostring", "valueof", "hasownproperty", "set-cookie", "cookie");
  const ordinary = fc.stringMatching(/^[a-z][a-z0-9!#$%&'*+.^`|~-]{0,20}$/).map((text) => `p-${text}`);
  const name = fc.oneof(ordinary, special);
  const value = fc.stringMatching(/^[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,30}[!-~\x80-\xff])?$/);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 20 }), async (fields) => {
      const lines = fields.map((field) => `${field.join(": ")}\r\n`).join("");
      const head = `GET /s/box/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n`;
      expect((await sendRaw(gateway.port, `${head}${lines}\r\n`)).statuses).toEqual([200]);
      expect(oracle.requests.at(-1)?.fields.filter(([known]) => !added.has(known))).toEqual(fields);
    }),
    { numRuns: 50 },
  );
  expect(oracle.problems).toEqual([]);
});

/** The fields a client gets of an answer with these. */
async function answered(fields: Record<string, string | string[]>): Promise<Headers> {
  const gateway = await startTestGateway();
  const answer = (res: ServerResponse): void => void res.writeHead(200, fields).end();
  await gateway.addSandbox("box", await startUpstream((_req, res) => answer(res)));
  const headers = { authorization: await gateway.authorization() };
  return (await fetch(`${gateway.url}/s/box/`, { headers })).headers;
}

describe("what a sandbox says", () => {
  test("is kept, every cookie of it", async () => {
    const headers = await answered({
      "Set-Cookie": ["a=1; Path=/", "b=2, c", "a=3"],
      "WWW-Authenticate": "Basic",
      Location: "/elsewhere",
      "X-Custom": "1",
      "Retry-After": "3",
    });
    expect(headers.getSetCookie()).toEqual(["a=1; Path=/s/box/", "b=2, c; Path=/s/box/", "a=3; Path=/s/box/"]);
    expect(Object.fromEntries(headers)).toMatchObject({
      "www-authenticate": "Basic",
      location: "/s/box/elsewhere",
      "x-custom": "1",
      "retry-after": "3",
    });
  });

  test("is dropped where it would speak for the gateway, steer a front, or hold for the origin that all sandboxes share", async () => {
    const names = FROM_SANDBOX.flatMap((group) => group.names)
      .map((name) => name.replace("*", "x"))
      .filter((name) => !/^(?:connection|transfer-encoding|keep-alive|trailer)$/.test(name));
    const headers = await answered({ ...Object.fromEntries(names.map((name) => [name, "forged"])), "X-Kept": "1" });
    expect([...headers].filter(([, value]) => value.includes("forged"))).toEqual([]);
    expect(headers.get("x-request-id")).toMatch(/^req_/);
    expect(headers.get("x-kept")).toBe("1");
  });

  test("is kept where it is only its own, whatever it is called", async () => {
    const own = [
      "X-Sandbox-Exit-Reason",
      "X-Sandbox-Identity",
      "X-Accel-Buffering",
      "Refresh",
      "Cache-Control",
      "X-Sendmail",
    ];
    const headers = await answered(Object.fromEntries(own.map((name) => [name, "no"])));
    expect(own.filter((name) => headers.get(name) !== "no")).toEqual([]);
  });

  test.each([
    ['Basic realm="gateway"', true],
    ["Bearer", true],
    ['Bearer realm="sandboxgw"', false],
    ["Basic realm=SandboxGW", false],
    ['Digest realm="sandbox\\gw", nonce="x"', false],
  ])("asks for credentials with %s: passes: %j", async (challenge, passes) => {
    expect((await answered({ "WWW-Authenticate": challenge })).get("www-authenticate")).toBe(passes ? challenge : null);
  });
});

describe("a cookie that a sandbox sets", () => {
  test("is never sent to another sandbox, nor to the gateway itself", async () => {
    const gateway = await startTestGateway();
    const jar = ["sid=x; Path=/", "a=1; Domain=localhost; path=/app", "sandboxgw_session=forged; Path=/"];
    await gateway.addSandbox(
      "box",
      await startUpstream((_req, res) => void res.writeHead(200, { "set-cookie": jar }).end()),
    );
    const headers = { authorization: await gateway.authorization() };
    const set = (await fetch(`${gateway.url}/s/box/`, { headers })).headers.getSetCookie();
    expect(set).toEqual(["sid=x; Path=/s/box/", "a=1; Path=/s/box/app"]);
    const unmounted = await fetch(`${gateway.url}/`, { headers: { ...headers, "x-sandbox-id": "box" } });
    expect(unmounted.headers.getSetCookie()).toEqual(["sid=x; Path=/", "a=1; path=/app"]);
  });
});

test("a sandbox is reached by path or by field, and not where the two disagree", async () => {
  const { gateway, oracle, authorization } = await oracleGateway();
  const call = async (path: string, sandboxId: string) => {
    const answer = await fetch(`${gateway.url}${path}`, { headers: { authorization, "x-sandbox-id": sandboxId } });
    return (await answer.text()).includes('"ROUTE_008"') ? `${answer.status} ROUTE_008` : `${answer.status}`;
  };
  expect(await call("/s/box/a", "box")).toBe("200");
  expect(await call("/a", "box")).toBe("200");
  for (const [path = "", id = ""] of [
    ["/s/box/a", "other"],
    ["/s/other/a", "box"],
    ["/health", "box"],
    ["/api/v1/sandboxes", "box"],
  ]) {
    expect(await call(path, id)).toBe("400 ROUTE_008");
  }
  expect(oracle.requests.map(({ target }) => target)).toEqual(["/a", "/a"]);
});

const fieldsOf = (...raw: string[]) =>
  responseFields(raw, {
    requestId: "req_1",
    mount: "/s/box",
    head: undefined,
    instance: undefined,
    port: null,
    alike: false,
    toldHost: null,
    bond: null,
    limit: null,
    taken: 0,
    sandboxId: "box",
    selected: false,
  });

describe("response fields", () => {
  test("come with the length, when the instance gave one", () => {
    expect(fieldsOf("content-length", "7", "x", "\xe4\t1")).toEqual({
      fields: ["content-length", "7", "x", "\xe4\t1", "x-request-id", "req_1"],
      contentLength: 7,
      trailer: null,
    });
    expect(fieldsOf().contentLength).toBe(-1);
  });

  test("keep the length even where Connection names it", () => {
    expect(fieldsOf("connection", "content-length, X", "x", "1", "content-length", "7").fields).toEqual([
      "content-length",
      "7",
      "x-request-id",
      "req_1",
    ]);
  });
});
