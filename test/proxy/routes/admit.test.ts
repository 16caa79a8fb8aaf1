import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { readAll, startUpstream } from "../../support/upstream.ts";
import { PLAIN_INSTANCE } from "../../support/sandboxes.ts";

let revision = 1_000_000;

/** The token's revocation comes into force. */
function revoke({ gateway }: TestGateway, authorization: string): void {
  const { jti } = JSON.parse(Buffer.from(authorization.split(".")[1] as string, "base64url").toString()) as {
    jti: string;
  };
  revision += 1;
  gateway.apply([{ revision, change: { kind: "token.revoked", tokenId: jti, expiresAt: Date.now() + 60_000 } }]);
}

/** The sandbox's removal comes into force. */
function remove({ gateway }: TestGateway, sandboxId: string): void {
  revision += 1;
  gateway.apply([{ revision, change: { kind: "sandbox.removed", sandboxId } }]);
}

/** A gateway before an instance that answers nothing until it is told to. */
async function holding(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  const arrived: string[] = [];
  const held: ServerResponse[] = [];
  const url = await startUpstream(async (req, res) => {
    arrived.push(`${req.method} ${req.url}`);
    await readAll(req);
    held.push(res);
  });
  await gateway.addSandbox("box", url);
  return { gateway, arrived, held };
}

function get(authorization: string, path = "/"): string {
  return `GET /s/box${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
}

const CODE = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });

function run(authorization: string, body = CODE, length = CODE.length): string {
  return `POST /api/v1/sandbox/execute HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

/** The error in the last answer on a connection. */
function errorOn(connection: RawConnection): Record<string, unknown> {
  const at = connection.text.lastIndexOf("\r\n\r\n{");
  return (JSON.parse(connection.text.slice(at + 4)) as { error: Record<string, unknown> }).error;
}

const REVOKED = { code: "AUTH_001", details: "Token has been revoked", executed: "no" };

describe("a call whose token is revoked", () => {
  test("while its execute body comes in is never dispatched", async () => {
    const { gateway, arrived } = await holding();
    const authorization = await gateway.authorization();
    const connection = await RawConnection.open(gateway.port);
    connection.send(run(authorization, CODE.slice(0, 20)));
    await eventually("the body is being read", () => gateway.gateway.inFlight.size === 1);
    revoke(gateway, authorization);
    await connection.received(/"request_id":"[^"]*"}}/);
    expect(connection.statuses).toEqual([401]);
    expect(errorOn(connection)).toMatchObject(REVOKED);
    connection.send(CODE.slice(20));
    await connection.end();
    expect(arrived).toEqual([]);
    await eventually("nothing is in flight", () => gateway.gateway.inFlight.size === 0);
  });

  test("while it waits for a slot is never dispatched, and gives its place up at once", async () => {
    const { gateway, arrived, held } = await holding({ MAX_CONCURRENT_REQUESTS: "1" });
    const [first, second] = [await gateway.authorization(), await gateway.authorization("operator")];
    const holder = (await RawConnection.open(gateway.port)).send(get(first, "/first"));
    await eventually("the slot is taken", () => held.length === 1);
    const waiting = (await RawConnection.open(gateway.port)).send(get(second, "/second"));
    const running = (await RawConnection.open(gateway.port)).send(run(second));
    await eventually("both wait", () => gateway.gateway.inFlight.size === 3);
    revoke(gateway, second);
    for (const connection of [waiting, running]) {
      await connection.received(/"request_id":"[^"]*"}}/);
      expect(connection.statuses).toEqual([401]);
      expect(errorOn(connection)).toMatchObject(REVOKED);
    }
    held[0]?.end("done");
    await holder.received("done");
    expect(arrived).toEqual(["GET /first"]);
  });

  test("while it waits for a connection to the instance is never sent", async () => {
    const { gateway, arrived, held } = await holding({ PROXY_POOL_SIZE: "1" });
    const [first, second] = [await gateway.authorization(), await gateway.authorization("operator")];
    (await RawConnection.open(gateway.port)).send(get(first, "/first"));
    await eventually("the connection is taken", () => held.length === 1);
    const waiting = (await RawConnection.open(gateway.port)).send(get(second, "/second"));
    await eventually("both are in flight", () => gateway.gateway.inFlight.size === 2);
    revoke(gateway, second);
    await waiting.received(/"request_id":"[^"]*"}}/);
    expect(errorOn(waiting)).toMatchObject(REVOKED);
    held[0]?.end("done");
    await eventually("only the first is left", () => gateway.gateway.inFlight.size === 0);
    expect(arrived).toEqual(["GET /first"]);
  });

  test("while it streams is cut", async () => {
    const { gateway, held } = await holding();
    const authorization = await gateway.authorization();
    const connection = (await RawConnection.open(gateway.port)).send(get(authorization));
    await eventually("the call has arrived", () => held.length === 1);
    held[0]?.write("some");
    await connection.received("some");
    revoke(gateway, authorization);
    expect(await connection.end(1000)).toBeLessThan(1000);
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ decision: "allow", outcome: "AUTH_001" }]);
  });

  test("while its client has still to read an answer that is complete is cut", async () => {
    const size = 24 * 1024 * 1024;
    const { gateway, held } = await holding({ MAX_RESPONSE_SIZE: "64mb" });
    const authorization = await gateway.authorization();
    const connection = (await RawConnection.open(gateway.port)).send(run(authorization));
    await eventually("the call has arrived", () => held.length === 1);
    connection.socket.pause();
    held[0]?.end(JSON.stringify({ stdout: "x".repeat(size) }));
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.gateway.inFlight.size).toBe(1);
    revoke(gateway, authorization);
    await eventually("it is out", () => gateway.gateway.inFlight.size === 0);
    connection.socket.resume();
    await connection.end();
    expect(connection.text.length).toBeLessThan(size);
  });
});

