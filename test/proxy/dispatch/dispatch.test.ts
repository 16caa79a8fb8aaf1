import { Agent, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { startScriptedUpstream } from "../../support/upstream.ts";

test("no GET fails because an instance closes its connections after some milliseconds of idleness", async () => {
  const gateway = await startTestGateway();
  const url = await startScriptedUpstream((_head, socket) => {
    socket.setTimeout(1 + Math.random() * 4, () => socket.destroy());
    return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
  });
  gateway.addSandbox("box", url);
  const headers = { authorization: await gateway.authorization() };
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const ask = (): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: gateway.port, path: "/s/box/", headers, agent }, (res) => {
        res.resume().once("end", () => resolve(res.statusCode));
      });
      sent.once("error", reject).end();
    });
  const failures: unknown[] = [];
  const caller = async (): Promise<void> => {
    for (let call = 0; call < 150; call++) {
      const status = await ask();
      if (status !== 200) failures.push(status);
      const pause = Math.random() * 6; // about as long as the instance waits: the worst time to ask again
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  await Promise.all(Array.from({ length: 20 }, caller));
  expect(failures).toEqual([]);
});
