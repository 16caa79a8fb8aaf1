// What node:http lets through and a gateway must not (request smuggling, header confusion). Reject, never repair.

import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { GatewayError } from "../../errors.ts";
import { checkDestination, type Destination } from "./target.ts";
import { urlCredentials } from "../../auth/credentials/url-credentials.ts";

/** What the rest of the way needs to know of a request's head, read once. */
export interface Head extends Destination {
  readonly authorization: string | undefined;
  readonly sandboxToken: string | undefined;
  /** The cookies of all its fields. */
  readonly cookie: string | undefined;
  /** What in its URL says who calls, which is not in `target` any more. */
  readonly link: string | undefined;
  readonly ticket: string | undefined;
  /** The client's, that its connection was opened with; DER in base64. */
  readonly certificate: string | undefined;
  readonly pass: string | undefined;
  readonly sandboxId: string | undefined;
  readonly sandboxPort: string | undefined;
  readonly sandboxSelector: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** Its X-Request-Timeout-Ms. */
  readonly requestTimeout: string | undefined;
  readonly contentType: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly forwardedProto: string | undefined;
  /** Bytes; -1 when chunked, 0 when there is no body. */
  readonly bodyLength: number;
  /** Lower-case names that the Connection field declares hop-by-hop; null when it names none but the usual. */
  readonly connectionNames: readonly string[] | null;
  readonly expectsContinue: boolean;
  /** What becomes of its fields with an underscore in the name; null when it has none. */
  readonly underscored: "drop" | "pass" | null;
}

export interface HeadLimits {
  readonly maxHeadersCount: number;
  readonly maxUrlLength: number;
  readonly underscoreFields: "drop" | "refuse" | "pass";
}

/** The answer to CONNECT and TRACE: what every sandbox may be asked. */
export const ALLOW = { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" };

/** Fields that mean one thing and must not come twice (RFC 9110 section 5.3); node:http drops or joins repeats silently. */
const SINGLETONS: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "content-type",
  "content-length",
  "transfer-encoding",
  "content-encoding",
  "content-location",
  "content-range",
  "content-disposition",
  "expect",
  "upgrade",
  "x-sandbox-id",
  "x-sandbox-port",
  "x-sandbox-selector",
  "x-sandbox-token",
  "idempotency-key",
  "x-request-timeout-ms",
  "origin",
  "referer",
  "user-agent",
  "from",
  "date",
  "range",
  "max-forwards",
  "proxy-authorization",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "last-modified",
  "etag",
  "expires",
  "age",
  "location",
  "retry-after",
  "server",
]);

/** All that a trailer section may carry: nothing that frames, routes, authenticates or describes what came before (RFC 9110 section 6.5.1). */
const TRAILER_SAFE: ReadonlySet<string> = new Set([
  "etag",
  "server-timing",
  "digest",
  "content-digest",
  "repr-digest",
  "checksum",
]);

/**
 * Fields that the gateway goes by. A server behind or before us that turns fields into variables cannot tell X_User from
 * X-User; in these that could be two requests, or two callers.
 */
const ONE_SPELLING: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "x-sandbox-id",
  "x-sandbox-port",
  "x-sandbox-selector",
  "x-sandbox-token",
]);

const DIGITS = /^[0-9]{1,15}$/;
const USUAL_CONNECTION = /^(?:keep-alive|close)$/i;
const WEBSOCKET = /\bwebsocket\b/i;

/**
 * Checks a request's head and returns what it says. The names in `req.rawHeaders` are in lower case from here on: once, for
 * all who read them after this.
 * @throws GatewayError VAL_001 (malformed), VAL_006 (too many fields), VAL_007 (target too long), VAL_009 (expectation):
 *   the connection must be closed after any of them. ROUTE_003 for TRACE, which would show a client what others see.
 */
