import type { IncomingMessage, ServerResponse } from "node:http";
import type { PeerSocket } from "../request/peer-socket.ts";

const HEAD_END = "\r\n\r\n";

// A request can offer to go on in another protocol (`Upgrade`, RFC 9110 section 7.8). We never take that up, so it is a
// request like any other, and more may follow. But node:http, which asks us whether to take it up, then loses what it has
// read of those: they would get no answer, and what comes later would be read from the middle.

/** Notes where a request that makes an offer ends. Called while its head is being parsed; the answer is no. */
export function declineOffer(req: IncomingMessage): false {
  const socket: PeerSocket = req.socket;
  socket.offerEnd = endOf(req, socket);
  return false;
}

/** Closes the connection after a request that made an offer if something behind it may have been lost. */
export function closeBehindOffer(end: number, req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req;
  const lost = (): boolean => socket.bytesRead > end;
  if (lost()) res.shouldKeepAlive = false;
  else if (socket.bytesRead < end) {
    req.once("end", () => {
      if (lost()) res.shouldKeepAlive = false;
    });
  }
}

/** Bytes of the connection up to the end of the request; -1 where that cannot be known. */
function endOf(req: IncomingMessage, socket: PeerSocket): number {
  if (req.headers["transfer-encoding"] !== undefined) return -1;
  const buffer = socket.parser?.getCurrentBuffer?.();
  const end = buffer?.indexOf(HEAD_END) ?? -1; // of an earlier request in the same read, if there is one: too early is safe
  if (buffer === undefined || end < 0) return -1;
  const behind = buffer.length - end - HEAD_END.length;
  return socket.bytesRead - behind + Number(req.headers["content-length"] ?? 0);
}