test("a token that expires while its call waits for a slot does not run it", async () => {
  const { gateway, arrived, held } = await holding({ MAX_CONCURRENT_REQUESTS: "1", TOKEN_CLOCK_SKEW: "0s" });
  const { token } = await gateway.verbs.tokens.create(ACTOR, {
    subject: "short",
    role: "executor",
    expiresInMs: 1000,
    sandboxes: null,
    operations: null,
  });
  const holder = (await RawConnection.open(gateway.port)).send(get(await gateway.authorization(), "/first"));
  await eventually("the slot is taken", () => held.length === 1);
  const waiting = (await RawConnection.open(gateway.port)).send(run(`Bearer ${token}`));
  await eventually("it waits", () => gateway.gateway.inFlight.size === 2);
  const { exp } = JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString()) as { exp: number };
  await eventually("the token has expired", () => Date.now() >= exp * 1000);
  held[0]?.end("done");
  await holder.received("done");
  await waiting.received(/"request_id":"[^"]*"}}/);
  expect(errorOn(waiting)).toMatchObject({ code: "AUTH_001", details: "Token has expired", executed: "no" });
  expect(arrived).toEqual(["GET /first"]);
});

describe("a call whose sandbox is removed", () => {
  test("while it waits for a slot is never dispatched", async () => {
    const { gateway, arrived, held } = await holding({ MAX_CONCURRENT_REQUESTS: "1" });
    const authorization = await gateway.authorization();
    const holder = (await RawConnection.open(gateway.port)).send(get(authorization, "/first"));
    await eventually("the slot is taken", () => held.length === 1);
    const waiting = (await RawConnection.open(gateway.port)).send(get(authorization, "/second"));
    const running = (await RawConnection.open(gateway.port)).send(run(authorization));
    await eventually("both wait", () => gateway.gateway.inFlight.size === 3);
    remove(gateway, "box");
    held[0]?.end("done");
    await holder.received("done");
    for (const connection of [waiting, running]) {
      await connection.received(/"request_id":"[^"]*"}}/);
      expect(connection.statuses).toEqual([404]);
      expect(errorOn(connection)).toMatchObject({ code: "ROUTE_001", executed: "no" });
    }
    expect(arrived).toEqual(["GET /first"]);
  });

  test("while its body comes in is never dispatched", async () => {
    const { gateway, arrived } = await holding();
    const connection = await RawConnection.open(gateway.port);
    connection.send(run(await gateway.authorization(), CODE.slice(0, 20)));
    await eventually("the body is being read", () => gateway.gateway.inFlight.size === 1);
    remove(gateway, "box");
    connection.send(CODE.slice(20));
    await connection.received(/"request_id":"[^"]*"}}/);
    expect(errorOn(connection)).toMatchObject({ code: "ROUTE_001", executed: "no" });
    expect(arrived).toEqual([]);
  });

  test("after an instance has it is answered to the end", async () => {
    const { gateway, held } = await holding();
    const connection = (await RawConnection.open(gateway.port)).send(get(await gateway.authorization()));
    await eventually("the call has arrived", () => held.length === 1);
    remove(gateway, "box");
    held[0]?.end("done");
    await connection.received("done");
    expect(connection.statuses).toEqual([200]);
  });
});

test("a call that waits is dispatched to the sandbox as it is then, not as it was when the call came", async () => {
  const { gateway, arrived, held } = await holding({ MAX_CONCURRENT_REQUESTS: "1" });
  const authorization = await gateway.authorization();
  const holder = (await RawConnection.open(gateway.port)).send(get(authorization, "/first"));
  await eventually("the slot is taken", () => held.length === 1);
  const waiting = (await RawConnection.open(gateway.port)).send(get(authorization, "/second"));
  await eventually("it waits", () => gateway.gateway.inFlight.size === 2);
  const url = await startUpstream((_req, res) => res.end("from the new instance"));
  const [sandbox] = await gateway.store.sandboxes.list();
  if (sandbox === undefined) throw new Error("no sandbox");
  revision += 1;
  const instances = [{ id: "ins_new", sandboxId: "box", url, number: 77, ...PLAIN_INSTANCE }];
  gateway.gateway.apply([{ revision, change: { kind: "sandbox.put", sandbox: { ...sandbox, instances } } }]);
  held[0]?.end("done");
  await holder.received("done");
  await waiting.received("from the new instance");
  expect(arrived).toEqual(["GET /first"]);
});
