import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { readAll } from "./upstream.ts";

/** Scripts of its page: half are named relative to the page, half by the whole address. */
export const ASSETS = 200;

/** What it answered to a call, as its page reads it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly cookie: string;
  readonly body: string;
}

/** A web application with a page that does what pages do, and everything on the wire that gateways get wrong. */
export interface WebApplication {
  readonly url: string;
  /** Request lines and the Cookie that came with them. */
  readonly seen: { readonly line: string; readonly cookie: string }[];
  /** How its WebSockets ended: code and reason. */
  readonly closed: string[];
}

export async function startWebApplication(): Promise<WebApplication> {
  const seen: WebApplication["seen"] = [];
  const closed: string[] = [];
  const server = createServer((req, res) => {
    seen.push({ line: `${req.method} ${req.url}`, cookie: req.headers.cookie ?? "" });
    void answer(req, res);
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => "chat", perMessageDeflate: { threshold: 0 } });
  sockets.on("connection", (socket, { headers }) => {
    socket.send(headers.cookie ?? "");
    socket.on("close", (code, reason) => closed.push(`${code} ${String(reason)}`));
    socket
      .on("error", () => undefined)
      .on("message", (data: Buffer, isBinary) => {
        const text = String(data);
        if (text === "leave") socket.close(4001, "as asked");
        else if (text === "break") socket.terminate();
        else socket.send(data, { binary: isBinary });
      });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, closed };
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { url = "", method } = req;
  const script = /^\/asset\/(\d+)\.js/.exec(url);
  if (script !== null) return asset(Number(script[1]), req, res);
  const page = PAGES[url.replace(/\?.*/, "")];
  if (page !== undefined) return void page(req, res);
  const body = await readAll(req);
  json(res, { method, url, cookie: req.headers.cookie ?? "", body });
}

type Page = (req: IncomingMessage, res: ServerResponse) => unknown;

const PAGES: Readonly<Record<string, Page>> = {
  "/": (_req, res) => res.writeHead(302, { location: "/app/" }).end(),
  "/app/": (req, res) => {
    const base = origin(req);
    const scripts = Array.from(
      { length: ASSETS },
      (_, index) => `<script async src="${index % 2 === 0 ? ".." : base}/asset/${index}.js"></script>`,
    );
    res.writeEarlyHints({ link: "<../asset/0.js>; rel=preload; as=script" });
    html(res, scripts.join(""));
  },
  "/page/": (req, res) => {
    const base = origin(req);
    const form = `<form action="${base}/posted" method="post"><input name="field" value="ä &amp; b"></form>`;
    html(res, `<a href="${base}/linked">absolute</a>${form}`);
  },
  // By host only: nothing says where it is.
  "/rooted/": (_req, res) => html(res, '<script src="/asset/1.js"></script><a href="/linked">rooted</a>'),
  "/old": (req, res) => res.writeHead(307, { location: `${origin(req)}/echo` }).end(),
  "/own-address": ({ socket }, res) =>
    res.writeHead(302, { location: `http://127.0.0.1:${socket.localPort}/echo?from=own` }).end(),
  "/events": ({ headers }, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const last = headers["last-event-id"];
    if (last === undefined) {
      res.write("retry: 1\nid: 1\ndata: one\n\n");
      setImmediate(() => res.destroy());
    } else res.end(`event: again\ndata: after ${String(last)}\n\n`);
  },
  "/chunks-broken": (_req, res) => {
    res.write("half");
    setImmediate(() => res.destroy());
  },
  "/length-broken": (_req, res) => {
    res.writeHead(200, { "content-length": 100 }).write("half");
    setImmediate(() => res.destroy());
  },
  "/gzip-broken": (_req, res) => {
    const whole = gzipSync("x".repeat(10));
    res.writeHead(200, { "content-encoding": "gzip" }).write(whole.subarray(0, 15));
    setImmediate(() => res.destroy());
  },
  "/script-broken.js": (_req, res) => {
    res.writeHead(200, { "content-type": "text/javascript" }).write("window.ranHalf = true; // and");
    setImmediate(() => res.destroy());
  },
  "/trailers": (_req, res) => {
    res.writeHead(200, { trailer: "x-checksum" }).write("whole ");
    res.addTrailers({ "x-checksum": "1" });
    res.end("body");
  },
  "/hinted": (_req, res) => {
    res.writeEarlyHints({ link: "</asset/2.js>; rel=preload; as=script" });
    res.writeEarlyHints({ link: "</asset/3.js>; rel=preload; as=script" });
    res.end("after hints");
  },
  "/empty": (_req, res) => res.writeHead(204).end(),
  "/part": ({ headers }, res) => {
    const [, from = 0, to = 9] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    const part = "0123456789".slice(Number(from), Number(to) + 1);
    res.writeHead(206, { "content-range": `bytes ${from}-${to}/10` }).end(part);
  },
  "/for-all": ({ method, headers }, res) => {
    res.setHeader("access-control-allow-origin", headers.origin ?? "*");
    res.setHeader("access-control-allow-methods", "PUT");
    res.setHeader("access-control-allow-headers", headers["access-control-request-headers"] ?? "");
    res.setHeader("access-control-allow-credentials", "true");
    res.end(`for all: ${method}`);
  },
  "/upload": async (req, res) => {
    const hash = createHash("sha256");
    for await (const chunk of req) hash.update(chunk as Buffer);
    json(res, { hash: hash.digest("hex") });
  },
  "/hostile-cookies": (_req, res) => {
    const names = [
      "Path=/",
      "Path=/s/two/",
      "Path=/; Domain=boxes.localhost",
      "Domain=two.boxes.localhost",
      "Path=/s/two",
    ];
    res.setHeader(
      "set-cookie",
      names.map((attributes, index) => `seen=planted-${index}; ${attributes}`),
    );
    res.end();
  },
};

function asset(index: number, { headers }: IncomingMessage, res: ServerResponse): void {
  const tag = `"${index}"`;
  if (headers["if-none-match"] === tag) return void res.writeHead(304, { etag: tag }).end();
  const zipped = index % 10 === 0;
  res.writeHead(200, {
    "content-type": "text/javascript",
    "cache-control": "no-cache",
    etag: tag,
    ...(zipped && { "content-encoding": "gzip" }),
  });
  res.end(zipped ? gzipSync("loaded++") : "loaded++");
}

/** Where the client sees the application, by what the gateway tells it. */
function origin({ headers }: IncomingMessage): string {
  const [scheme, host, prefix = ""] = ["proto", "host", "prefix"].map((name) => headers[`x-forwarded-${name}`]);
  return `${scheme as string}://${host as string}${prefix as string}`;
}

function html(res: ServerResponse, body: string): void {
  res.setHeader("set-cookie", ["seen=own; Path=/; Domain=localhost", "deep=own; Path=/app/; HttpOnly"]);
  res.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  res.end(`<!doctype html><title>app</title><script>window.loaded = 0</script>${body}`);
}

function json(res: ServerResponse, value: unknown): void {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
