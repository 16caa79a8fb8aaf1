import { expect, test } from "vitest";
import { startUpstream } from "../../../support/upstream.ts";
import { startUpstreamClient } from "../../../support/upstream-client.ts";

test("a request that cannot be written fails, and with it nothing else", async () => {
  const { ask } = startUpstreamClient(await startUpstream((_req, res) => void res.end("fine")), { connections: 1 });
  expect(await ask({ headers: ["x", "1"] })).toMatchObject({ body: "fine" });
  expect(await ask({ headers: ["x", "1\r\ny: 2"] })).toMatchObject({ error: "GW_001" });
  expect(await ask({ headers: ["x", "1"] })).toMatchObject({ body: "fine" });
});
