// Opens connections that then do nothing, and keeps them until it is ended. Arguments: URL, "websocket" or "kept alive", how many.
// Prints `open` and how many when all are; ends with 1 when one could not be.

import { once } from "node:events";
import { connect } from "node:net";

/** So many are opened at a time. */
const TOGETHER = 50;

const [url = "", kind = "", count = ""] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const upgrade =
  kind === "websocket"
    ? "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    : "";
const request = `GET ${pathname} HTTP/1.1\r\nHost: bench\r\nAuthorization: ${process.env["BENCH_AUTHORIZATION"]}\r\n${upgrade}\r\n`;
const expected = kind === "websocket" ? "HTTP/1.1 101 " : "HTTP/1.1 200 ";

for (let open = 0; open < Number(count); open += TOGETHER) {
  await Promise.all(Array.from({ length: Math.min(TOGETHER, Number(count) - open) }, openOne));
}
console.log(`open ${count}`);

async function openOne(): Promise<void> {
  const socket = connect(Number(port), hostname);
  socket.write(request);
  const [answer] = (await once(socket, "data")) as [Buffer];
  const text = answer.toString("latin1");
  if (!text.startsWith(expected)) throw new Error(`not open: ${text.slice(0, 500)}`);
  socket.on("close", () => {
    console.error("a connection was closed");
    process.exit(1);
  });
}
