import { expect, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

test("a sandbox's own host reaches it with the path as it is, its cookies stay there, and nobody else's is reached", async () => {
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: "gw.example" } });
  const seen: string[] = [];
  await gateway.addSandbox(
    "box",
    await startUpstream((req, res) => {
      seen.push(req.url ?? "");
      res.setHeader("set-cookie", "sid=1; Domain=gw.example; Path=/app");
      res.writeHead(302, { location: "/login" }).end();
    }),
  );
  const authorization = await gateway.authorization("executor", { sandboxes: ["box"] });
  const ask = async (host: string, path: string): Promise<string> => {
    const connection = await RawConnection.open(gateway.port);
    connection.send(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    await connection.end();
    return connection.text;
  };
  const answer = await ask("box.gw.example:8080", "/s/box/health?x=%2F");
  expect(answer).toMatch(/^HTTP\/1\.1 302 /);
  expect(answer).toContain("location: /login\r\n");
  expect(answer).toContain("sid=1; Path=/app\r\n");
  expect(seen).toEqual(["/s/box/health?x=%2F"]);
  expect(gateway.records().at(-1)).toMatchObject({ sandbox: "box" });
  expect(await ask("other.gw.example", "/")).toMatch(/^HTTP\/1\.1 404 /);
});