export function checkHead(req: IncomingMessage, limits: HeadLimits): Head {
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor > 1) throw malformed("unsupported HTTP version");
  if (req.method === "TRACE")
    throw new GatewayError("ROUTE_003", { details: "TRACE is not supported", headers: ALLOW });
  const raw = req.rawHeaders;
  if (raw.length > limits.maxHeadersCount * 2) {
    throw new GatewayError("VAL_006", { details: `more than ${limits.maxHeadersCount} fields` });
  }
  const url = req.url as string;
  if (url.length > limits.maxUrlLength) {
    throw new GatewayError("VAL_007", { details: `longer than ${limits.maxUrlLength} bytes` });
  }
  let host: string | undefined;
  let authorization: string | undefined;
  let sandboxToken: string | undefined;
  let sandboxId: string | undefined;
  let sandboxPort: string | undefined;
  let sandboxSelector: string | undefined;
  let idempotencyKey: string | undefined;
  let requestTimeout: string | undefined;
  let contentType: string | undefined;
  let contentLength: string | undefined;
  let transferEncoding: string | undefined;
  let forwardedFor: string | undefined;
  let forwardedProto: string | undefined;
  let cookie: string | undefined;
  let expect: string | undefined;
  let connection: string | undefined;
  let upgrade: string | undefined;
  let underscored: Head["underscored"] = null;
  let seen: string[] | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    raw[index] = name;
    const value = raw[index + 1] as string;
    if (name.includes("_")) {
      underscored = checkUnderscores(name, limits.underscoreFields);
    } else if (SINGLETONS.has(name)) {
      if (seen === null) seen = [name];
      else if (seen.includes(name)) throw malformed(`repeated ${name} field`);
      else seen.push(name);
      switch (name) {
        case "host":
          host = value;
          break;
        case "authorization":
          authorization = value;
          break;
        case "content-type":
          contentType = value;
          break;
        case "content-length":
          contentLength = value;
          break;
        case "transfer-encoding":
          transferEncoding = value;
          break;
        case "x-sandbox-token":
          sandboxToken = value;
          break;
        case "x-sandbox-id":
          sandboxId = value;
          break;
        case "x-sandbox-port":
          sandboxPort = value;
          break;
        case "x-sandbox-selector":
          sandboxSelector = value;
          break;
        case "idempotency-key":
          idempotencyKey = value;
          break;
        case "x-request-timeout-ms":
          requestTimeout = value;
          break;
        case "expect":
          expect = value;
          break;
        case "upgrade":
          upgrade = value;
          break;
        default:
      }
    } else if (name === "connection") {
      connection = connection === undefined ? value : `${connection},${value}`;
    } else if (name === "cookie") {
      cookie = cookie === undefined ? value : `${cookie}; ${value}`;
    } else if (name === "x-forwarded-for") {
      forwardedFor = forwardedFor === undefined ? value : `${forwardedFor},${value}`;
    } else if (name === "x-forwarded-proto") {
      forwardedProto = forwardedProto === undefined ? value : `${forwardedProto},${value}`;
    }
  }
  const bodyLength = checkFraming(req, contentLength, transferEncoding);
  // Any other protocol is one we do not switch to, and the field says nothing then (RFC 9110 section 7.8).
  if (upgrade !== undefined && bodyLength !== 0 && WEBSOCKET.test(upgrade)) throw malformed("a WebSocket with a body");
  if (host === undefined && req.httpVersionMinor === 1) throw malformed("no Host field");
  const destination = checkDestination(req.method as string, url, host);
  const { target, link, ticket, pass } = urlCredentials(destination.target);
  const expectsContinue = expect !== undefined && req.httpVersionMinor === 1;
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") throw new GatewayError("VAL_009");
  return {
    target,
    host: destination.host,
    authorization,
    sandboxToken,
    cookie,
    link,
    ticket,
    certificate: (req.socket as Socket & { readonly certificate?: string }).certificate,
    pass,
    sandboxId,
    sandboxPort,
    sandboxSelector,
    idempotencyKey,
    requestTimeout,
    contentType,
    forwardedFor,
    forwardedProto,
    bodyLength,
    connectionNames: connection === undefined || USUAL_CONNECTION.test(connection) ? null : namesIn(connection),
    expectsContinue,
    underscored,
  };
}

/**
 * Checks the trailer section once the body has been read.
 * @throws GatewayError VAL_001 when it carries a field that must not come after the body.
 */
export function checkTrailers(req: IncomingMessage): void {
  const raw = req.rawTrailers;
  for (let index = 0; index < raw.length; index += 2) {
    if (!TRAILER_SAFE.has((raw[index] as string).toLowerCase())) throw malformed("forbidden trailer field");
  }
}

function checkFraming(req: IncomingMessage, length: string | undefined, encoding: string | undefined): number {
  if (encoding !== undefined) {
    if (req.httpVersionMinor === 0) throw malformed("Transfer-Encoding in HTTP/1.0");
    if (length !== undefined) throw malformed("Content-Length beside Transfer-Encoding");
    if (encoding !== "chunked") throw malformed("Transfer-Encoding is not exactly chunked");
    return -1;
  }
  if (length === undefined) return 0;
  if (!DIGITS.test(length)) throw malformed("invalid Content-Length");
  return Number(length);
}

/** @throws GatewayError VAL_001 for a name that may not come, or for none that has an underscore. */
function checkUnderscores(name: string, rule: HeadLimits["underscoreFields"]): "drop" | "pass" {
  if (rule === "refuse") throw malformed("underscore in a field name");
  const plain = name.replaceAll("_", "-");
  if (ONE_SPELLING.has(plain)) throw malformed(`underscore in the name of the ${plain} field`);
  return rule;
}

function namesIn(connection: string): string[] {
  return connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function malformed(details: string): GatewayError {
  return new GatewayError("VAL_001", { details });
}
