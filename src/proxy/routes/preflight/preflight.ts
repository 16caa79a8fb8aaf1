import type { Preflight } from "../../forward/cors/policy.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const METHOD = new RegExp(`^${TOKEN}$`);
const NAMES = new RegExp(`^(?:${TOKEN}(?:[ \\t]*,[ \\t]*${TOKEN})*)?$`);
const MOST_NAMES = 2048;

/**
 * The preflight that a request is: an OPTIONS with an origin and what it asks leave for, and nothing that a browser does not
 * send with it. Null for every other.
 */
export function preflightOf(exchange: Exchange, head: Head): Preflight | null {
  const { authorization, sandboxToken, sandboxId, sandboxPort, sandboxSelector } = head;
  const own = [
    authorization,
    sandboxToken,
    sandboxId,
    sandboxPort,
    sandboxSelector,
    head.requestTimeout,
    head.idempotencyKey,
  ];
  if (own.some((field) => field !== undefined) || head.bodyLength !== 0 || head.expectsContinue) return null;
  if (exchange.method !== "OPTIONS" || exchange.offer !== null || !head.target.startsWith("/")) return null;
  const origin = exchange.field("origin");
  const method = exchange.field("access-control-request-method");
  const headers = exchange.field("access-control-request-headers") ?? "";
  if (origin === undefined || method === undefined || !METHOD.test(method)) return null;
  return headers.length <= MOST_NAMES && NAMES.test(headers) ? { origin, method, headers } : null;
}
