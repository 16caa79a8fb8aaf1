import type { Exchange } from "../exchange.ts";

/** Whether a browser asks for a page to show, as it says itself, or as only such a client asks. */
export function wantsPage(exchange: Exchange): boolean {
  if (exchange.offer !== null) return false;
  const mode = exchange.field("sec-fetch-mode");
  return mode === undefined ? exchange.field("accept")?.includes("text/html") === true : mode === "navigate";
}
