import { createHash } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page, type Response } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createViteServer } from "vitest/node";
import { CHROMIUM } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { readAll } from "../support/upstream.ts";
import { ASSETS, type Seen, startWebApplication, type WebApplication } from "../support/web-application.ts";

const DOMAIN = "boxes.localhost"; // Chromium takes all that ends so for this machine

interface Apps {
  readonly gateway: TestGateway;
  readonly one: WebApplication;
  readonly two: WebApplication;
}

async function apps(): Promise<Apps> {
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: DOMAIN, BROWSER_HOST_FORM: "false" } });
  const [one, two] = await Promise.all([startWebApplication(), startWebApplication()]);
  await gateway.addSandbox("one", one.url);
  await gateway.addSandbox("two", two.url);
  return { gateway, one, two };
}

const WHERE = [
  { by: "path", at: ({ gateway }: Apps, id: string) => `http://gate.localhost:${gateway.port}/s/${id}` },
  { by: "host", at: ({ gateway }: Apps, id: string) => `http://${id}.${DOMAIN}:${gateway.port}` },
] as const;

describe.skipIf(CHROMIUM === undefined)("in Chromium (skipped where Debian's package chromium is missing)", () => {
  let browser: Browser;
  let page: Page;
  let devtools: string; // of the same browser
  beforeAll(async () => {
    const port = await freePort();
    devtools = `http://127.0.0.1:${port}`;
    const args = ["--no-sandbox", `--remote-debugging-port=${port}`];
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args });
    page = await browser.newPage(); // one for all tests: each costs more than what is done in it
  });
  afterAll(() => browser?.close());

  /** The page, blank, every request of which shows a token, WebSockets too; `failed`: answers that say so. */
  async function open({ gateway }: Apps): Promise<{ failed: string[] }> {
    const token = (await gateway.authorization()).replace("Bearer ", "");
    await page.context().clearCookies();
    await page.context().setExtraHTTPHeaders({ "x-sandbox-token": token });
    const failed: string[] = [];
    const note = (response: Response): void => {
      // Browsers may ask the host itself for its icon.
      if (response.status() >= 400 && !response.url().endsWith("/favicon.ico"))
        failed.push(`${response.status()} ${response.url()}`);
    };
    page.on("response", note);
    onTestFinished(async () => {
      page.off("response", note);
      await page.goto("about:blank");
    });
    return { failed };
  }

  describe.each(WHERE)("an application by $by", ({ by, at }) => {
    test("has its page of 200 assets, links, redirects, forms and cookies", async () => {
      const all = await apps();
      const { failed } = await open(all);
      const base = at(all, "one");
      await page.goto(base);
      expect(page.url()).toBe(`${base}/app/`);
      expect(await page.evaluate("loaded")).toBe(ASSETS);
      expect(await page.evaluate("document.cookie")).toBe("seen=own");

      const cookie = "seen=own";
      const moved = await asked(page, "../old", { method: "POST", body: "code" });
      expect(JSON.parse(moved)).toEqual({ method: "POST", url: "/echo", cookie, body: "code" });
      const own = await asked(page, "../own-address");
      expect(JSON.parse(own)).toEqual({ method: "GET", url: "/echo?from=own", cookie, body: "" });
      const odd = await asked(page, "../a%2Fb//c%3F;d/%2e%2e%2f?e=%2F&&f");
      expect(JSON.parse(odd)).toMatchObject({ url: "/a%2Fb//c%3F;d/%2e%2e%2f?e=%2F&&f", cookie });
      const deleted = await asked(page, "./echo", { method: "DELETE" });
      expect(JSON.parse(deleted)).toMatchObject({ method: "DELETE", url: "/app/echo", cookie: "deep=own; seen=own" });

      await page.goto(`${base}/page/`);
      await page.evaluate("document.forms[0].submit()");
      await page.waitForURL(`${base}/posted`);
      expect(await answered(page)).toMatchObject({ method: "POST", cookie, body: "field=%C3%A4+%26+b" });
      await page.goBack();
      await page.click("a");
      await page.waitForURL(`${base}/linked`);
      expect(await answered(page)).toMatchObject({ url: "/linked", cookie });
      expect(failed).toEqual([]);
      if (by === "path") return;

      await page.goto(`${base}/app/`); // once more, with what the browser has kept
      expect(await page.evaluate("loaded")).toBe(ASSETS);
      await page.goto(`${base}/rooted/`);
      expect(await page.evaluate("loaded")).toBe(1);
      await page.click("a");
      await page.waitForURL(`${base}/linked`);
      expect(failed).toEqual([]);
    });

    test("streams and talks: events with what was missed, a WebSocket both ways, uploads, parts, hints and trailers", async () => {
      const all = await apps();
      const { failed } = await open(all);
      const base = at(all, "one");
      await page.goto(`${base}/page/`);
      const events = await page.evaluate(
        () =>
          new Promise((resolve) => {
            const got: unknown[] = [];
            const source = new EventSource("../events");
            source.addEventListener("message", ({ data }) => got.push(data));
            source.addEventListener("again" as "message", ({ data }) => {
              source.close();
              resolve([...got, data]);
            });
          }),
      );
      expect(events).toEqual(["one", "after 1"]);
      const upload = "0123456789".repeat(100_000);
      const hash = createHash("sha256").update(upload).digest("hex");
      expect(JSON.parse(await asked(page, "../upload", { method: "PUT", body: upload }))).toEqual({ hash });
      expect(await asked(page, "../part", { headers: { range: "bytes=3-5" } })).toBe("345");
      expect(await asked(page, "../echo", { method: "HEAD" })).toBe("");
      expect(await asked(page, "../empty")).toBe("");
      expect(await asked(page, "../echo", { method: "OPTIONS" })).toContain('"method":"OPTIONS"');
      expect(await asked(page, "../trailers")).toBe("whole body");
      expect(await asked(page, "../hinted")).toBe("after hints");
      expect(failed).toEqual([]);

      const talk = await page.evaluate(
        async (live) => {
          const connect = (last: string) =>
            new Promise((resolve) => {
              const socket = new WebSocket(live, ["chat", "other"]);
              socket.binaryType = "arraybuffer";
              const got: unknown[] = [];
              socket.addEventListener("message", ({ data }) => {
                got.push(typeof data === "string" ? data : new Uint8Array(data).reduce((sum, byte) => sum + byte, 0));
                if (got.length === 1) socket.send("text ä");
                if (got.length === 2) socket.send(new Uint8Array(200_000).fill(3));
                if (got.length !== 3) return;
                if (last === "close") socket.close(3000, "enough");
                else socket.send(last);
              });
              socket.addEventListener("close", ({ code, reason, wasClean }) =>
                resolve([socket.protocol, socket.extensions, ...got, code, reason, wasClean]),
              );
            });
          return [await connect("close"), await connect("leave"), await connect("break")];
        },
        `${base.replace("http", "ws")}/live`,
      );
      const same = ["chat", "permessage-deflate", "seen=own", "text ä", 600_000];
      expect(talk).toEqual([
        [...same, 3000, "enough", true],
        [...same, 4001, "as asked", true],
        [...same, 1006, "", false],
      ]);
      await eventually("the last WebSocket is over", () => all.one.closed.length === 3);
      expect(all.one.closed).toEqual(["3000 enough", "4001 as asked", "1006 "]);
    });

    test("that breaks off in an answer is seen to have broken off", async () => {
      const all = await apps();
      await open(all);
      await page.goto(`${at(all, "one")}/page/`);
      const ends = await page.evaluate(async () => {
        const paths = ["../chunks-broken", "../length-broken", "../gzip-broken"];
        const texts = paths.map((path) => fetch(path).then((answer) => answer.text()));
        return (await Promise.allSettled(texts)).map(({ status }) => status);
      });
      const script = await page.evaluate(`new Promise((resolve) => {
        const script = document.createElement("script");
        script.onload = () => resolve("loaded");
        script.onerror = () => resolve("broken");
        script.src = "../script-broken.js";
        document.head.append(script);
      })`);
      expect([...ends, script]).toEqual(["rejected", "rejected", "rejected", "broken"]);
      expect(await page.evaluate("window.ranHalf")).toBeUndefined();
    });

    test("sees its own cookies only, and sets none for another", async () => {
      const all = await apps();
      await open(all);
      await page.goto(`${at(all, "two")}/page/`);
      await page.goto(`${at(all, "one")}/page/`);
      await page.evaluate(() => fetch("../hostile-cookies"));
      all.two.seen.length = 0;
      await page.goto(`${at(all, "two")}/echo`);
      expect(await answered(page)).toMatchObject({ url: "/echo", cookie: "seen=own" });
      expect(await page.evaluate("document.cookie")).toBe("seen=own");
      await page.goto(`${at(all, "one")}/echo`);
      expect((await answered(page)).cookie).toContain("seen=planted-");
    });
  });

  test("an application by host can neither ask another one, nor read its pages", async () => {
    const all = await apps();
    await open(all);
    const [, { at }] = WHERE;
    await page.goto(`${at(all, "one")}/page/`);
    all.two.seen.length = 0;
    const other = `${at(all, "two")}/echo`;
    const tried = await page.evaluate(async (url) => {
      const ask = (init: RequestInit) =>
        fetch(url, { ...init, credentials: "include" }).then(
          () => "answered",
          ({ name }: Error) => name,
        );
      return {
        simple: await ask({}),
        preflight: await ask({ method: "PUT", headers: { "x-any": "1" } }),
        opaque: await ask({ mode: "no-cors" }),
      };
    }, other);
    const frame = await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.src = ${JSON.stringify(other)};
      frame.onload = () => resolve(frame.contentDocument);
      document.body.append(frame);
    })`);
    expect(tried).toEqual({ simple: "TypeError", preflight: "TypeError", opaque: "answered" });
    expect(frame).toBeNull();
    expect(all.two.seen.map(({ line }) => line)).not.toContain("PUT /echo");
  });

  test("an application by host may be asked by another one as the gateway's policy or its own answers say", async () => {
    const all = await apps();
    const { gateway } = all;
    await open(all);
    const [, { at }] = WHERE;
    await page.goto(`${at(all, "one")}/page/`);
    const put = (path: string) =>
      page.evaluate(
        async (url) => {
          const init: RequestInit = { method: "PUT", headers: { "x-any": "1" }, credentials: "include" };
          return await fetch(url, init).then(
            (answer) => answer.text(),
            ({ name }: Error) => name,
          );
        },
        `${at(all, "two")}${path}`,
      );
    const policy = async (settings: Record<string, string>) => {
      await gateway.verbs.sandboxes.update(ACTOR, "two", { settings });
      await gateway.feed.wake();
    };
    expect(await put("/for-all")).toBe("TypeError");
    await policy({ cors: "gateway", "cors-origins": at(all, "one"), "cors-credentials": "true" });
    expect(await put("/echo")).toContain('"method":"PUT"');
    await policy({ cors: "gateway", "cors-origins": "http://another.example" });
    expect(await put("/for-all")).toBe("TypeError");
    await policy({ cors: "passed" });
    expect(await put("/for-all")).toBe("for all: PUT");
    expect(await put("/echo")).toBe("TypeError");
  });

  test.each(WHERE)("a development server puts a changed module into an open page, by $by", async ({ by, at }) => {
    const all = await apps();
    const root = temporaryFolder();
    writeFileSync(join(root, "index.html"), '<!doctype html><script type="module" src="/main.js"></script>');
    const accept = 'import.meta.hot.accept("./word.js", (changed) => { document.title = changed.word; })';
    writeFileSync(join(root, "main.js"), `import { word } from "./word.js"; document.title = word; ${accept}`);
    const write = (word: string) => writeFileSync(join(root, "word.js"), `export const word = "${word}";`);
    write("first");
    const base = by === "path" ? "/s/dev/" : "/";
    const server = await createViteServer({
      root,
      base,
      configFile: false,
      logLevel: "silent",
      optimizeDeps: { noDiscovery: true },
      server: { host: "127.0.0.1", port: await freePort(), strictPort: true },
    });
    onTestFinished(() => server.close());
    await server.listen();
    await all.gateway.addSandbox("dev", `http://127.0.0.1:${server.config.server.port}`);
    const settings = { "keep-prefix": String(by === "path") };
    await all.gateway.verbs.sandboxes.update(ACTOR, "dev", { settings });
    await all.gateway.feed.wake();
    const { failed } = await open(all);
    const connected = page.waitForEvent("console", (message) => message.text().includes("connected"));
    await page.goto(`${at(all, "dev")}/`);
    await connected;
    await eventually("the page has run", async () => (await page.title()) === "first", 10_000);
    write("second");
    await eventually("the page has the change", async () => (await page.title()) === "second", 10_000);
    expect(failed).toEqual([]);
  });

  test.each(WHERE)("that is behind the gateway itself is driven over its DevTools by $by", async ({ by, at }) => {
    const all = await apps();
    await all.gateway.addSandbox("chrome", devtools);
    // Node, unlike browsers, asks DNS for what is under localhost: the Host says it.
    const { host, pathname: mount } = new URL(at(all, "chrome"));
    const headers = { host, authorization: await all.gateway.authorization() };
    const root = `127.0.0.1:${all.gateway.port}${mount.replace(/\/$/, "")}`;
    const told = await answerOf(`http://${root}/json/version`, headers);
    const own = new URL(told["webSocketDebuggerUrl"] as string);
    expect(`http://${own.host}`).toBe(devtools); // what the answer says is not for its client: its path is

    const driven = await chromium.connectOverCDP(`ws://${root}${own.pathname}`, { headers });
    const far = await driven.newPage();
    await far.setContent("<title>far</title><h1>away</h1>");
    expect(await far.evaluate("document.title + 6 * 7")).toBe("far42");
    expect((await far.screenshot()).subarray(1, 4).toString()).toBe("PNG");
    await far.close();
    await driven.close();
    expect(browser.isConnected()).toBe(true);

    const tunnel = () => all.gateway.records().find(({ status }) => status === 101);
    await eventually("the tunnel has its record", () => tunnel() !== undefined);
    expect(tunnel()).toMatchObject({ sandbox: "chrome", method: "GET" });
    expect(tunnel()).not.toHaveProperty("outcome");
    if (by === "host") return;

    // With its answers put right, as the documentation says, clients find the way themselves.
    const documentation = readFileSync(join(import.meta.dirname, "../../docs/applications.md"), "utf8");
    const [, recipe = ""] = /```json\n(\{[^`]*webSocketDebuggerUrl[^`]*)```/.exec(documentation) ?? [];
    const transform = recipe.replace("gateway:8080/s/chrome", root);
    await all.gateway.verbs.sandboxes.update(ACTOR, "chrome", { settings: { transform } });
    await all.gateway.feed.wake();
    const found = await chromium.connectOverCDP(`http://${root}`, { headers });
    expect(found.version()).toBe(browser.version());
    await found.close();
  });

  test.each(WHERE)("a link opens a page and its WebSocket by $by, and ends them when it is revoked", async ({ at }) => {
    const all = await apps();
    await page.context().clearCookies();
    await page.context().setExtraHTTPHeaders({});
    onTestFinished(async () => void (await page.goto("about:blank")));
    const wanted = { sandboxId: "one", port: null, methods: null, path: "/", subject: "ada", expiresInMs: 60_000 };
    const { text, link } = await all.gateway.verbs.links.create(ACTOR, wanted);
    await page.goto(`${at(all, "one")}/app/?sgw_link=${text}`);
    expect(page.url()).toBe(`${at(all, "one")}/app/`);
    expect(await page.evaluate("document.cookie")).not.toContain("sandboxgw");
    const socket = page.evaluateHandle(
      () =>
        new Promise<{ ended: string[] }>((resolve) => {
          const found: { ended: string[] } = { ended: [] };
          const opened = new WebSocket("ws", ["chat"]);
          opened.addEventListener("open", () => resolve(found));
          opened.addEventListener("close", ({ code, reason }) => found.ended.push(`${code} ${reason}`));
        }),
    );
    const ended = async () => await (await socket).evaluate(({ ended: how }) => how);
    expect(await ended()).toEqual([]);
    expect((await asked(page, "whoever")).length).toBeGreaterThan(0);
    await all.gateway.verbs.links.revoke(ACTOR, link.id);
    await all.gateway.feed.wake();
    await eventually("the socket has ended", async () => (await ended()).length === 1, 1_000);
    expect(await asked(page, "whoever")).toContain("AUTH_001");
    expect((await page.goto(`${at(all, "two")}/`))?.status()).toBe(401);
    expect((await page.goto(`${at(all, "one")}/app/`))?.status()).toBe(401);
  });
});

/** What a script of the page reads of an answer. */
function asked(
  page: Page,
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {},
) {
  return page.evaluate(async (call) => await (await fetch(call.path, call.init)).text(), { path, init });
}

/** What the page shows. */
async function answered(page: Page): Promise<Seen> {
  return JSON.parse((await page.textContent("body")) as string) as Seen;
}

/** A GET's JSON, with fields that fetch sets itself. */
async function answerOf(url: string, headers: Record<string, string>): Promise<Record<string, unknown>> {
  const [answer] = (await once(get(url, { headers }), "response")) as [IncomingMessage];
  return JSON.parse(await readAll(answer)) as Record<string, unknown>;
}
