// Which header fields pass the gateway, in both directions: the only place that decides it.

import { GatewayError } from "../../errors.ts";
import type { Bond } from "../request/exchange.ts";
import type { Head } from "../request/head.ts";
import { REALM } from "../request/respond.ts";
import { asksForTrailers } from "./trailers.ts";
import { type Limited, pushRateFields } from "../../limits/rate/rate-limits.ts";
import { CookieRoom } from "./cookie-room.ts";
import { scopedCookie, withoutOurs } from "./cookie.ts";
import { FROM_CLIENT, FROM_SANDBOX, matcherOf, METHOD_OVERRIDES } from "../../domain/fields/dropped-fields.ts";
import { mountedLocation, type Places } from "./location.ts";

const isDroppedFromClient = matcherOf(FROM_CLIENT);
const isDroppedFromSandbox = matcherOf(FROM_SANDBOX);

/** Without a body these say so (RFC 9110 section 8.6); some servers answer 411 otherwise. */
const EXPECTS_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** What the gateway tells a sandbox about a request. */
export interface Introduction {
  readonly method: string;
  readonly requestId: string;
  readonly sandboxId: string;
  /** The client's address as the gateway decided it. */
  readonly address: string;
  readonly scheme: "http" | "https";
  /** Where the client sees the sandbox: the beginning of its paths; empty when that is the whole origin. */
  readonly mount: string;
  /** It is part of the path, so the sandbox knows it. */
  readonly keepsPrefix: boolean;
  /** Its Authorization field is the sandbox's own, not the gateway's. */
  readonly passesAuthorization: boolean;
  /** The protocol it may go on in; null: none is offered. */
  readonly upgrade?: string | null;
}

/**
 * The fields that go to the instance: name, value, name, value… Framing and Host are the upstream client's business.
 * `raw`: the client's fields as `checkHead` leaves them, with names in lower case.
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
  let wantsTrailers = false;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    if (isDroppedFromClient(name)) {
      if (name === "via") via += `${raw[index + 1] as string}, `;
      if (name === "te" && asksForTrailers(raw[index + 1])) wantsTrailers = true;
      if (name !== "authorization" || !passesAuthorization) continue;
    }
    if (method !== "POST" && METHOD_OVERRIDES.has(name)) continue;
    if (connectionNames?.includes(name)) continue;
    if (underscored !== null && name.includes("_") && (underscored === "drop" || hasTwin(name, raw, head))) continue;
    if (name === "cookie") {
      const own = withoutOurs(raw[index + 1] as string);
      if (own !== "") fields.push(name, own);
      continue;
    }
    fields.push(name, raw[index + 1] as string);
  }
  fields.push("x-request-id", introduction.requestId, "x-sandbox-id", introduction.sandboxId);
  fields.push("x-forwarded-for", introduction.address, "x-forwarded-proto", introduction.scheme);
  if (head.host !== "") fields.push("x-forwarded-host", head.host);
  if (introduction.mount !== "" && !introduction.keepsPrefix) fields.push("x-forwarded-prefix", introduction.mount);
  if (via.includes(pseudonym)) throw new GatewayError("ROUTE_007");
  fields.push("via", `${via}1.1 ${pseudonym}`);
  if (wantsTrailers) fields.push("te", "trailers", "connection", "te");
  if (typeof introduction.upgrade === "string") fields.push("connection", "Upgrade", "upgrade", introduction.upgrade);
  if (head.bodyLength > 0 || (head.bodyLength === 0 && EXPECTS_BODY.has(method))) {
    fields.push("content-length", String(head.bodyLength));
  }
  return fields;
}

/** Whether the same name with hyphens is in the request too, or is one that does not simply pass. */
function hasTwin(name: string, raw: readonly string[], { connectionNames }: Head): boolean {
  const twin = name.replaceAll("_", "-");
  if (isDroppedFromClient(twin) || METHOD_OVERRIDES.has(twin) || connectionNames?.includes(twin)) return true;
  return raw.some((known, index) => index % 2 === 0 && known === twin);
}

/** The fields that go to the client, and the body's length when the instance gave one. */
export interface ResponseFields {
  readonly fields: string[];
  /** Bytes; -1 when not given. */
  readonly contentLength: number;
  /** The names that the instance announced to come behind the body; null when none. */
  readonly trailer: string | null;
}

/** What the gateway itself tells a client beside an answer. */
export interface Told extends Limited {
  readonly requestId: string;
  readonly sandboxId: string;
  /** The client named no sandbox: it is told which one it was. */
  readonly selected: boolean;
  readonly bond: Pick<Bond, "cookie"> | null;
}

/**
 * `raw`: the instance's fields, checked by the upstream client: lower-case name, value, name, value…
 * `exchange`: what is said of the sandbox's paths is told as its client knows them.
 */
export function responseFields(raw: readonly string[], exchange: Places & Told): ResponseFields {
  const fields: string[] = [];
  let contentLength = -1;
  let trailer: string | null = null;
  let named: string[] | null = null;
  let room: CookieRoom | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    if (isDroppedFromSandbox(name)) {
      if (name === "connection" && value !== "keep-alive" && value !== "close") {
        const names = value.toLowerCase().split(/[\s,]+/);
        named = named === null ? names : named.concat(names);
      } else if (name === "trailer") {
        trailer = trailer === null ? value : `${trailer},${value}`;
      }
      continue;
    }
    if (name === "content-length") contentLength = Number(value);
    if (name === "www-authenticate" && asksForOurs(value)) continue;
    if (name === "set-cookie") {
      const scoped = scopedCookie(value, exchange.mount, exchange.alike);
      if (scoped === undefined) continue;
      if (exchange.mount !== "" && !(room ??= new CookieRoom(exchange.head?.cookie)).takes(scoped)) continue;
      fields.push(name, scoped);
    } else if (name === "location" || name === "content-location") {
      fields.push(name, mountedLocation(value, exchange));
    } else {
      fields.push(name, value);
    }
  }
  if (named !== null) dropNamed(fields, named);
  fields.push("x-request-id", exchange.requestId);
  pushRateFields(fields, exchange);
  if (exchange.selected) fields.push("x-sandbox-id", exchange.sandboxId);
  if (exchange.bond !== null && exchange.bond.cookie !== null) fields.push("set-cookie", exchange.bond.cookie);
  return { fields, contentLength, trailer };
}

/** Whether a challenge would make a client send what only the gateway may have. A quoted character is that character. */
function asksForOurs(challenge: string): boolean {
  return challenge.replaceAll("\\", "").toLowerCase().includes(REALM);
}

/** Removes the fields that a Connection field declared hop-by-hop; framing cannot be declared away. */
function dropNamed(fields: string[], named: readonly string[]): void {
  for (let index = fields.length - 2; index >= 0; index -= 2) {
    const name = fields[index] as string;
    if (name !== "content-length" && named.includes(name)) fields.splice(index, 2);
  }
}
