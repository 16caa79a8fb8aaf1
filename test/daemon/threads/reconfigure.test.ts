import { rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { startUpstream } from "../../support/upstream.ts";

const post = (authorization: string, length: number): string =>
  [`POST /s/box/ HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, `Content-Length: ${length}`, "", ""].join(
    "\r\n",
  );

test("another configuration holds for the next request on an open connection, not for the one in flight", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "4" } });
  const waiting: ServerResponse[] = [];
  await gateway.addSandbox("box", await startUpstream((req, res) => void (req.resume(), waiting.push(res))));
  const authorization = await gateway.authorization();
  const body = "x".repeat(3000);
  const busy = (await RawConnection.open(gateway.port)).send(post(authorization, 3000)).send(body.slice(1));
  const idle = (await RawConnection.open(gateway.port)).send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  await idle.received("HTTP/1.1 200");
  await eventually("the call is on its way", () => waiting.length === 1);

  gateway.gateway.reconfigure({ ...gateway.config, MAX_BODY_SIZE: 1024 });
  expect(gateway.memory.slots.shared[0]).toBe(1); // its slot is still counted
  busy.send("x"); // its body is longer than is allowed now
  waiting[0]?.end("done");
  await busy.received("done");
  idle.send(post(authorization, 3000));
  await idle.received('"code":"VAL_004"');
  await eventually("no slot is taken", () => gateway.memory.slots.shared[0] === 0);
});

test("connections to instances outlive another configuration, unless it is about them", async () => {
  const gateway = await startTestGateway();
  const ports = new Set<unknown>();
  const url = await startUpstream((req, res) => void (ports.add(req.socket.remotePort), res.end("x")));
  await gateway.addSandbox("box", url);
  const headers = { authorization: await gateway.authorization() };
  const ask = async () => (await fetch(`${gateway.url}/s/box/`, { headers })).text();
  await ask();
  gateway.gateway.reconfigure({ ...gateway.config, MAX_BODY_SIZE: 1024, TARGET_DENY: [...gateway.config.TARGET_DENY] });
  await ask();
  expect(ports.size).toBe(1);
  gateway.gateway.reconfigure({ ...gateway.config, TARGET_DENY: ["10.0.0.0/8"] });
  await ask();
  expect(ports.size).toBe(2);
});

test("an address that is denied from now on is refused on the connection that it has open", async () => {
  const gateway = await startTestGateway();
  const connection = await RawConnection.open(gateway.port);
  const ask = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  await connection.send(ask).received("HTTP/1.1 200");
  const denied = await startTestGateway({ env: { IP_DENY_LIST: "127.0.0.0/8" } });
  gateway.gateway.reconfigure(denied.config);
  await connection.send(ask).received('"code":"AUTH_006"');
  gateway.gateway.reconfigure(gateway.config);
  const another = await RawConnection.open(gateway.port);
  await another.send(ask).received("HTTP/1.1 200");
  expect([connection.statuses, another.statuses]).toEqual([[200, 403], [200]]);
});

test("what was followed before is followed again though its files have gone meanwhile", async () => {
  const file = join(temporaryFolder(), "ca.pem");
  writeFileSync(file, "");
  const gateway = await startTestGateway({ env: { PROXY_TLS_CA_FILE: file } });
  const denied = await startTestGateway({ env: { IP_DENY_LIST: "127.0.0.0/8" } });
  const status = () =>
    fetch(`${gateway.url}/health`).then(
      (answer) => answer.status,
      () => "none",
    );
  gateway.gateway.reconfigure(denied.config);
  expect(await status()).toBe("none");
  rmSync(file);
  expect(() => gateway.gateway.reconfigure(gateway.config)).toThrow("ca.pem");
  gateway.gateway.revert();
  expect(await status()).toBe(200);
  gateway.gateway.revert(); // there is nothing before that
  expect(await status()).toBe(200);
});
