// node:http and undici's dispatch with no gateway logic between them: the floor under a gateway made of these two.

import { createServer, type ServerResponse } from "node:http";
import { type Dispatcher, Pool } from "undici";

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const upstream = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 128, pipelining: 1, allowH2: false });

createServer((request, response) => {
  const { host: _host, connection: _connection, ...headers } = request.headers;
  upstream.dispatch({ method: "GET", path: request.url ?? "/", headers }, relayTo(response));
}).listen(port, "127.0.0.1");

function relayTo(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart() {},
    onResponseStart(_controller, status, headers) {
      const { connection: _connection, "keep-alive": _keepAlive, ...kept } = headers;
      response.writeHead(status, kept);
    },
    onResponseData(_controller, chunk) {
      response.write(chunk);
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError() {
      response.writeHead(502).end();
    },
  };
}
