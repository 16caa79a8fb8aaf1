import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Offer } from "../request/exchange.ts";
import type { PeerSocket } from "../request/peer-socket.ts";

const HEAD_END = "\r\n\r\n";

// A request can offer to go on in another protocol (`Upgrade`, RFC 9110 section 7.8). Most are not taken up: such a
// one is a request like any other, and more may follow. But node:http, which asks us whether to take it up, then loses what it has
// read of those: they would get no answer, and what comes later would be read from the middle.

/** Bytes that a client may send before it is answered; with more it waits. */
const EARLY_MOST = 64 * 1024;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;
/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Whether a request's offer may be taken up: then the connection leaves node:http, and the request has it to itself. Called
 * while its head is being parsed. Of another one it is noted where the request ends.
 */
export function mayTakeUp(req: IncomingMessage): boolean {
  const socket: PeerSocket = req.socket;
  const offer = socket.exchange === undefined ? offerOf(req) : undefined; // the answer before it must go out first
  if (offer !== undefined) {
    socket.offer = offer;
    return true;
  }
  socket.offerEnd = endOf(req, socket);
  return false;
}

/** One protocol, offered by a GET without a body. HTTP/2 is spoken to nobody: what looks like it could be a way past us. */
function offerOf({ method, headers, httpVersionMinor }: IncomingMessage): Offer | undefined {
  const protocol = headers.upgrade;
  if (method !== "GET" || httpVersionMinor !== 1 || protocol === undefined || !TOKEN.test(protocol)) return undefined;
  if (/^(?:h2c?|http)(?:\/|$)/i.test(protocol)) return undefined;
  if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0) return undefined;
  if (protocol.toLowerCase() !== "websocket") return { protocol, accept: null, early: [], decided: () => undefined };
  const key = headers["sec-websocket-key"];
  if (key === undefined || !KEY.test(key)) return undefined;
  const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64");
  return { protocol, accept, early: [], decided: () => undefined };
}

/** Reads on while an offer is decided upon, as node:http would: what comes is kept, and who leaves is noticed. */
export function readOn(socket: PeerSocket, offer: Offer, first: Buffer): void {
  let length = 0;
  const keep = (chunk: Buffer): void => {
    offer.early.push(chunk);
    length += chunk.length;
    if (length >= EARLY_MOST) socket.pause();
  };
  const leave = (): void => void socket.end();
  if (first.length > 0) keep(first);
  offer.decided = () => void socket.off("data", keep).off("end", leave);
  socket.on("data", keep).once("end", leave);
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
