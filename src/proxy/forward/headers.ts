// Which header fields pass the gateway, in both directions: the only place that decides it.

import { GatewayError } from "../../errors.ts";
import type { Head } from "../request/head.ts";

/** Meaningful for one connection only (RFC 9110 section 7.6.1, RFC 9112); each side of the gateway makes its own. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
];

/** Never taken from a client: what only the gateway may say, what it answers itself, and its own credentials. */
const FROM_CLIENT_DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  "host",
  "content-length",
  "expect",
  "authorization",
  "forwarded",
  "via",
  "x-real-ip",
  "x-request-id",
  "x-client-ip",
  "true-client-ip",
]);
const FROM_CLIENT_DROPPED_PREFIX = /^x-(?:forwarded|sandbox)-/;

/**
 * Never taken from a sandbox: framing of its connection, and what would speak in the gateway's name. The last ones hold
 * for a whole origin, which all sandboxes behind the gateway share.
 */
const FROM_SANDBOX_DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  "x-request-id",
  "x-accel-redirect",
  "x-sendfile",
  "alt-svc",
  "strict-transport-security",
  "clear-site-data",
  "service-worker-allowed",
  "nel",
  "report-to",
]);
const FROM_SANDBOX_DROPPED_PREFIX = /^x-sandbox-/;

/** Without a body these say so (RFC 9110 section 8.6); some servers answer 411 otherwise. */
const EXPECTS_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** What the gateway tells a sandbox about a request. */
export interface Introduction {
  readonly method: string;
  readonly requestId: string;
  readonly sandboxId: string;
  /** The client's address as the gateway decided it. */
  readonly address: string;
  /** Its Authorization field is the sandbox's own, not the gateway's. */
  readonly passesAuthorization: boolean;
}

/**
 * The fields that go to the instance: name, value, name, value… Framing and Host are the upstream client's business.
 * `pseudonym`: this gateway's name in Via, unlike any other's (RFC 9110 section 7.6.3).
 * @throws GatewayError ROUTE_007 when the request has been here before.
 */
export function requestFields(
  raw: readonly string[],
  head: Head,
  introduction: Introduction,
  pseudonym: string,
): string[] {
  const fields: string[] = [];
  const { connectionNames, underscored } = head;
  const { method, passesAuthorization } = introduction;
  let via = "";
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (FROM_CLIENT_DROPPED.has(name)) {
      if (name === "via") via += `${raw[index + 1] as string}, `;
      else if (passesAuthorization && name === "authorization") fields.push(name, raw[index + 1] as string);
      continue;
    }
    if (name.charCodeAt(0) === LETTER_X && FROM_CLIENT_DROPPED_PREFIX.test(name)) continue;
    if (connectionNames?.includes(name)) continue;
    if (underscored !== null && name.includes("_") && (underscored === "drop" || hasTwin(name, raw, head))) continue;
    fields.push(name, raw[index + 1] as string);
  }
  fields.push("x-request-id", introduction.requestId, "x-sandbox-id", introduction.sandboxId);
  fields.push("x-forwarded-for", introduction.address, "x-forwarded-proto", "http");
  if (head.host !== "") fields.push("x-forwarded-host", head.host);
  if (via.includes(pseudonym)) throw new GatewayError("ROUTE_007");
  fields.push("via", `${via}1.1 ${pseudonym}`);
  if (head.bodyLength > 0 || (head.bodyLength === 0 && EXPECTS_BODY.has(method))) {
    fields.push("content-length", String(head.bodyLength));
  }
  return fields;
}

/** Whether the same name with hyphens is in the request too, or is not the client's to say. */
function hasTwin(name: string, raw: readonly string[], { connectionNames }: Head): boolean {
  const twin = name.replaceAll("_", "-");
  if (FROM_CLIENT_DROPPED.has(twin) || FROM_CLIENT_DROPPED_PREFIX.test(twin)) return true;
  if (connectionNames?.includes(twin)) return true;
  return raw.some((known, index) => index % 2 === 0 && known.toLowerCase() === twin);
}

/** The fields that go to the client, and the body's length when the instance gave one. */
export interface ResponseFields {
  readonly fields: string[];
  /** Bytes; -1 when not given. */
  readonly contentLength: number;
}

/** `raw`: the instance's fields, checked by the upstream client: lower-case name, value, name, value… */
export function responseFields(raw: readonly string[], requestId: string): ResponseFields {
  const fields: string[] = [];
  let contentLength = -1;
  let named: string[] | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    if (FROM_SANDBOX_DROPPED.has(name)) {
      if (name === "connection" && value !== "keep-alive" && value !== "close") {
        const names = value.toLowerCase().split(/[\s,]+/);
        named = named === null ? names : named.concat(names);
      }
      continue;
    }
    if (name.charCodeAt(0) === LETTER_X && FROM_SANDBOX_DROPPED_PREFIX.test(name)) continue;
    if (name === "content-length") contentLength = Number(value);
    fields.push(name, value);
  }
  if (named !== null) dropNamed(fields, named);
  fields.push("x-request-id", requestId);
  return { fields, contentLength };
}

const LETTER_X = 0x78;
/** Removes the fields that a Connection field declared hop-by-hop; framing cannot be declared away. */
function dropNamed(fields: string[], named: readonly string[]): void {
  for (let index = fields.length - 2; index >= 0; index -= 2) {
    const name = fields[index] as string;
    if (name !== "content-length" && named.includes(name)) fields.splice(index, 2);
  }
}
