import {
  createServer,
  type IncomingMessage,
  STATUS_CODES,
  type Server,
  type ServerOptions,
  ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import type { Server as SecureServer, TLSSocket, TlsOptions } from "node:tls";
import type { IpAccess, Peer } from "../../auth/ip-access.ts";
import { type ErrorCode, asGatewayError, errorBody, GatewayError } from "../../errors.ts";
import type { ConnectionCap } from "../../limits/connections.ts";
import type { ClientCertificates } from "./client-certificates.ts";
import { closeBehindOffer, mayTakeUp, readOn } from "./offer.ts";
import { ALLOW } from "../request/head.ts";
import { isSecure, type PeerSocket } from "../request/peer-socket.ts";
import { LINGER_BYTES, LINGER_MS } from "../request/linger.ts";

export interface ServerLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderSize: number;
  /** A connection on which nothing moves for this long is cut, whatever state it is in. */
  readonly idleTimeoutMs: number;
}

/** What the listener asks for each connection and request: it may be another one from one to the next. */
export interface ListenerPolicy {
  readonly access: IpAccess;
  readonly connections: ConnectionCap;
}

/** Requests a client may send behind one that is being served. */
const MAX_WAITING = 100;

/**
 * node:http set up as a gateway: its own defaults are those of an application server.
 * `handle` gets every request; what node:http itself refuses is answered here in the contract's envelope.
 */
export function createGatewayServer(options: {
  /** null: plain HTTP. */
  tls: TlsOptions | null;
  /** null: clients are not asked for any. */
  certificates: ClientCertificates | null;
  limits: ServerLimits;
  policy: () => ListenerPolicy;
  handle: (req: IncomingMessage, res: ServerResponse) => void;
  onRefused: (code: ErrorCode) => void;
  /** Somebody who may not call at all has opened a connection, and was not listened to. */
  onDenied: (address: string) => void;
  newRequestId: () => string;
}): Server {
  const { tls, certificates, limits, policy, onRefused, onDenied, newRequestId } = options;
  const how: ServerOptions = {
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
    requireHostHeader: false, // checkHead's task, with an answer in the envelope
    joinDuplicateHeaders: false,
    noDelay: true,
    keepAlive: true, // TCP keep-alive: notices peers that vanished
    highWaterMark: 64 * 1024,
    shouldUpgradeCallback: mayTakeUp,
  };
  const server = tls === null ? createServer(how) : createSecureServer({ ...how, ...tls });
  server.maxHeadersCount = 0; // node:http drops surplus fields silently; checkHead counts and refuses
  limitServer(server, limits);

  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const socket: PeerSocket = req.socket;
    const { access } = policy();
    if (socket.access !== access) meet(socket, access); // it was opened under other rules
    options.handle(req, res);
  };

  /** Pipelined requests are served one after the other: what stands behind a request that closes must not be done. */
  const inTurn = (req: IncomingMessage, res: ServerResponse): void => {
    const socket: PeerSocket = req.socket;
    if (!socket.writable) return;
    const { offerEnd } = socket;
    if (offerEnd !== undefined) {
      socket.offerEnd = undefined;
      closeBehindOffer(offerEnd, req, res);
    }
    if (res.socket !== null) return handle(req, res);
    socket.waiting = (socket.waiting ?? 0) + 1;
    if (socket.waiting > MAX_WAITING) return void socket.destroy();
    res.once("socket", () => {
      socket.waiting = (socket.waiting as number) - 1;
      handle(req, res);
    });
  };

  const refuse = (socket: PeerSocket, error: GatewayError): void => {
    if (!socket.writable) return; // it is closing already
    onRefused(error.code);
    if (tls !== null && !isSecure(socket)) return void socket.destroy(); // nothing can be said before the handshake
    writeRefusal(socket, error, newRequestId());
  };

  /** Bytes that are no request: those before them are answered first; the one they belong to gets the refusal. */
  const refuseRest = (socket: PeerSocket, error: GatewayError): void => {
    const { exchange } = socket;
    if (exchange === undefined || exchange.res.writableFinished) return refuse(socket, error);
    if (!exchange.req.complete) return exchange.cut(error);
    exchange.res.once("close", () => refuseRest(socket, error));
  };

  server.on("connection", (socket: PeerSocket) => {
    // node:http lets go of a connection that it hands over, and an error that nobody listens for ends the thread.
    socket.on("error", ignore);
    const { access, connections } = policy();
    const peer = meet(socket, access);
    // Behind a proxy of ours there may be somebody who may.
    if (!peer.allowed && !peer.trusted) {
      onDenied(peer.address);
      return void socket.destroy();
    }
    try {
      connections.admit(socket, peer);
    } catch (error) {
      refuse(socket, asGatewayError(error));
    }
  });
  if (tls !== null) securely(server);
  if (certificates !== null) {
    // Before node:http hears of the connection.
    server.prependListener("secureConnection", (socket: TLSSocket) => {
      if (certificates.meet(socket)) return;
      onRefused("AUTH_013");
      socket.on("error", ignore).destroy();
    });
  }
  server.on("request", inTurn);
  // With listeners of their own these are requests like any other, instead of being answered before anybody is authenticated.
  server.on("checkContinue", inTurn);
  server.on("checkExpectation", inTurn);
  server.on("upgrade", (req: IncomingMessage, socket: PeerSocket, early: Buffer) => {
    if (socket.offer === undefined || !socket.writable) return void socket.destroy();
    readOn(socket, socket.offer, early);
    const res = new ServerResponse(req);
    res.shouldKeepAlive = false; // when it is an answer after all, nothing can follow
    res.assignSocket(socket);
    res.once("finish", () => socket.destroySoon());
    handle(req, res);
  });
  server.on("connect", (_req: IncomingMessage, socket: PeerSocket) => {
    // node:http has let go of the connection: an answer that is under way cannot be finished any more.
    if (socket.exchange?.res.writableFinished === false) return void socket.destroy();
    refuse(socket, new GatewayError("ROUTE_003", { details: "CONNECT is not supported", headers: ALLOW }));
    socket.resume();
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: PeerSocket) => {
    // Bytes after the last request of a connection are nobody's: the answer goes out, then the connection closes.
    if (error.code === "HPE_CLOSED_CONNECTION") return;
    if (error.code === "ECONNRESET") return void socket.destroy();
    // Who leaves in the middle of a body is no bad speaker: the exchange hears of it when the connection closes.
    if (error.code === "HPE_INVALID_EOF_STATE" && socket.exchange?.unread === true) return void socket.destroy();
    if (socket.brokenAt !== undefined) {
      if (socket.bytesRead - socket.brokenAt > LINGER_BYTES) socket.destroy();
      return;
    }
    socket.brokenAt = socket.bytesRead;
    refuseRest(socket, parserError(error));
  });
  return server;
}

