// Stands behind the gateway while idle connections are counted: takes every upgrade, answers the rest, keeps all open.
// Argument: its port.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 4.2.2

createServer((_req, res) => res.end("ok"))
  .on("upgrade", ({ headers }, socket) => {
    const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${ACCEPT_SUFFIX}`).digest("base64");
    socket
      .on("error", () => socket.destroy())
      .on("end", () => socket.end())
      .resume();
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
  })
  .listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
