import { expect, onTestFinished, test } from "vitest";
import { Http1Client } from "../../../../src/proxy/upstream/http1/client.ts";
import { startUpstream } from "../../../support/upstream.ts";

test("a request that cannot be written fails, and with it nothing else", async () => {
  const url = await startUpstream((_req, res) => void res.end("fine"));
  const client = new Http1Client({ connections: 1, connectTimeoutMs: 1_000, keepAliveMs: 1_000, socketFolder: "/" });
  onTestFinished(() => client.close());
  const instance = { id: "ins_1", sandboxId: "box", url, number: 1 };
  const outcomeOf = (headers: string[]): Promise<string> =>
    new Promise((resolve) => {
      let text = "";
      client.start(
        instance,
        { method: "GET", path: "/", headers, body: null },
        {
          onSent: () => undefined,
          onHead: () => undefined,
          onData: (chunk) => void (text += String(chunk)),
          onEnd: () => resolve(text),
          onError: (error) => resolve(error.message),
        },
      );
    });
  expect(await outcomeOf(["x", "1"])).toBe("fine");
  expect(await outcomeOf(["x", "1\r\ny: 2"])).toBe("line break in a request field");
  expect(await outcomeOf(["x", "1"])).toBe("fine");
});
