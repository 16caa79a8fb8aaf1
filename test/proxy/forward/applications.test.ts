import { expect, test } from "vitest";
import type { SettingTexts } from "../../../src/domain/settings/settings.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { startUpstream } from "../../support/upstream.ts";

test("an application is told what its settings say: the Host it believes in, and its whole path when it knows its base URL", async () => {
  const gateway = await startTestGateway();
  const seen: (string | undefined)[][] = [];
  const upstream = await startUpstream((req, res) => {
    seen.push([req.headers.host, req.url, req.headers["x-forwarded-prefix"] as string | undefined]);
    res.writeHead(302, { location: "/s/box/next", "set-cookie": "a=1; Path=/s/box/" }).end();
  });
  await gateway.addSandbox("box", upstream);
  const authorization = await gateway.authorization();
  const own = upstream.replace("http://", "");
  const ask = async (
    settings: SettingTexts,
    request = "GET /s/box/a%2Fb//c?q=/ HTTP/1.1\r\nHost: Client.example:81",
  ) => {
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
    await gateway.feed.wake();
    const { text } = await sendRaw(
      gateway.port,
      `${request}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^location: \/s\/box\/next\r$/im);
    expect(text).toMatch(/^set-cookie: a=1; Path=\/s\/box\/\r$/im);
    return seen.at(-1);
  };

  const path = "/a%2Fb//c?q=/";
  expect(await ask({})).toEqual([own, path, "/s/box"]);
  expect(await ask({ "host-header": "client" })).toEqual(["Client.example:81", path, "/s/box"]);
  expect(await ask({}, "GET /s/box/old HTTP/1.0")).toEqual([own, "/old", "/s/box"]);
  expect(await ask({ "host-header": "app.example:8080" })).toEqual(["app.example:8080", path, "/s/box"]);
  expect(await ask({ "host-header": "instance" })).toEqual([own, path, "/s/box"]);
  expect(await ask({ "keep-prefix": "true" })).toEqual([own, `/s/box${path}`, undefined]);
  expect(await ask({ "keep-prefix": null })).toEqual([own, path, "/s/box"]);
});