/** A handshake that fails is that client's affair, and node:http would take what went wrong for bad HTTP. */
function securely(server: Server): void {
  server.removeAllListeners("tlsClientError");
  server.on("tlsClientError", (_error: Error, socket: Socket) => socket.on("error", ignore).destroy());
  server.on("secureConnection", (socket: Socket) => void socket.on("error", ignore));
}

/** Connections that are opened from now on are met with this; the others stay as they are. `server`: one that speaks TLS. */
export function renewCertificate(server: Server, tls: TlsOptions): void {
  (server as unknown as SecureServer).setSecureContext(tls);
}

/** Sets a server's limits; they hold for connections that are opened from now on. */
export function limitServer(server: Server, limits: ServerLimits): void {
  server.headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs); // as createServer demands it
  server.requestTimeout = limits.requestTimeoutMs;
  server.keepAliveTimeout = limits.keepAliveTimeoutMs;
  Object.assign(server, { maxHeaderSize: limits.maxHeaderSize }); // where node:http looks for each connection
  server.setTimeout(limits.idleTimeoutMs);
}

/** Decides what is to be decided about a connection by its address. */
function meet(socket: PeerSocket, access: IpAccess): Peer {
  socket.access = access;
  socket.peer = access.peer(socket.remoteAddress ?? "");
  return socket.peer;
}

/** Whoever works for a connection is told of its end by `close`, with or without an error. */
function ignore(): void {}

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
function writeRefusal(socket: PeerSocket, error: GatewayError, requestId: string): void {
  const body = errorBody(error, requestId);
  const fields = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    "connection: close",
    ...Object.entries(error.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  if (error.retryAfter !== undefined) fields.push(`retry-after: ${error.retryAfter}`);
  socket.end(`${fields.join("\r\n")}\r\n\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}
