import type { Exchange } from "../../proxy/request/exchange.ts";
import type { Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { AuditOutbox } from "../../audit/outbox.ts";
import type { Refusals } from "../../audit/refusals.ts";
import { GatewayError } from "../../errors.ts";
import type { InFlight } from "../../proxy/request/in-flight.ts";

const POLL_MS = 20;
/** What is cut gets this long for its answer to reach the client. */
const ANSWER_MS = 1_000;
/** And this long until its record is committed. */
const RECORD_MS = 3_000;

/** The longest that `drain` takes beyond its grace, in milliseconds. */
export const DRAIN_MARGIN_MS = ANSWER_MS + RECORD_MS;

/**
 * Stops accepting and lets what is in flight end. What is left after `graceMs` is cut, and told so where an answer has not
 * begun. Resolves when all connections are closed and every exchange is recorded and acknowledged.
 */
export async function drain({ server, inFlight, outbox, refusals, graceMs }: Drained): Promise<void> {
  let isOpen = server.listening;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      isOpen = false;
      resolve();
    });
  });
  const idle = setInterval(() => server.closeIdleConnections(), POLL_MS);
  server.closeIdleConnections();
  await atMost(graceMs, closed);
  for (const exchange of isOpen ? inFlight : []) exchange.cut(new GatewayError("GW_002"));
  await atMost(ANSWER_MS, closed);
  clearInterval(idle);
  server.closeAllConnections();
  for (const { res } of inFlight) res.destroy(); // node:http does not know of the connections that it has handed over
  await closed;
  const deadline = performance.now() + RECORD_MS;
  while (inFlight.size > 0 && performance.now() < deadline) await delay(POLL_MS);
  refusals.flush();
  await atMost(deadline - performance.now(), outbox.settled());
}

export interface Drained {
  readonly server: Server;
  readonly inFlight: InFlight<Exchange>;
  readonly outbox: AuditOutbox;
  readonly refusals: Refusals;
  readonly graceMs: number;
}

/** Waits for `work`, but not for ever. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, delay(Math.max(0, ms), undefined, over).catch(() => undefined)]);
  over.abort();
}
