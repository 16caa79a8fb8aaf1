import { once } from "node:events";
import { beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually } from "../../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { RawConnection } from "../../../support/raw-connection.ts";
import { startUpstream } from "../../../support/upstream.ts";

const EXECUTE = JSON.stringify({
  sandbox_id: "box",
  operation: "run_code",
  payload: { language: "python", code: "1" },
});

describe("a session that is killed", () => {
  let gateway: TestGateway;
  let cookie: string;
  let ran: string[];
  let kill: () => Promise<void>;
  let release: () => void;

  beforeEach(async () => {
    gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1", MAX_CONCURRENT_PER_CALLER: "1" } });
    ran = [];
    release = () => undefined;
    const url = await startUpstream((req, res) => {
      ran.push(req.url ?? "");
      if (req.url === "/hold") release = () => res.end("held");
      else res.end("{}");
    });
    await gateway.addSandbox("box", url);
    const authorization = await gateway.authorization();
    const opened = await fetch(`${gateway.url}/api/v1/session`, { method: "POST", headers: { authorization } });
    const { session_id: id } = (await opened.json()) as { session_id: string };
    cookie = opened.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    kill = async () => {
      await gateway.verbs.sessions.end(ACTOR, id, "killed");
      await gateway.feed.wake();
    };
  });

  const head = (method: string, path: string, ...fields: string[]) =>
    [
      `${method} ${path} HTTP/1.1`,
      "Host: gw",
      `Cookie: ${cookie}`,
      "Sec-Fetch-Site: same-origin",
      ...fields,
      "",
      "",
    ].join("\r\n");

  test("runs nothing of a call whose body is being read", async () => {
    const call = await RawConnection.open(gateway.port);
    const fields = [`Content-Length: ${EXECUTE.length}`, "Content-Type: application/json"];
    call.send(head("POST", "/api/v1/sandbox/execute", ...fields)).send(EXECUTE.slice(0, 20));
    await eventually("it is read", () => gateway.gateway.inFlight.size === 1);
    await kill();
    await call.received("AUTH_001");
    call.send(EXECUTE.slice(20));
    expect([call.statuses, ran]).toEqual([[401], []]);
  });

  test("runs nothing of a call that waits for its turn", async () => {
    const authorization = await gateway.authorization("operator");
    const holding = fetch(`${gateway.url}/s/box/hold`, { headers: { authorization } });
    await eventually("the only place is taken", () => ran.length === 1);
    const call = await RawConnection.open(gateway.port);
    call.send(head("POST", "/s/box/late", "Content-Length: 0"));
    await eventually("it waits", () => gateway.gateway.inFlight.size === 2);
    await kill();
    await call.received("AUTH_001");
    release();
    await holding;
    expect([call.statuses, ran]).toEqual([[401], ["/hold"]]);
  });

  test("closes the socket of a ticket that it got, and one that is not used yet opens none", async () => {
    const sockets = new WebSocketServer({ port: 0 });
    await once(sockets, "listening");
    await gateway.addSandbox("sockets", `http://127.0.0.1:${(sockets.address() as { port: number }).port}`);
    const ticket = async () => {
      const response = await fetch(`${gateway.url}/api/v1/tickets`, {
        method: "POST",
        headers: { cookie, "sec-fetch-site": "same-origin", "content-type": "application/json" },
        body: JSON.stringify({ sandbox_id: "sockets" }),
      });
      return ((await response.json()) as { ticket: string }).ticket;
    };
    const [used, unused] = [await ticket(), await ticket()];
    const open = (text: string) => new WebSocket(`ws://127.0.0.1:${gateway.port}/s/sockets/?sgw_ticket=${text}`);
    const socket = open(used);
    await once(socket, "open");
    const closed = once(socket, "close");
    await kill();
    await closed;
    const [, { statusCode }] = (await once(open(unused), "unexpected-response")) as [unknown, { statusCode: number }];
    expect(statusCode).toBe(401);
    sockets.close();
  });
});
