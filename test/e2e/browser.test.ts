import { chromium } from "playwright-core";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM } from "../support/browser.ts";
import { startTestGateway } from "../support/gateway.ts";
import { readAll, startUpstream } from "../support/upstream.ts";

const ASSETS = 200;

/** An application that does not know where it is: relative links, redirects by path, cookies for the whole host. */
async function application(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = req.url ?? "";
  if (url === "/") return void res.writeHead(302, { location: "/app/" }).end();
  if (url === "/app/") {
    const scripts = Array.from({ length: ASSETS }, (_, index) => `<script async src="../asset/${index}.js"></script>`);
    res.writeHead(200, { "content-type": "text/html", "set-cookie": ["seen=own; Path=/; Domain=localhost"] });
    const link = `<a href="${absolute(req)}/linked">absolute</a>`;
    return void res.end(
      `<!doctype html><title>app</title><script>window.loaded = 0</script>${link}${scripts.join("")}`,
    );
  }
  if (url.startsWith("/asset/")) return void res.writeHead(200, { "content-type": "text/javascript" }).end("loaded++");
  if (url === "/old") return void res.writeHead(307, { location: `http://${req.headers.host}/echo` }).end();
  if (url === "/broken") {
    res.writeHead(200, { "content-type": "text/plain" });
    res.write("half");
    return void setImmediate(() => res.destroy());
  }
  if (url === "/events") {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("data: one\n\n");
    return void setImmediate(() => res.end("data: two\n\n"));
  }
  const { method } = req;
  const seen = { method, url, cookie: req.headers.cookie, body: await readAll(req) };
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(seen));
}

/** Where the client sees the application, by what the gateway tells it. */
function absolute({ headers }: IncomingMessage): string {
  const [scheme, host, prefix] = ["proto", "host", "prefix"].map((name) => headers[`x-forwarded-${name}`] as string);
  return `${scheme}://${host}${prefix}`;
}

describe.skipIf(CHROMIUM === undefined)("in Chromium (skipped where Debian's package chromium is missing)", () => {
  test("applications work behind a path, and two of them see their own cookies only", async () => {
    const gateway = await startTestGateway({ env: { RATE_LIMIT_ENABLED: "false" } });
    await gateway.addSandbox("one", await startUpstream(application));
    await gateway.addSandbox("two", await startUpstream(application));
    const browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    onTestFinished(() => browser.close());
    const token = (await gateway.authorization()).replace("Bearer ", "");
    const page = await browser.newPage({ extraHTTPHeaders: { "x-sandbox-token": token } });
    const failed: string[] = [];
    page.on("response", (response) => {
      // Browsers may ask the host itself for its icon.
      if (response.status() >= 400 && !response.url().endsWith("/favicon.ico"))
        failed.push(`${response.status()} ${response.url()}`);
    });

    await page.goto(`${gateway.url}/s/one`);
    expect(page.url()).toBe(`${gateway.url}/s/one/app/`);
    expect(await page.evaluate("loaded")).toBe(ASSETS);
    const seen = await page.evaluate(async () => {
      const events = await new Promise((resolve) => {
        const got: unknown[] = [];
        const source = new EventSource("../events");
        source.addEventListener("message", ({ data }) => got.push(data));
        source.addEventListener("error", () => {
          source.close();
          resolve(got);
        });
      });
      return {
        posted: await (await fetch("../old", { method: "POST", body: "code" })).json(),
        odd: await (await fetch("../a%2Fb//c?d=%2F")).json(),
        broken: await fetch("../broken")
          .then((answer) => answer.text())
          .catch((error: Error) => error.name),
        events,
      };
    });
    const cookie = "seen=own";
    expect(seen).toEqual({
      posted: { method: "POST", url: "/echo", cookie, body: "code" },
      odd: { method: "GET", url: "/a%2Fb//c?d=%2F", cookie, body: "" },
      broken: "TypeError",
      events: ["one", "two"],
    });

    await page.click("a");
    await page.waitForURL(`${gateway.url}/s/one/linked`);
    expect(JSON.parse((await page.textContent("body")) as string)).toMatchObject({ url: "/linked", cookie });

    await page.goto(`${gateway.url}/s/two/echo`);
    expect(JSON.parse((await page.textContent("body")) as string)).toMatchObject({ url: "/echo", body: "" });
    expect(await page.textContent("body")).not.toContain("cookie");
    expect(await page.evaluate("document.cookie")).toBe("");
    expect(failed).toEqual([]);
  });
});
