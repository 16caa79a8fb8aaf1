// The one place that knows how the SharedArrayBuffer between the threads is divided. Everybody else gets typed arrays.

import type { GateWords } from "../../limits/concurrency.ts";
import type { CircuitWords } from "../../proxy/health/circuits.ts";
import type { HealthWords } from "../../proxy/health/health-words.ts";
import { SESSION_WORDS } from "../../proxy/balance/stickiness/session-table.ts";
import { SKETCH_ROWS } from "../../limits/sketch.ts";
import { TICKET_SLOTS, type TicketWords } from "../../limits/ticket-slots.ts";
import type { TallyWords } from "../../limits/tunnels/tally.ts";
import { METRIC_SLOTS } from "../../observe/metric-slots.ts";

const RATE_CELLS = 1 << 16;
const INSTANCES = 1 << 17;
/** Counters of a sketch on one thread; see limits/sketch.ts. */
const SKETCH_WORDS = SKETCH_ROWS << 12;
/** Keys of a tally; see limits/tunnels/tally.ts. */
const TALLY_KEYS = 1 << 16;
/** Words that different threads write often sit a cache line (64 bytes) apart. */
const LINE_WORDS = 16;

/** One GCRA cell per key: which key it belongs to, and its theoretical arrival time in nanoseconds. */
export interface RateCells {
  readonly keys: BigInt64Array;
  readonly arrivals: BigInt64Array;
}

/** What is known of each instance, by the place it was given; see places.ts. */
export interface InstanceWords {
  /** Whose place it is and in which state that instance is; see proxy/health/state-word.ts. */
  readonly state: Int32Array;
  /** Requests in flight, one lane per thread so that a dead thread's can be dropped. */
  readonly inFlight: readonly Int32Array[];
  readonly circuits: CircuitWords;
  readonly health: HealthWords;
  readonly size: number;
}

/** Places that one thread has taken: client connections by address, streams and the units of bodies by caller. */
export interface PlaceWords {
  /** [0] all of them. */
  readonly total: Int32Array;
  /** By key; see limits/sketch.ts. */
  readonly sketch: Int32Array;
}

/** What a thread tells of itself, each on a cache line of its own. */
export interface PulseWords {
  /** [0] revision of the newest change it serves. */
  readonly revision: BigInt64Array;
  /** [0] counts on while its event loop turns. */
  readonly beat: Int32Array;
}

export const FLAG = { draining: 0, auditDown: 1 } as const;

/** Who says that no record can be kept; FLAG.auditDown holds a bit for each. Calls are taken while none is set. */
export const AUDIT_DOWN = { writer: 1, file: 2 } as const;

/**
 * Whether calls are to be refused for want of a record. Where they are served without one, only a database that is not there
 * any more has them refused: what it would say of tokens and sandboxes is gone with it.
 */
export function refusesUnrecorded({ flags }: Pick<SharedMemory, "flags">, failMode: "closed" | "open"): boolean {
  const down = Atomics.load(flags, FLAG.auditDown);
  return failMode === "open" ? (down & AUDIT_DOWN.file) !== 0 : down !== 0;
}

/** Sets or clears one verdict about the audit record; the others' stay as they are. */
export function setAuditDown({ flags }: Pick<SharedMemory, "flags">, whose: number, down: boolean): void {
  if (down) Atomics.or(flags, FLAG.auditDown, whose);
  else Atomics.and(flags, FLAG.auditDown, ~whose);
}

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  readonly threads: number;
  /** Indexed by FLAG; 0 or 1, and a set of bits for auditDown. */
  readonly flags: Int32Array;
  readonly rate: RateCells;
  readonly slots: GateWords;
  readonly instances: InstanceWords;
  /** Which instance each session is bound to; see proxy/balance/stickiness/session-table.ts. */
  readonly sessions: Int32Array;
  readonly connections: readonly PlaceWords[];
  readonly streams: readonly PlaceWords[];
  readonly bodies: readonly PlaceWords[];
  /** Upgraded connections, by caller and by sandbox. */
  readonly tunnels: TallyWords;
  /** One a thread; only that thread writes it. */
  readonly pulses: readonly PulseWords[];
  /** Tickets that are out; see limits/ticket-slots.ts. */
  readonly tickets: TicketWords;
  /** Counters, one lane per thread; only that thread writes it. Laid out by observe/metric-slots.ts. */
  readonly metrics: readonly Float64Array[];
}

/** A zeroed memory for `threads` data threads: 8 MB and 2 MB a thread, of which the system commits what is touched. */
export function createSharedMemory(threads: number): SharedMemory {
  return divide(new SharedArrayBuffer(divide(null, threads).byteLength), threads);
}

/** The same memory seen from another thread. */
export function attachSharedMemory(buffer: SharedArrayBuffer, threads: number): SharedMemory {
  return divide(buffer, threads);
}

