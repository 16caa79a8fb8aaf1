import type { IncomingMessage, ServerResponse } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway, type TestGatewayOptions } from "../../../support/gateway.ts";
import { RawConnection } from "../../../support/raw-connection.ts";
import { sendRaw } from "../../../support/raw-client.ts";
import { startRawUpstream, startUpstream } from "../../../support/upstream.ts";

interface Seen {
  readonly method: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A gateway before an instance that answers with `answer`; `seen`: what reached it. */
async function transforming(
  document: unknown,
  answer: (res: ServerResponse, seen: Seen) => unknown = (res) => res.end(),
  options: TestGatewayOptions = {},
) {
  const gateway = await startTestGateway(options);
  const seen: Seen[] = [];
  const upstream = await startUpstream(async (req, res) => {
    const { method, headers } = req;
    seen.push({ method, headers, body: await textOf(req) });
    answer(res, seen.at(-1) as Seen);
  });
  await gateway.addSandbox("box", upstream);
  await change(gateway, document);
  const authorization = await gateway.authorization();
  const ask = (init: RequestInit = {}, fields: Record<string, string> = {}) =>
    fetch(`${gateway.url}/s/box/`, { ...init, headers: { authorization, ...fields } });
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    ask({ method: "POST", body }, { "content-type": "application/json", ...headers });
  return { gateway, seen, ask, post, authorization };
}

async function change(gateway: TestGateway, document: unknown): Promise<void> {
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { transform: JSON.stringify(document) } });
  await gateway.feed.wake();
}

const code = async (response: Response) => {
  const { error } = (await response.json()) as { error: { code: string; executed: string } };
  return [response.status, error.code, error.executed];
};

const UNTRANSFORMABLE: readonly [why: string, body: string, fields: Record<string, string>, expected: unknown[]][] = [
  ["no JSON", '{"a":', {}, [400, "VAL_002"]],
  ["a name twice", '{"a":1,"a":2}', {}, [400, "VAL_002"]],
  ["a number that would become another", '{"a":12345678901234567890}', {}, [400, "VAL_002"]],
  ["what the expression fails on", '{"a":"x","b":1}', {}, [422, "VAL_012"]],
  ["what it makes nothing of", "{}", {}, [422, "VAL_012"]],
  ["too much", `{"a":"${"x".repeat(3000)}"}`, {}, [413, "VAL_004"]],
  ["what becomes too much", `{"a":1,"n":2000}`, {}, [422, "VAL_012"]],
  ["compressed", gzipSync("{}").toString("latin1"), { "content-encoding": "gzip" }, [422, "VAL_012"]],
  ["not UTF-8", "{}", { "content-type": "application/json;charset=latin1" }, [422, "VAL_012"]],
  ["another type", "a=1", { "content-type": "application/x-www-form-urlencoded" }, [415, "VAL_005"]],
];

const bytesOf = (body: string) => new Uint8Array(Buffer.from(body, "latin1"));
const nothing = (): void => undefined;

