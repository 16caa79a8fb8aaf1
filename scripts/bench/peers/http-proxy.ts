// http-proxy as its README shows it, with the keep-alive agent it needs to be comparable.

import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${upstreamPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: 128 }),
});
proxy.on("error", (_error, _request, response) => response.writeHead(502).end());

createServer((request, response) => proxy.web(request, response)).listen(port, "127.0.0.1");