function divide(buffer: null, threads: number): { byteLength: number };
function divide(buffer: SharedArrayBuffer, threads: number): SharedMemory;
function divide(buffer: SharedArrayBuffer | null, threads: number): SharedMemory | { byteLength: number } {
  let at = 0;
  const take = (bytes: number): number => {
    const start = at;
    at += Math.ceil(bytes / 64) * 64;
    return start;
  };
  const lanes = Array.from({ length: threads }, (_, thread) => thread);
  const offsets = {
    flags: take(64),
    keys: take(RATE_CELLS * 8),
    arrivals: take(RATE_CELLS * 8),
    shared: take(2 * LINE_WORDS * 4),
    held: take(threads * LINE_WORDS * 4),
    waiting: take(threads * LINE_WORDS * 4),
    ready: take(threads * LINE_WORDS * 4),
    granted: take(threads * LINE_WORDS * 4),
    heldBy: lanes.map(() => take(SKETCH_WORDS * 4)),
    wantedBy: lanes.map(() => take(SKETCH_WORDS * 4)),
    state: take(INSTANCES * 4),
    inFlight: lanes.map(() => take(INSTANCES * 4)),
    circuit: take(INSTANCES * 4),
    until: take(2 * INSTANCES * 4),
    closedAt: take(INSTANCES * 4),
    opening: take(64),
    windowFrom: take(INSTANCES * 4),
    requestsBefore: take(INSTANCES * 4),
    failuresBefore: take(INSTANCES * 4),
    requests: lanes.map(() => take(INSTANCES * 4)),
    failures: lanes.map(() => take(INSTANCES * 4)),
    health: take(INSTANCES * 4),
    healthSince: take(INSTANCES * 4),
    sessions: take(SESSION_WORDS * 4),
    connections: lanes.map(() => ({ total: take(64), sketch: take(SKETCH_WORDS * 4) })),
    streams: lanes.map(() => ({ total: take(64), sketch: take(SKETCH_WORDS * 4) })),
    bodies: lanes.map(() => ({ total: take(64), sketch: take(SKETCH_WORDS * 4) })),
    tunnels: {
      turn: take(64),
      keys: take(TALLY_KEYS * 8),
      lanes: lanes.map(() => take(TALLY_KEYS * 4)),
      totals: lanes.map(() => take(64)),
    },
    tickets: { next: take(64), values: take(TICKET_SLOTS * 8), ends: take(TICKET_SLOTS * 8) },
    revision: lanes.map(() => take(64)),
    beat: lanes.map(() => take(64)),
    metrics: lanes.map(() => take(METRIC_SLOTS * 8)),
  };
  if (buffer === null) return { byteLength: at };
  const words = (offset: number, length: number) => new Int32Array(buffer, offset, length);
  const places = ({ total, sketch }: { total: number; sketch: number }): PlaceWords => ({
    total: words(total, 16),
    sketch: words(sketch, SKETCH_WORDS),
  });
  return {
    buffer,
    threads,
    flags: words(offsets.flags, 16),
    rate: {
      keys: new BigInt64Array(buffer, offsets.keys, RATE_CELLS),
      arrivals: new BigInt64Array(buffer, offsets.arrivals, RATE_CELLS),
    },
    slots: {
      shared: words(offsets.shared, 2 * LINE_WORDS),
      held: words(offsets.held, threads * LINE_WORDS),
      waiting: words(offsets.waiting, threads * LINE_WORDS),
      ready: words(offsets.ready, threads * LINE_WORDS),
      granted: words(offsets.granted, threads * LINE_WORDS),
      stride: LINE_WORDS,
      heldBy: offsets.heldBy.map((offset) => words(offset, SKETCH_WORDS)),
      wantedBy: offsets.wantedBy.map((offset) => words(offset, SKETCH_WORDS)),
    },
    instances: {
      state: words(offsets.state, INSTANCES),
      inFlight: offsets.inFlight.map((offset) => words(offset, INSTANCES)),
      circuits: {
        word: words(offsets.circuit, INSTANCES),
        until: words(offsets.until, 2 * INSTANCES),
        closedAt: words(offsets.closedAt, INSTANCES),
        opening: words(offsets.opening, 16),
        windowFrom: words(offsets.windowFrom, INSTANCES),
        requestsBefore: words(offsets.requestsBefore, INSTANCES),
        failuresBefore: words(offsets.failuresBefore, INSTANCES),
        requests: offsets.requests.map((offset) => words(offset, INSTANCES)),
        failures: offsets.failures.map((offset) => words(offset, INSTANCES)),
      },
      health: { state: words(offsets.health, INSTANCES), since: words(offsets.healthSince, INSTANCES) },
      size: INSTANCES,
    },
    sessions: words(offsets.sessions, SESSION_WORDS),
    connections: offsets.connections.map(places),
    streams: offsets.streams.map(places),
    bodies: offsets.bodies.map(places),
    tunnels: {
      turn: words(offsets.tunnels.turn, 16),
      keys: new BigInt64Array(buffer, offsets.tunnels.keys, TALLY_KEYS),
      lanes: offsets.tunnels.lanes.map((offset) => words(offset, TALLY_KEYS)),
      totals: offsets.tunnels.totals.map((offset) => words(offset, 16)),
    },
    tickets: {
      next: words(offsets.tickets.next, 16),
      values: new BigInt64Array(buffer, offsets.tickets.values, TICKET_SLOTS),
      ends: new BigInt64Array(buffer, offsets.tickets.ends, TICKET_SLOTS),
    },
    pulses: offsets.revision.map((offset, lane) => ({
      revision: new BigInt64Array(buffer, offset, 8),
      beat: words(offsets.beat[lane] as number, 16),
    })),
    metrics: offsets.metrics.map((offset) => new Float64Array(buffer, offset, METRIC_SLOTS)),
  };
}
