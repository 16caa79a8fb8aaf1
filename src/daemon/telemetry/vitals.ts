import type { ObservedCircuit } from "../../domain/instance/circuit.ts";
import type { Instance } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { hasPast, isUntroubled } from "../../proxy/health/circuit-word.ts";
import type { SharedBoard } from "../../proxy/health/board.ts";
import { FLAG, refusesUnrecorded, type SharedMemory } from "../shared-memory/layout.ts";

/** How many instances' states are written back: enough for a person to read. */
const MAX_STATES = 1_000;

export interface VitalSources {
  readonly memory: SharedMemory;
  readonly board: SharedBoard;
  readonly snapshot: () => Snapshot;
  /** AUDIT_FAIL_MODE */
  readonly failMode: "closed" | "open";
  readonly threads: () => { readonly serving: number; readonly trouble: string };
}

/** How the daemon is, read from shared memory when somebody asks: readiness, metrics and `status` tell the same. */
export class Vitals {
  readonly #o: VitalSources;
  /** The instances that the daemon itself has started. */
  readonly #started = new Map<string, Instance>();

  constructor(sources: VitalSources) {
    this.#o = sources;
  }

  /** A driver of the daemon's own has told something of this instance. */
  started(instance: Instance): void {
    this.#started.set(instance.id, instance);
  }

  get auditWorking(): boolean {
    return Atomics.load(this.#o.memory.flags, FLAG.auditDown) === 0;
  }

  get draining(): boolean {
    return Atomics.load(this.#o.memory.flags, FLAG.draining) === 1;
  }

  /** Slots taken, and callers that wait for one. */
  get gate(): { readonly taken: number; readonly pending: number } {
    const { shared, waiting } = this.#o.memory.slots;
    return { taken: Atomics.load(shared, 0), pending: waiting.reduce((total, word) => total + word, 0) };
  }

  get connections(): number {
    return this.#o.memory.connections.reduce((open, { total }) => open + Atomics.load(total, 0), 0);
  }

  get streams(): number {
    return this.#o.memory.streams.reduce((open, { total }) => open + Atomics.load(total, 0), 0);
  }

  get tunnels(): number {
    return this.#o.memory.tunnels.totals.reduce((open, total) => open + Atomics.load(total, 0), 0);
  }

  /** Why no traffic should be sent; undefined when it should. */
  get notReady(): string | undefined {
    const threads = this.#o.threads();
    if (this.draining) return "shutting down";
    if (threads.serving === 0) return `no data thread serves: ${threads.trouble || "starting"}`;
    return refusesUnrecorded(this.#o.memory, this.#o.failMode) ? "audit records cannot be written" : undefined;
  }

  /** What is written back for `status` and the lists. */
  get observed(): Readonly<Record<string, unknown>> {
    const { memory, snapshot } = this.#o;
    const { taken, pending } = this.gate;
    return {
      workers: memory.threads,
      serving: this.#o.threads().serving,
      in_flight: taken,
      waiting: pending,
      connections: this.connections,
      streams: this.streams,
      tunnels: this.tunnels,
      sandboxes: snapshot().sandboxes.size,
      instances: this.#instanceStates(),
      circuits: this.circuits,
    };
  }

  /** Of the circuits that are not simply closed, the first thousand, by instance id: for people, and for after a restart. */
  get circuits(): Readonly<Record<string, ObservedCircuit>> {
    const { memory, board, snapshot } = this.#o;
    const circuits: Record<string, ObservedCircuit> = {};
    if (memory.instances.circuits.word.every((word) => isUntroubled(word) && !hasPast(word))) return circuits;
    let left = MAX_STATES;
    for (const { instances } of snapshot().sandboxes.values()) {
      for (const instance of instances) {
        const circuit = board.circuit(instance);
        if (circuit === undefined) continue;
        const { state, failures, ejections, opensInMs, closedForMs } = circuit;
        if (state === "closed" && failures === 0 && ejections === 0) continue;
        const probeAt = state === "open" ? about(Date.now() + opensInMs) : 0;
        const closedAt = state === "closed" && ejections > 0 ? about(Date.now() - closedForMs) : 0;
        circuits[instance.id] = { state, failures, ejections, probe_at_ms: probeAt, closed_at_ms: closedAt };
        if (--left === 0) return circuits;
      }
    }
    return circuits;
  }

  /**
   * What is known of instances, by id: of all that the daemon started, for a command may be waiting for one, and of the
   * first of the others.
   */
  #instanceStates(): Record<string, string> {
    const { board } = this.#o;
    const { sandboxes } = this.#o.snapshot();
    const states: Record<string, string> = {};
    for (const [id, { sandboxId }] of this.#started) {
      const current = sandboxes.get(sandboxId)?.instances.find((instance) => instance.id === id);
      if (current === undefined) this.#started.delete(id);
      else states[id] = board.state(current);
    }
    let left = MAX_STATES;
    for (const { instances } of sandboxes.values()) {
      for (const instance of instances) {
        states[instance.id] = board.state(instance);
        if (--left === 0) return states;
      }
    }
    return states;
  }
}

/** A time worked out from the clock is not the same each time: only as exact as it is told, it is. */
function about(ms: number): number {
  return Math.round(ms / 100) * 100;
}
