import type { Exchange } from "../../proxy/request/exchange.ts";
import type { Server } from "node:http";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { AuditOutbox } from "../../audit/outbox.ts";
import type { Refusals } from "../../audit/refusals.ts";
import { GatewayError } from "../../errors.ts";
import type { InFlight } from "../../proxy/request/in-flight.ts";
import type { Listeners } from "./listeners.ts";

const POLL_MS = 20;
/** How soon it is noticed that there is less time than before. */
const LOOK_MS = 100;
/** A thread that has no connection, and gets none for this long, waits for nobody. */
const QUIET_MS = 200;
/** The most that is spent on taking over what waits to be accepted: under a flood there is always more. */
const BACKLOG_MS = 1_000;
/** Calls that came late get this long at least. */
const LATE_MS = 5_000;
/** What is cut gets this long for its answer to reach the client. */
const ANSWER_MS = 1_000;
/** And this long until its record is committed. */
const RECORD_MS = 3_000;

/** The longest that `drain` takes beyond its grace, in milliseconds. */
export const DRAIN_MARGIN_MS = BACKLOG_MS + ANSWER_MS + RECORD_MS;

/** How a thread is to drain. */
export interface DrainOrder {
  /** Time that what is in flight gets to end. */
  readonly graceMs: number;
  /** The part of it in which everything goes on, but for `Connection: close` in every answer: clients learn it from one. */
  readonly delayMs: number;
  /**
   * Until when new connections are accepted. `delay`: as long as the delay. `longest`: as long as something that was in flight
   * at the beginning is, for whoever comes after waits for the next process. `now`: another process accepts them already.
   */
  readonly accept: "delay" | "longest" | "now";
}

/**
 * Serves on for a while, tells each connection with its next answer that it is the last, then stops accepting and lets what
 * is in flight end. What is left at the deadline is cut, and told so where an answer has not begun. Resolves when all
 * connections are closed and every exchange is recorded and acknowledged.
 */
export async function drain(drained: Drained): Promise<void> {
  const { server, listeners, inFlight, outbox, refusals, deadline, accept } = drained;
  const graceMs = deadline.at - performance.now();
  const before = accept === "longest" ? [...inFlight] : [];
  for (const { res } of inFlight) if (!res.headersSent) res.shouldKeepAlive = false;
  let isOpen = listeners.open;
  let closed = Promise.resolve();
  const stop = (): void => {
    closed = listeners.stop().then(() => void (isOpen = false));
  };
  if (accept === "now") stop();
  if (isOpen) await lastAnswers(drained);
  const lateMs = Math.min(graceMs / 2, LATE_MS);
  while (before.some(({ recorded }) => !recorded) && performance.now() < deadline.at - lateMs) await delay(POLL_MS);
  if (isOpen && graceMs > 0) await takeBacklog(server);
  if (accept !== "now") stop();
  const idle = setInterval(() => server.closeIdleConnections(), POLL_MS);
  server.closeIdleConnections();
  const left = (): number => deadline.at - performance.now();
  while (left() > 0 && !(await atMost(Math.min(left(), LOOK_MS), closed)));
  for (const exchange of isOpen ? inFlight : []) exchange.cut(new GatewayError("GW_002"));
  await atMost(ANSWER_MS, closed);
  clearInterval(idle);
  server.closeAllConnections();
  for (const { res } of inFlight) res.destroy(); // node:http does not know of the connections that it has handed over
  await closed;
  const recordBy = performance.now() + RECORD_MS;
  while (inFlight.size > 0 && performance.now() < recordBy) await delay(POLL_MS);
  refusals.flush();
  await atMost(recordBy - performance.now(), outbox.settled());
}

export interface Drained extends Omit<DrainOrder, "graceMs"> {
  /** When what is in flight is cut, `performance.now()`; may be brought forward. */
  readonly deadline: { at: number };
  readonly server: Server;
  readonly listeners: Listeners;
  readonly inFlight: InFlight<Exchange>;
  readonly outbox: AuditOutbox;
  readonly refusals: Refusals;
}

/** Resolves after the delay, or as soon as nobody seems to be there. */
async function lastAnswers({ server, listeners, deadline, delayMs }: Drained): Promise<void> {
  const until = performance.now() + delayMs;
  const left = (): number => Math.max(0, Math.min(until, deadline.at) - performance.now());
  let isQuiet = false;
  const met = (): void => void (isQuiet = false);
  server.on("connection", met);
  while (left() > 0 && !isQuiet) {
    isQuiet = (await listeners.connections()) === 0;
    await delay(Math.min(QUIET_MS, left()));
  }
  server.off("connection", met);
}

/**
 * Resolves when nobody waits to be accepted or read: whoever does when the listener closes is reset. Node accepts one
 * connection in a turn of the event loop (50 that waited took 51 turns; a listener closed at once reset all of them).
 */
async function takeBacklog(server: Server): Promise<void> {
  const until = performance.now() + BACKLOG_MS;
  let taken = 0;
  const take = (): void => void (taken += 1);
  server.on("connection", take).on("request", take);
  await turn();
  for (let before = -1; before !== taken && performance.now() < until; ) {
    before = taken;
    await turn();
  }
  server.off("connection", take).off("request", take);
}

/** Waits for `work`, but not for ever; false when it is not done then. */
async function atMost(ms: number, work: Promise<void>): Promise<boolean> {
  const over = new AbortController();
  const late = delay(Math.max(0, ms), false, over).catch(() => false);
  const isDone = await Promise.race([work.then(() => true), late]);
  over.abort();
  return isDone;
}
