import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { IpAccess, Peer } from "../auth/ip-access.ts";
import { type ErrorCode, errorBody, GatewayError } from "../errors.ts";
import type { ConnectionCap } from "./connections.ts";

/** A client connection, with what was decided about it when it opened. */
export interface PeerSocket extends Socket {
  peer?: Peer;
}

export interface ServerLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderSize: number;
  /** A connection on which nothing moves for this long is cut, whatever state it is in. */
  readonly idleTimeoutMs: number;
}

/**
 * node:http set up as a gateway: its own defaults are those of an application server.
 * `handle` gets every request; what node:http itself refuses is answered here in the contract's envelope.
 */
export function createGatewayServer(options: {
  limits: ServerLimits;
  access: IpAccess;
  connections: ConnectionCap;
  handle: (req: IncomingMessage, res: ServerResponse) => void;
  onRefused: (code: ErrorCode) => void;
  newRequestId: () => string;
}): Server {
  const { limits, access, connections, handle, onRefused, newRequestId } = options;
  const server = createServer({
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: limits.maxHeaderSize,
    insecureHTTPParser: false,
    requireHostHeader: false, // the gate's task, with an answer in the envelope
    joinDuplicateHeaders: false,
    noDelay: true,
    keepAlive: true, // TCP keep-alive: notices peers that vanished
    highWaterMark: 64 * 1024,
  });
  server.maxHeadersCount = 0; // node:http drops surplus fields silently; the gate counts and refuses
  server.setTimeout(limits.idleTimeoutMs);

  const refuse = (socket: Socket, error: GatewayError): void => {
    onRefused(error.code);
    writeRefusal(socket, error, newRequestId());
  };

  server.on("connection", (socket: PeerSocket) => {
    const peer = access.peer(socket.remoteAddress ?? "");
    socket.peer = peer;
    if (!connections.admit(socket, peer.address)) refuse(socket, new GatewayError("RATE_003", { retryAfter: 1 }));
  });
  server.on("request", handle);
  // With listeners of their own these reach the gate too, instead of being answered before anybody is authenticated.
  server.on("checkContinue", handle);
  server.on("checkExpectation", handle);
  server.on("connect", (_req: IncomingMessage, socket: Socket) => {
    refuse(socket, new GatewayError("ROUTE_003", { details: "CONNECT is not supported" }));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Bytes after the last request of a connection are nobody's: the answer goes out, then the connection closes.
    if (error.code === "HPE_CLOSED_CONNECTION") return;
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    refuse(socket, parserError(error));
  });
  return server;
}

/** What node:http reports, as an error of ours; everything else is VAL_001. */
const PARSER_ERRORS: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: "VAL_006",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "VAL_004",
  ERR_HTTP_REQUEST_TIMEOUT: "VAL_008",
};

function parserError({ code = "" }: NodeJS.ErrnoException): GatewayError {
  return new GatewayError(PARSER_ERRORS[code] ?? "VAL_001", { details: code });
}

/** An answer to bytes that never became a request; then the connection is closed. */
function writeRefusal(socket: Socket, error: GatewayError, requestId: string): void {
  // An answer that is under way must not be followed by a second one: what is written of it goes out, and no more.
  if ("_httpMessage" in socket && socket._httpMessage) return socket.destroySoon();
  const body = errorBody(error, requestId);
  const retry = error.retryAfter === undefined ? "" : `retry-after: ${error.retryAfter}\r\n`;
  socket.end(
    `HTTP/1.1 ${error.status} ${REASONS[error.status] ?? "Error"}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${requestId}\r\n${retry}connection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
};
