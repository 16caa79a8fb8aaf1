import { expect, onTestFinished, test } from "vitest";
import { RedirectListener } from "../../../src/daemon/front/redirect-listener.ts";
import { RawConnection } from "../../support/raw-connection.ts";

async function started(securePort = 443) {
  const listener = new RedirectListener({ port: () => securePort });
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => listener.close());
  return async (head: string) => {
    const connection = await RawConnection.open(port);
    connection.send(head);
    await connection.end();
    return [connection.statuses[0], /^location: (.*)\r$/m.exec(connection.text)?.[1]];
  };
}

test.each([
  ["gw.example", "/s/box/?a=1", "https://gw.example/s/box/?a=1"],
  ["gw.example:80", "/", "https://gw.example/"],
  ["[::1]:8080", "/x", "https://[::1]/x"],
  ["127.0.0.1", "//evil.example/x", "https://127.0.0.1//evil.example/x"],
])("plain HTTP to %s%s is sent to %s", async (host, target, location) => {
  const ask = await started();
  expect(await ask(`POST ${target} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)).toEqual([308, location]);
});

test("to a port of https that is not the usual one, it is named", async () => {
  const ask = await started(8443);
  expect(await ask("GET / HTTP/1.1\r\nHost: gw.example:8080\r\n\r\n")).toEqual([308, "https://gw.example:8443/"]);
});

test.each([
  ["no host", "GET / HTTP/1.0\r\n\r\n"],
  ["a host with somebody in it", "GET / HTTP/1.1\r\nHost: gw.example@evil.example\r\n\r\n"],
  ["a host with a path", "GET / HTTP/1.1\r\nHost: evil.example/\r\n\r\n"],
  ["no address in brackets", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"],
  ["another host in its target", "GET http://evil.example/ HTTP/1.1\r\nHost: gw.example\r\n\r\n"],
])("a request with %s is sent nowhere", async (_what, head) => {
  const ask = await started();
  expect(await ask(head)).toEqual([400, undefined]);
});
