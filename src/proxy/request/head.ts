// What node:http lets through and a gateway must not (request smuggling, header confusion). Reject, never repair.

import type { IncomingMessage } from "node:http";
import { GatewayError } from "../../errors.ts";

/** What the rest of the way needs to know of a request's head, read once. */
export interface Head {
  /** Path and query in origin form, byte for byte as received. */
  readonly target: string;
  readonly host: string;
  readonly authorization: string | undefined;
  readonly sandboxToken: string | undefined;
  readonly sandboxId: string | undefined;
  readonly contentType: string | undefined;
  readonly forwardedFor: string | undefined;
  /** Bytes; -1 when chunked, 0 when there is no body. */
  readonly bodyLength: number;
  /** Lower-case names that the Connection field declares hop-by-hop; null when it names none but the usual. */
  readonly connectionNames: readonly string[] | null;
  readonly expectsContinue: boolean;
  readonly upgrade: boolean;
}

export interface GateLimits {
  readonly maxHeadersCount: number;
  readonly maxUrlLength: number;
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
  "x-sandbox-token",
  "idempotency-key",
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

/** Fields a trailer section must not carry (RFC 9110 section 6.5.1): framing, routing, authentication, content metadata. */
const TRAILER_SAFE: ReadonlySet<string> = new Set([
  "etag",
  "server-timing",
  "digest",
  "content-digest",
  "repr-digest",
  "checksum",
]);

// RFC 9110 section 4.2: the host is a registered name, an IPv4 address, or a bracketed IPv6 address; then a port.
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?::[0-9]{0,5})?$|^\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?$/;
// Visible ASCII. The path is without the characters that must be percent-encoded and that parsers disagree about
// (a backslash most of all); in the query browsers send nearly all of them as they are.
const TARGET = /^\/[!$-;=@-[\]_a-z|~]*(?:\?[!"$-~]*)?$/;
const ABSOLUTE = /^http:\/\/([^/?#]*)(.*)$/i;
const DIGITS = /^[0-9]{1,15}$/;
const USUAL_CONNECTION = /^(?:keep-alive|close)$/i;

/**
 * Checks a request's head and returns what it says.
 * @throws GatewayError VAL_001 (malformed), VAL_006 (too many fields), VAL_007 (target too long), VAL_009 (expectation):
 *   the connection must be closed after any of them. ROUTE_003 for TRACE, which would show a client what others see.
 */
export function checkHead(req: IncomingMessage, limits: GateLimits): Head {
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
  let contentType: string | undefined;
  let contentLength: string | undefined;
  let transferEncoding: string | undefined;
  let forwardedFor: string | undefined;
  let expect: string | undefined;
  let connection: string | undefined;
  let upgrade = false;
  let seen: string[] | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    const value = raw[index + 1] as string;
    // Servers behind us that turn fields into variables cannot tell X_User from X-User.
    if (name.includes("_")) throw malformed("underscore in a field name");
    if (SINGLETONS.has(name)) {
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
        case "expect":
          expect = value;
          break;
        case "upgrade":
          upgrade = true;
          break;
        default:
      }
    } else if (name === "connection") {
      connection = connection === undefined ? value : `${connection},${value}`;
    } else if (name === "x-forwarded-for") {
      forwardedFor = forwardedFor === undefined ? value : `${forwardedFor},${value}`;
    }
  }
  const bodyLength = checkFraming(req, contentLength, transferEncoding);
  if (upgrade && bodyLength !== 0) throw malformed("an upgrade with a body");
  if (host === undefined && req.httpVersionMinor === 1) throw malformed("no Host field");
  if (host !== undefined && !HOST.test(host)) throw malformed("invalid Host field");
  const expectsContinue = expect !== undefined && req.httpVersionMinor === 1;
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") throw new GatewayError("VAL_009");
  return {
    target: checkTarget(url),
    host: host ?? "",
    authorization,
    sandboxToken,
    sandboxId,
    contentType,
    forwardedFor,
    bodyLength,
    connectionNames: connection === undefined || USUAL_CONNECTION.test(connection) ? null : namesIn(connection),
    expectsContinue,
    upgrade,
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

/** The target in origin form. An absolute form loses its authority (RFC 9112 section 3.2.2); everything else is refused. */
function checkTarget(url: string): string {
  if (TARGET.test(url)) return url;
  const absolute = ABSOLUTE.exec(url);
  if (absolute === null) throw malformed("invalid request target");
  const authority = absolute[1] as string;
  if (authority.includes("@")) throw malformed("user information in the request target");
  if (!HOST.test(authority)) throw malformed("invalid authority in the request target");
  const rest = absolute[2] as string;
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  if (!TARGET.test(target)) throw malformed("invalid request target");
  return target;
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
