import { isIPv6 } from "node:net";

/** The URL of a listener: an IPv6 address stands in brackets (RFC 3986 3.2.2). */
export function listenerUrl(host: string, port: number, scheme: "http" | "https" = "http"): string {
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
