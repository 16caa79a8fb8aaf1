import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { CHROMIUM } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../support/gateway.ts";

const DOMAIN = "boxes.localhost"; // Chromium takes all that ends so for this machine

/** All that a page has: it fetches, listens to events and opens a socket beside itself, and tells what came of it. */
const PAGE = `<!doctype html><title>app</title><script>
  window.told = { events: [], socket: "", posted: "", closed: false };
  fetch("act", { method: "POST", body: "own" }).then(async (r) => { told.posted = r.status + " " + (await r.text()); });
  new EventSource("events").onmessage = ({ data }) => told.events.push(data);
  const socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));
  socket.onopen = () => socket.send("hello");
  socket.onmessage = ({ data }) => { told.socket = data; };
  socket.onclose = () => { told.closed = true; };
</script>`;

/** A page that does as much harm as it can at \`victim\`, a URL that ends in a slash; the form last, for it leaves. */
const evilPage = (victim: string): string => `<!doctype html><title>evil</title>
<form method="post" action="${victim}act"><input name="a" value="form"></form><script>
  const socket = new WebSocket(${JSON.stringify(victim.replace(/^http/, "ws"))} + "socket");
  const opened = new Promise((resolve) => { socket.onopen = () => resolve("open"); socket.onerror = () => resolve("refused"); });
  const options = { method: "POST", mode: "no-cors", credentials: "include", body: "fetched" };
  const sent = fetch("${victim}act", options).catch(() => undefined);
  Promise.all([opened, sent]).then(([what]) => { document.title = what; });
</script>`;

interface App {
  readonly url: string;
  /** What was posted to it, and the sockets that were opened. */
  readonly acts: string[];
  /** The page at /evil. */
  evil: string;
}

async function startApp(): Promise<App> {
  const app = { url: "", acts: [] as string[], evil: "" };
  const server = createServer((req, res) => {
    if (req.url === "/events")
      return void res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    if (req.method === "POST") {
      return void text(req).then((body) => {
        app.acts.push(body);
        res.end(body);
      });
    }
    res.writeHead(200, { "content-type": "text/html" }).end(req.url === "/evil" ? app.evil : PAGE);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    app.acts.push("socket");
    socket.on("message", (data: Buffer) => socket.send(`echo ${data.toString()}`));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  });
  app.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return app;
}

const WHERE = [
  {
    by: "path",
    env: { BROWSER_HOST_FORM: "false" },
    at: (port: number, id: string) => `http://${DOMAIN}:${port}/s/${id}/`,
  },
  { by: "host", env: {}, at: (port: number, id: string) => `http://${id}.${DOMAIN}:${port}/` },
] as const;

describe.skipIf(CHROMIUM === undefined)("in Chromium (skipped where Debian's package chromium is missing)", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  /** A browser whose user has signed in, and nothing else. */
  async function signedIn({ port, authorization }: { port: number; authorization: string }) {
    const context: BrowserContext = await browser.newContext();
    onTestFinished(() => context.close());
    const page: Page = await context.newPage();
    await page.goto(`http://${DOMAIN}:${port}/health`);
    const id: unknown = await page.evaluate(
      `fetch("/api/v1/session", { method: "POST", headers: { authorization: ${JSON.stringify(authorization)} } })
        .then((r) => r.json()).then(({ session_id }) => session_id)`,
    );
    expect(await page.evaluate("document.cookie")).toBe("");
    return { page, id: String(id) };
  }

  async function start(env: Record<string, string>) {
    const gateway: TestGateway = await startTestGateway({ env: { GATEWAY_DOMAIN: DOMAIN, ...env } });
    const [one, two] = await Promise.all([startApp(), startApp()]);
    await gateway.addSandbox("one", one.url);
    await gateway.addSandbox("two", two.url);
    return {
      gateway,
      one,
      two,
      ...(await signedIn({ port: gateway.port, authorization: await gateway.authorization() })),
    };
  }

  test.each(WHERE)(
    "a session by $by opens a page with its fetches, events and sockets, which end when it is killed",
    async ({ env, at }) => {
      const { gateway, page, id, one } = await start(env);
      await page.goto(`http://${DOMAIN}:${gateway.port}/s/one/`);
      expect(page.url()).toBe(at(gateway.port, "one"));
      const told = async () => await page.evaluate<{ closed: boolean }>("told");
      await eventually("all of it works", async () => {
        const now = await told();
        return JSON.stringify(now) === '{"events":["1"],"socket":"echo hello","posted":"200 own","closed":false}';
      });
      expect(one.acts.toSorted()).toEqual(["own", "socket"]);
      await gateway.verbs.sessions.end(ACTOR, id, "killed");
      await gateway.feed.wake();
      await eventually("the socket is closed", async () => (await told()).closed);
      const after = await page.reload();
      expect([after?.status(), await page.title()]).toEqual([401, "401 Invalid authentication token"]);
    },
  );

  test.each(WHERE)(
    "a page of another site, or of the same, cannot act by $by with the session of its visitor",
    async ({ env, at }) => {
      const { gateway, page, one, two } = await start(env);
      const victim = at(gateway.port, "one");
      await page.goto(`http://${DOMAIN}:${gateway.port}/s/one/`); // the browser has all the cookies that there are
      await eventually("its own are through", () => one.acts.length === 2);
      one.acts.length = 0;
      two.evil = evilPage(victim);
      const evil = new URL(two.url).port;
      // Another site; and a neighbour, whose host is of the same site: there the browser shows the cookie.
      for (const origin of [`http://evil.localhost:${evil}`, `http://evil.${DOMAIN}:${evil}`]) {
        await page.goto(`${origin}/evil`);
        await eventually("it has tried", async () => (await page.title()) === "refused");
        const [answer] = await Promise.all([page.waitForNavigation(), page.evaluate("document.forms[0].submit()")]);
        expect([401, 403]).toContain(answer?.status());
        expect(answer?.headers()["content-type"]).toBe("text/html; charset=utf-8");
      }
      expect(one.acts).toEqual([]);
      expect(gateway.records().some(({ rule }) => rule === "AUTH_011")).toBe(true);
    },
  );
});
