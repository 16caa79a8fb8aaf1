import { describe, expect, test } from "vitest";
import { asksForTrailers, passingTrailers } from "../../../src/proxy/forward/trailers.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { startScriptedUpstream } from "../../support/upstream.ts";

/** A gateway before an instance that answers everything with these bytes. */
async function gatewayBefore(answer: string) {
  const gateway = await startTestGateway();
  let asked = "";
  const upstream = await startScriptedUpstream((head) => {
    asked = head;
    return answer;
  });
  await gateway.addSandbox("box", upstream);
  const authorization = await gateway.authorization();
  const ask = async (fields = "", { method = "GET", version = "1.1" } = {}) => {
    const all = `Host: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n${fields}`;
    const { text } = await sendRaw(gateway.port, `${method} /s/box/ HTTP/${version}\r\n${all}\r\n`, { quietMs: 3_000 });
    return text;
  };
  return { ask, gateway, asked: () => asked };
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
const BODY = "4\r\nbody\r\n0\r\n";
const WITH = "TE: trailers\r\n";

describe("fields behind a body", () => {
  test("pass to a client that takes them, when they were announced", async () => {
    const { ask, asked } = await gatewayBefore(
      `${CHUNKED}Trailer: Grpc-Status, X-Sum\r\n\r\n${BODY}Grpc-Status: 0\r\nX-Sum: a1\r\nX-Other: secret\r\n\r\n`,
    );
    const text = await ask(WITH);
    expect(text).toContain("trailer: grpc-status, x-sum\r\n");
    expect(text.endsWith("0\r\ngrpc-status: 0\r\nx-sum: a1\r\n\r\n")).toBe(true);
    expect(asked()).toContain("te: trailers\r\nconnection: te\r\n");
  });

  test.each([
    ["did not say that it takes them", "", "1.1", "GET"],
    ["refuses them", "TE: gzip;q=0.5\r\n", "1.1", "GET"],
    ["speaks HTTP/1.0", WITH, "1.0", "GET"],
  ])("do not pass to a client that %s", async (_, fields, version, method) => {
    const { ask } = await gatewayBefore(`${CHUNKED}Trailer: X-Sum\r\n\r\n${BODY}X-Sum: secret\r\n\r\n`);
    const text = await ask(fields, { version, method });
    expect(text).toContain("body");
    expect(text).not.toMatch(/trailer|secret/i);
  });

  test("are not promised where there is no body", async () => {
    const head = await gatewayBefore(`${CHUNKED}Trailer: X-Sum\r\n\r\n`);
    expect(await head.ask(WITH, { method: "HEAD" })).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    const empty = await gatewayBefore("HTTP/1.1 204 No Content\r\nTrailer: X-Sum\r\n\r\n");
    expect(await empty.ask(WITH)).toMatch(/^HTTP\/1.1 204 No Content\r\n/);
    expect(empty.gateway.internalErrors).toEqual([]);
  });

  test("that would change what was acted on already do not pass", async () => {
    const names = ["Set-Cookie", "Content-Length", "Transfer-Encoding", "Location", "X-Request-Id", "Clear-Site-Data"];
    const lines = names.map((name) => `${name}: 1\r\n`).join("");
    const { ask } = await gatewayBefore(
      `${CHUNKED}Trailer: ${names.join(", ")}, X-Sum\r\n\r\n${BODY}${lines}X-Sum: 1\r\n\r\n`,
    );
    expect((await ask(WITH)).endsWith("0\r\nx-sum: 1\r\n\r\n")).toBe(true);
  });

  test.each(["no colon", "X Sum: 1", ": 1", "X-Sum : 1", "X-Sum: \x01"])(
    "that are no fields break the transfer: %j",
    async (line) => {
      const { ask } = await gatewayBefore(`${CHUNKED}Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\n${line}\r\n\r\n`);
      expect(await ask(WITH)).toMatch(/^HTTP\/1.1 502/);
    },
  );
});

test.each([
  ["trailers", true],
  ["gzip, trailers", true],
  ["Trailers;q=0.1,deflate", true],
  ["trailers2", false],
  ["", false],
])("a TE field of %j asks for trailers: %s", (te, asks) => {
  expect(asksForTrailers(te)).toBe(asks);
});

test("what is no name is not promised", () => {
  expect(passingTrailers("X-A, x a, , X-A, \x01, Server-Timing")).toEqual(["x-a", "server-timing"]);
});

describe("a 103", () => {
  const FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

  test("passes with its links, and with nothing else", async () => {
    const hints =
      "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\nX-A: 1\r\n\r\n";
    const { ask } = await gatewayBefore(hints + FINAL);
    const text = await ask();
    expect(text).toMatch(
      /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload, <\/b.js>; rel=preload\r\n\r\nHTTP\/1.1 200 OK\r\n/,
    );
    expect(text.endsWith("body")).toBe(true);
    expect(text).not.toContain("X-A");
  });

  test("does not pass to a client that would take it for the answer, or when it says nothing", async () => {
    const { ask } = await gatewayBefore(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${FINAL}`);
    expect(await ask("", { version: "1.0" })).toMatch(/^HTTP\/1.1 200 OK/);
    const bad = await gatewayBefore(`HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\n${FINAL}`);
    expect(await bad.ask()).toMatch(/^HTTP\/1.1 200 OK/);
    expect(bad.gateway.internalErrors).toEqual([]);
  });

  test("of which more than ten come is an attack, also when they were passed", async () => {
    const { ask } = await gatewayBefore(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n".repeat(11) + FINAL,
    );
    const text = await ask();
    expect(text.match(/HTTP\/1.1 103/g)?.length).toBe(10);
    expect(text).toMatch(/\r\n\r\nHTTP\/1.1 502 /);
  });
});
