// A browser shows a cookie whoever asks it to: which page it was has to be asked of what pages cannot forge.

import { GatewayError } from "../../../errors.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Principal } from "../../../domain/principal.ts";
import type { Head } from "../../request/head.ts";

const ORIGIN = /^(https?):\/\/([^/?#]+)/;
const DEFAULT_PORT: Readonly<Record<string, RegExp>> = { http: /:(?:80)?$/, https: /:(?:443)?$/ };

/**
 * Refuses what a page of another origin has a browser do with the cookie of its user. What changes nothing by its method may
 * be navigated to from anywhere; all else has to come from a page of the host that it is sent to, and a browser has to say so:
 * in Sec-Fetch-Site (which it sends over HTTPS and to localhost) or in Origin.
 * @throws GatewayError AUTH_011
 */
export function checkSameOrigin(exchange: Exchange, head: Head, { credential }: Pick<Principal, "credential">): void {
  const site = exchange.field("sec-fetch-site");
  const isSafe = (exchange.method === "GET" || exchange.method === "HEAD") && exchange.offer === null;
  if (site === "same-origin") return;
  if (site !== undefined) {
    // Typed in, or from a bookmark; else a link on some page, shown as a page of its own and not within another one.
    if (isSafe && (site === "none" || isTopNavigation(exchange))) return;
    throw refused(`the browser says it is ${site === "none" ? "no page of this origin" : site}`);
  }
  const origin = exchange.field("origin");
  if (origin !== undefined) {
    if (isOwn(origin, exchange, head)) return;
    throw refused("Origin names another one");
  }
  if (credential === "certificate") return; // programs show it too, and a browser says where an unsafe request is from
  if (!isSafe) throw refused("there is neither Origin nor Sec-Fetch-Site");
  const referer = exchange.field("referer");
  if (referer === undefined || isOwn(referer, exchange, head)) return;
  if (exchange.field("accept")?.includes("text/html") === true) return;
  throw refused("Referer names another one");
}

function isTopNavigation(exchange: Exchange): boolean {
  return exchange.field("sec-fetch-mode") === "navigate" && exchange.field("sec-fetch-dest") === "document";
}

/** Whether a URL is of the host that is called. TLS may have ended before us, where nobody tells us. */
function isOwn(url: string, { scheme }: Exchange, { host }: Head): boolean {
  const [, named = "", authority = ""] = ORIGIN.exec(url.toLowerCase()) ?? [];
  if (named === "" || (named === "http" && scheme === "https")) return false;
  const port = DEFAULT_PORT[named] as RegExp;
  return authority.replace(port, "") === host.toLowerCase().replace(port, "");
}

function refused(why: string): GatewayError {
  return new GatewayError("AUTH_011", { details: `A session does not show itself on purpose, and ${why}` });
}
