import { expect, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

test("a sandbox's path without its last slash is sent to the one with it, for those who may use it, and recorded", async () => {
  const gateway = await startTestGateway();
  let asked = 0;
  const upstream = await startUpstream((_req, res) => {
    asked += 1;
    res.end();
  });
  await gateway.addSandbox("box", upstream);
  const authorization = await gateway.authorization();
  const other = await gateway.authorization("executor", { sandboxes: ["else"] });
  const ask = (path: string, as: string, method = "GET") =>
    fetch(`${gateway.url}${path}`, { method, headers: { authorization: as }, redirect: "manual" });

  for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
    const { status, headers } = await ask("/s/box?q=%2F&next=//x", authorization, method);
    expect([method, status, headers.get("location")]).toEqual([method, 308, "/s/box/?q=%2F&next=//x"]);
  }
  expect((await ask("/s/box", other)).status).toBe(404);
  expect((await ask("/s/none", authorization)).status).toBe(404);
  expect(asked).toBe(0);
  expect(gateway.records().map(({ status }) => status)).toEqual([308, 308, 308, 308, 404, 404]);
});