describe("a request's body", () => {
  test("is what the expression makes of it, with its own length and without what was said of the old one", async () => {
    const { seen, post } = await transforming({
      request: {
        body: "$merge([$, {'by': $principal, 'in': $sandbox, 'how': $method}])",
        headers: { set: { "x-a": "1" } },
      },
    });
    const fields = { "content-md5": "x", digest: "x", "content-type": "application/vnd.api+json; charset=UTF-8" };
    expect((await post('{"a": [1, "é"]}', fields)).status).toBe(200);
    const made = '{"a":[1,"é"],"by":"test-executor","in":"box","how":"POST"}';
    expect(seen[0]?.body).toBe(made);
    expect(seen[0]?.headers).toMatchObject({ "content-length": String(Buffer.byteLength(made)), "x-a": "1" });
    expect(Object.keys(seen[0]?.headers ?? {})).not.toContain("digest");
    expect(Object.keys(seen[0]?.headers ?? {})).not.toContain("content-md5");
    expect(seen[0]?.headers["transfer-encoding"]).toBeUndefined();
  });

  test("that comes in chunks, and is waited for by Expect, is transformed too", async () => {
    const { seen, gateway, authorization } = await transforming({ request: { body: "a" } });
    const client = await RawConnection.open(gateway.port);
    client.send(
      `PUT /s/box/ HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    await client.received("100 Continue");
    client.send('5\r\n{"a":\r\n');
    client.send("3\r\n[1]\r\n1\r\n}\r\n0\r\n\r\n");
    await client.received("HTTP/1.1 200");
    expect(client.text.match(/100 Continue/g)).toHaveLength(1);
    expect(seen[0]).toMatchObject({ body: "[1]", headers: { "content-length": "3" } });
    client.socket.destroy();
  });

  test("that cannot be transformed is refused before anything is sent, or passes, as the document says", async () => {
    const rule = { expression: "n ? $pad('a', n) : a + b", max_input: 1024, max_output: 1024 };
    const { seen, post, gateway } = await transforming({ request: { body: { ...rule, other_types: "fail" } } });
    for (const [why, body, fields, expected] of UNTRANSFORMABLE) {
      expect([why, ...(await code(await post(bytesOf(body), fields)))]).toEqual([why, ...expected, "no"]);
    }
    expect(seen).toEqual([]);
    await change(gateway, { request: { body: { ...rule, on_error: "pass" } } });
    for (const [why, body, fields] of UNTRANSFORMABLE) {
      expect([why, (await post(bytesOf(body), fields)).status]).toEqual([why, 200]);
      expect(seen.at(-1)).toMatchObject({ body: Buffer.from(body, "latin1").toString(), headers: fields });
    }
    expect(seen).toHaveLength(UNTRANSFORMABLE.length);
  });

  test("in chunks of which too many come passes whole, when it may pass", async () => {
    const { seen, gateway, authorization } = await transforming({
      request: { body: { expression: "a", on_error: "pass", max_input: 100 } },
    });
    const client = await RawConnection.open(gateway.port);
    client.send(
      `POST /s/box/ HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const sent = Array.from({ length: 50 }, (_, index) => `"${String(index).padStart(20, "x")}"`);
    for (const piece of sent) client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    client.send("0\r\n\r\n");
    await client.received("HTTP/1.1 200");
    expect(seen[0]?.body).toBe(sent.join(""));
    client.socket.destroy();
  });

  test("that is repeated is the transformed one", async () => {
    const gateway = await startTestGateway();
    const bodies: string[] = [];
    const upstream = await startRawUpstream((socket) => {
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk.toString();
        if (!got.includes('"made"')) return;
        bodies.push(got.slice(got.indexOf("\r\n\r\n") + 4));
        if (bodies.length === 1) socket.destroy();
        else socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
    });
    await gateway.addSandbox("box", upstream);
    await change(gateway, { request: { body: "{'made': a}" } });
    const headers = { authorization: await gateway.authorization(), "content-type": "application/json" };
    const response = await fetch(`${gateway.url}/s/box/`, { method: "PUT", body: '{"a":1}', headers });
    expect(response.status).toBe(200);
    expect(bodies).toEqual(['{"made":1}', '{"made":1}']);
  });
});

const JSON_FIELDS = { "content-type": "application/json" };

const HOPELESS: readonly [why: string, answer: (res: ServerResponse) => unknown][] = [
  ["no JSON", (res) => res.writeHead(200, JSON_FIELDS).end('{"a":')],
  ["what the expression fails on", (res) => res.writeHead(200, JSON_FIELDS).end('{"a":"x","b":1}')],
  ["too much, and says so", (res) => res.writeHead(200, JSON_FIELDS).end(`"${"x".repeat(2000)}"`)],
  [
    "too much, in chunks",
    (res) => {
      res.writeHead(200, JSON_FIELDS);
      for (let index = 0; index < 20; index++) res.write(`"${"x".repeat(100)}"`);
      res.end();
    },
  ],
  ["compressed", (res) => res.writeHead(200, { ...JSON_FIELDS, "content-encoding": "gzip" }).end(gzipSync("{}"))],
  ["another type", (res) => res.writeHead(200, { "content-type": "text/html" }).end("<p>")],
];

describe("an answer's body", () => {
  test("is what the expression makes of it, and what is said of the old one goes", async () => {
    const { seen, ask } = await transforming(
      { response: { body: "{'n': n, 'status': $status, 'instance': $exists($instance), 'for': $principal}" } },
      (res) =>
        res
          .writeHead(207, {
            ...JSON_FIELDS,
            etag: '"1"',
            "last-modified": "x",
            digest: "x",
            "content-length": 17,
            "x-a": "1",
          })
          .end('{"n":1,"s":"top"}'),
    );
    const conditions = {
      range: "bytes=0-1",
      "if-none-match": '"1"',
      "if-modified-since": "x",
      "accept-encoding": "gzip",
    };
    const response = await ask({}, conditions);
    const made = '{"n":1,"status":"207","instance":true,"for":"test-executor"}';
    expect([response.status, await response.text()]).toEqual([207, made]);
    expect(response.headers.get("content-length")).toBe(String(made.length));
    expect(response.headers.get("x-a")).toBe("1");
    for (const gone of ["etag", "last-modified", "digest"]) expect(response.headers.has(gone)).toBe(false);
    expect(seen[0]?.headers["accept-encoding"]).toBe("identity");
    for (const gone of ["range", "if-none-match", "if-modified-since"])
      expect(seen[0]?.headers).not.toHaveProperty(gone);
  });

  test("that cannot be transformed is an error, or passes, as the document says", async () => {
    const rule = { expression: "a + b", max_input: 1024 };
    let answer: (res: ServerResponse) => unknown = nothing;
    const { ask, gateway } = await transforming({}, (res) => answer(res));
    const plain: Buffer[] = [];
    for (const [, each] of HOPELESS) {
      answer = each;
      plain.push(Buffer.from(await (await ask()).arrayBuffer()));
    }
    await change(gateway, { response: { body: { ...rule, other_types: "fail" } } });
    for (const [why, each] of HOPELESS) {
      answer = each;
      const [status, name, executed] = await code(await ask());
      expect([why, status, name, executed === "no"]).toEqual([why, 502, "PROXY_014", false]);
    }
    await change(gateway, { response: { body: { ...rule, on_error: "pass" } } });
    for (const [index, [why, each]] of HOPELESS.entries()) {
      answer = each;
      const response = await ask();
      expect([why, response.status]).toEqual([why, 200]);
      expect(Buffer.from(await response.arrayBuffer())).toEqual(plain[index]);
    }
  });

  test("that there is none of stays none", async () => {
    const { ask, post } = await transforming({ response: { body: "a" } }, (res, { method }) => {
      if (method === "POST") res.writeHead(204).end();
      else res.writeHead(200, { ...JSON_FIELDS, "content-length": 17, etag: '"1"' }).end();
    });
    const head = await ask({ method: "HEAD" });
    expect([head.status, head.headers.has("content-length"), head.headers.has("etag")]).toEqual([200, false, false]);
    expect((await post("{}")).status).toBe(204);
  });

  test("that is no JSON streams as it comes", async () => {
    let finish = nothing;
    const { ask } = await transforming({ response: { body: "a" } }, (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
      finish = () => res.end("data: 2\n\n");
    });
    const reader = (await ask()).body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 1\n\n");
    finish();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 2\n\n");
  });

  test("that breaks off is a broken call, never a whole answer", async () => {
    const gateway = await startTestGateway();
    const upstream = await startRawUpstream((socket) => {
      socket.once("data", () => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":1}');
      });
    });
    await gateway.addSandbox("box", upstream);
    await change(gateway, { response: { body: "a" } });
    const headers = { authorization: await gateway.authorization() };
    expect(await code(await fetch(`${gateway.url}/s/box/`, { method: "POST", headers }))).toEqual([
      502,
      "PROXY_002",
      "maybe",
    ]);
  });
});

