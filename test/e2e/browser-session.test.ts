import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { CHROMIUM } from "../support/browser.ts";
import { createAuthority } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

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

interface Where {
  readonly by: string;
  readonly scheme: "http" | "https";
  readonly env: Record<string, string>;
  readonly at: (port: number, id: string) => string;
}

const BY_PATH: Where = {
  by: "path",
  scheme: "http",
  env: { BROWSER_HOST_FORM: "false" },
  at: (port, id) => `http://${DOMAIN}:${port}/s/${id}/`,
};
const BY_HOST: Where = { by: "host", scheme: "http", env: {}, at: (port, id) => `http://${id}.${DOMAIN}:${port}/` };
/** There its cookies have the names that browsers keep for one host. */
const OVER_HTTPS: Where = {
  by: "host over HTTPS",
  scheme: "https",
  env: {},
  at: (port, id) => `https://${id}.${DOMAIN}:${port}/`,
};

/** A certificate for all hosts; the browser is told to believe any. */
function certificate(): Record<string, string> {
  const folder = temporaryFolder();
  const env = { TLS_CERT_FILE: join(folder, "cert.pem"), TLS_KEY_FILE: join(folder, "key.pem") };
  const issued = createAuthority().issue([DOMAIN, `*.${DOMAIN}`]);
  writeFileSync(env.TLS_CERT_FILE, issued.certificate);
  writeFileSync(env.TLS_KEY_FILE, issued.key);
  return env;
}

describe.skipIf(CHROMIUM === undefined)("in Chromium (skipped where Debian's package chromium is missing)", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  /** A browser whose user has signed in, and nothing else. */
  async function signedIn(scheme: string, port: number, authorization: string) {
    const context: BrowserContext = await browser.newContext({ ignoreHTTPSErrors: true });
    onTestFinished(() => context.close());
    const page: Page = await context.newPage();
    await page.goto(`${scheme}://${DOMAIN}:${port}/health`);
    const id: unknown = await page.evaluate(
      `fetch("/api/v1/session", { method: "POST", headers: { authorization: ${JSON.stringify(authorization)} } })
        .then((r) => r.json()).then(({ session_id }) => session_id)`,
    );
    expect(await page.evaluate("document.cookie")).toBe("");
    return { page, id: String(id) };
  }

  async function start({ scheme, env }: Where) {
    const tls = scheme === "https" ? certificate() : {};
    const gateway: TestGateway = await startTestGateway({ env: { GATEWAY_DOMAIN: DOMAIN, ...tls, ...env } });
    const [one, two] = await Promise.all([startApp(), startApp()]);
    await gateway.addSandbox("one", one.url);
    await gateway.addSandbox("two", two.url);
    const signed = await signedIn(scheme, gateway.port, await gateway.authorization());
    return { gateway, one, two, ...signed };
  }

  test.each([BY_PATH, OVER_HTTPS])(
    "a session by $by opens a page with its fetches, events and sockets, which end when it is killed",
    async (where) => {
      const { at, scheme } = where;
      const { gateway, page, id, one } = await start(where);
      await page.goto(`${scheme}://${DOMAIN}:${gateway.port}/s/one/`);
      expect(page.url()).toBe(at(gateway.port, "one"));
      const told = async () => await page.evaluate<{ closed: boolean }>("told");
      await eventually("all of it works", async () => {
        const now = await told();
        return JSON.stringify(now) === '{"events":["1"],"socket":"echo hello","posted":"200 own","closed":false}';
      });
      expect(one.acts.toSorted()).toEqual(["own", "socket"]);
      const names = (await page.context().cookies()).map((cookie) => cookie.name);
      const name = `${scheme === "https" ? "__Host-" : ""}sandboxgw_session`;
      expect(new Set(names)).toEqual(new Set([name]));
      await gateway.verbs.sessions.end(ACTOR, id, "killed");
      await gateway.feed.wake();
      await eventually("the socket is closed", async () => (await told()).closed);
      const after = await page.reload();
      expect([after?.status(), await page.title()]).toEqual([401, "401 Invalid authentication token"]);
    },
  );

  test.each([BY_PATH, BY_HOST])(
    "a page of another site, or of the same, cannot act by $by with the session of its visitor",
    async (where) => {
      const { gateway, page, one, two } = await start(where);
      const victim = where.at(gateway.port, "one");
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
