import { LINK_COOKIE } from "../../../auth/link-text.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";

/**
 * What a browser is told that opens a link: to keep it as a cookie of that sandbox alone, and to come again by a URL without it,
 * which then stands in its history and in nobody's Referer. `expiresAt`: of the link, ms since the epoch.
 */
export function firstUse(exchange: Exchange, head: Head, expiresAt: number): string[] {
  const { mount, scheme } = exchange;
  const seconds = Math.max(1, Math.floor((expiresAt - Date.now()) / 1000));
  const secure = scheme === "https" ? "; Secure" : "";
  const cookie = `${LINK_COOKIE}=${head.link}; Path=${mount}/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  return [
    "location",
    clean(exchange, head),
    "set-cookie",
    cookie,
    "cache-control",
    "no-store",
    "referrer-policy",
    "no-referrer",
  ];
}

/** With its host where the path alone would name another (RFC 3986 section 4.2). */
function clean({ mount, scheme }: Exchange, { target, host }: Head): string {
  const query = target.indexOf("?");
  const isMountAlone = mount !== "" && (query < 0 ? target : target.slice(0, query)) === mount;
  const path = isMountAlone ? `${mount}/${target.slice(mount.length)}` : target;
  return path.startsWith("//") ? `${scheme}://${host}${path}` : path;
}
