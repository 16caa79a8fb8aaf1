// What a request is for: its target and its host, in the one spelling that everybody reads alike. Reject, never repair.

import { isIPv6 } from "node:net";
import { GatewayError } from "../../errors.ts";

const PORT = "(?::(?:[0-9]{0,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";
const LABEL = "[A-Za-z0-9_~!$&'()*+;=-]+";
// RFC 9110 section 4.2: a registered name, an IPv4 address, or a bracketed IPv6 address; then a port. Of names those that
// have one reading: no empty labels, nothing percent-encoded, no comma, at which lists are split.
const NAMED = new RegExp(`^${LABEL}(?:\\.${LABEL})*\\.?${PORT}$`);
const BRACKETED = new RegExp(`^\\[([0-9A-Fa-f:.]+)\\]${PORT}$`);
// Visible ASCII but "#", which begins a fragment to some; in the path no backslash, which is a slash to others.
const TARGET = /^\/[!"$->@-[\]-~]*(?:\?[!"$-~]*)?$/;
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i;
const DEFAULT_PORT: Readonly<Record<string, RegExp>> = { http: /:(?:80)?$/, https: /:(?:443)?$/ };

/** Where a request wants to go. */
export interface Destination {
  /** Path and query in origin form, byte for byte as received; `*` for OPTIONS of a whole server. */
  readonly target: string;
  /** Host and port as received; empty when an HTTP/1.0 request names none. */
  readonly host: string;
}

/**
 * @throws GatewayError VAL_001 for a target that is no path (or absolute form of one), for a host that is none, and where
 *   target and Host name two hosts.
 */
export function checkDestination(method: string, url: string, host: string | undefined): Destination {
  if (host !== undefined && !isHost(host)) throw malformed("invalid Host field");
  if (TARGET.test(url) || (url === "*" && method === "OPTIONS")) return { target: url, host: host ?? "" };
  const absolute = ABSOLUTE.exec(url);
  if (absolute === null) throw malformed("invalid request target");
  const [, scheme = "", authority = "", rest = ""] = absolute;
  if (authority.includes("@")) throw malformed("user information in the request target");
  if (!isHost(authority)) throw malformed("invalid authority in the request target");
  // RFC 9112 section 3.2.2 lets the target win; a party in front of us may have let the field win.
  if (host !== undefined && comparable(scheme, host) !== comparable(scheme, authority)) {
    throw malformed("the request target and the Host field name two hosts");
  }
  return { target: originForm(method, rest), host: host ?? authority };
}

/** An absolute form loses scheme and authority (RFC 9112 section 3.2.2); without a path it is the whole server's for OPTIONS (3.2.4). */
function originForm(method: string, rest: string): string {
  if (rest === "" && method === "OPTIONS") return "*";
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  if (!TARGET.test(target)) throw malformed("invalid request target");
  return target;
}

function isHost(text: string): boolean {
  if (NAMED.test(text)) return true;
  const address = BRACKETED.exec(text)?.[1];
  return address !== undefined && isIPv6(address);
}

function comparable(scheme: string, host: string): string {
  return host.toLowerCase().replace(DEFAULT_PORT[scheme.toLowerCase()] as RegExp, "");
}

function malformed(details: string): GatewayError {
  return new GatewayError("VAL_001", { details });
}