test("an expression without an end is stopped, holds up nobody, and leaves its record", async () => {
  const { gateway, post, authorization } = await transforming(
    { request: { body: { expression: "$match(a, /^(a+)+$/) ~> $count()", timeout: "300ms" } } },
    (res, { body }) => res.end(body),
  );
  expect(await (await post('{"a":"aaa"}')).text()).toBe("1");
  let longest = 0;
  let last = performance.now();
  const beat = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const hostile = post(`{"a":"${"a".repeat(50)}!"}`);
  // Others do not wait for it: neither who has no expression, nor the same sandbox's calls without a body.
  const others = await sendRaw(
    gateway.port,
    `GET /s/box/ HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    { quietMs: 5_000 },
  );
  expect(others.statuses).toEqual([200]);
  expect(await code(await hostile)).toEqual([422, "VAL_012", "no"]);
  clearInterval(beat);
  expect(longest).toBeLessThan(250); // 50 on a machine of its own; the expression alone would take years
  expect(await (await post('{"a":"aa"}')).text()).toBe("1");
  expect(gateway.records().map(({ status }) => status)).toEqual([200, 200, 422, 200]);
  expect(gateway.internalErrors).toEqual([]);
});

test("a client that leaves while its call is transformed leaves a record, and nothing is sent", async () => {
  const { gateway, seen, authorization } = await transforming({
    request: { body: { expression: "($f := function(){ $f() }; $f())", timeout: "1s" } },
  });
  const client = await RawConnection.open(gateway.port);
  client.send(
    `POST /s/box/ HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.socket.destroy();
  await eventually("it is recorded", () => gateway.records().length === 1);
  expect(gateway.records()[0]).toMatchObject({ status: 499 });
  expect(seen).toEqual([]);
});
